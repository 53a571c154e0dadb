//! Deepgram's live API, as any server speaks it: `docs/listen.md`.

use std::borrow::Cow;

use bytes::Bytes;
use engine::time::SampleRate;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, header};
use url::Url;

use super::spoken::{not_understood, s16le, span, upgrade, web_socket};
use super::{Dialect, Said};
use crate::failure::Failure;
use crate::truth::{Heard, Observation, Words};

/// Where the API is, unless the address says it.
const PATH: &str = "/v1/listen";
/// Asks Aircheck for gaps; others send it back and do nothing.
const GAPS: (&str, &str) = ("extra", "aircheck_gaps:true");

/// One connection. Finals are contiguous and never change, so a part is the stretch since the last of them.
#[derive(Debug)]
pub struct Deepgram {
    url: Url,
    authorization: Option<HeaderValue>,
    n_finals: u64,
    /// Whether words of the part that is not final yet were told.
    is_shown: bool,
}

impl Deepgram {
    /// To the server at `url` (`ws://` or `wss://`, its query is kept), which is told `token` if there is one.
    pub fn new(url: &str, token: Option<&str>) -> Result<Self, Failure> {
        let mut url = web_socket(url)?;
        if url.path() == "/" {
            url.set_path(PATH);
        }
        let header = |token: &str| HeaderValue::from_str(&format!("Token {token}"));
        let authorization = token.map(header).transpose();
        let authorization = authorization.map_err(|error| Failure::Usage(format!("token: {error}")))?;
        Ok(Self { url, authorization, n_finals: 0, is_shown: false })
    }

    fn results(&mut self, text: &str) -> Vec<Said> {
        let results: Results<'_> = match serde_json::from_str(text) {
            Ok(results) => results,
            Err(error) => return not_understood(text, error),
        };
        let words =
            results.channel.alternatives.into_iter().next().map(|best| best.words).unwrap_or_default();
        let part = self.n_finals;
        let span = Some(span(results.start, results.start + results.duration));
        let (has_words, was_shown) = (!words.is_empty(), self.is_shown);
        let words = Words { part, span, words: words.into_iter().map(Word::heard).collect() };
        self.is_shown = has_words && !results.is_final;
        self.n_finals += u64::from(results.is_final);
        vec![match (results.is_final, has_words || was_shown) {
            (true, true) => Said::Told(Observation::Final(words)),
            (true, false) => Said::Told(Observation::Other { name: "Results".into(), span }),
            (false, true) => Said::Told(Observation::Interim(words)),
            (false, false) => Said::Nothing,
        }]
    }
}

impl Dialect for Deepgram {
    fn request(&self, rate: SampleRate) -> Result<Request<()>, Failure> {
        let mut url = self.url.clone();
        let given: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let rate = rate.hz().to_string();
        for (key, value) in [("encoding", "linear16"), ("sample_rate", &rate), ("channels", "1")] {
            match given.iter().find(|(name, _)| name == key) {
                Some((_, asked)) if asked != value => {
                    return Err(Failure::Usage(format!("target {url}: {key}={asked}, {value} will be sent")));
                }
                Some(_) => {}
                None => drop(url.query_pairs_mut().append_pair(key, value)),
            }
        }
        if !given.iter().any(|(name, _)| name == "interim_results") {
            url.query_pairs_mut().append_pair("interim_results", "true");
        }
        if !given.iter().any(|(name, value)| (name.as_str(), value.as_str()) == GAPS) {
            url.query_pairs_mut().append_pair(GAPS.0, GAPS.1);
        }
        let mut request = upgrade(&url)?;
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value.clone());
        }
        Ok(request)
    }

    fn audio(&self, samples: &[i16]) -> Bytes {
        s16le(samples)
    }

    fn goodbye(&self) -> Vec<Message> {
        vec![Message::text(r#"{"type":"CloseStream"}"#)]
    }

    fn hear(&mut self, text: &str) -> Vec<Said> {
        let message: Typed<'_> = match serde_json::from_str(text) {
            Ok(message) => message,
            Err(error) => return not_understood(text, error),
        };
        let other = || Said::Told(Observation::Other { name: message.kind.clone().into_owned(), span: None });
        match &*message.kind {
            "Results" => self.results(text),
            "AircheckGap" => {
                let span = span(message.start, message.start + message.duration);
                let reason = message.reason.unwrap_or_default().into_owned();
                vec![Said::Told(Observation::Gap { span, reason })]
            }
            // Some servers send one before any audio, too.
            "Metadata" if message.duration > 0.0 => vec![other(), Said::Over],
            "Error" => vec![Said::Failed(text.to_owned())],
            _ => vec![other()],
        }
    }
}

/// Any message; positions are seconds.
#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    start: f64,
    #[serde(default)]
    duration: f64,
    #[serde(default)]
    reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Results<'a> {
    start: f64,
    duration: f64,
    #[serde(default)]
    is_final: bool,
    #[serde(borrow)]
    channel: Channel<'a>,
}

#[derive(Deserialize)]
struct Channel<'a> {
    #[serde(borrow, default)]
    alternatives: Vec<Alternative<'a>>,
}

#[derive(Deserialize)]
struct Alternative<'a> {
    #[serde(borrow, default)]
    words: Vec<Word<'a>>,
}

#[derive(Deserialize)]
struct Word<'a> {
    #[serde(borrow)]
    word: Cow<'a, str>,
    start: f64,
    end: f64,
    punctuated_word: Option<Cow<'a, str>>,
}

impl Word<'_> {
    fn heard(self) -> Heard {
        let text = self.punctuated_word.unwrap_or(self.word).into_owned();
        Heard { text, span: Some(span(self.start, self.end)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::spoken::told;

    fn check(messages: &[&str], expected: &[&str]) {
        told::check(&mut Deepgram::new("ws://host", None).unwrap(), messages, expected);
    }

    // Recorded from Aircheck 0.1.0, `metadata` left out.
    const ONSET: &str = r#"{"type":"SpeechStarted","channel":[0,1],"timestamp":1.9}"#;
    const FINAL: &str = r#"{"type":"Results","channel_index":[0,1],"duration":1.39,"start":0.0,"is_final":true,"speech_final":true,"channel":{"alternatives":[{"transcript":"Ever tried.","confidence":0.592059,"words":[{"word":"ever","start":0.32,"end":0.74,"confidence":0.715402,"punctuated_word":"Ever"},{"word":"tried","start":0.74,"end":1.26,"confidence":0.468715,"punctuated_word":"tried."}]}]},"from_finalize":false}"#;
    const INTERIM: &str = r#"{"type":"Results","channel_index":[0,1],"duration":1.22,"start":1.39,"is_final":false,"speech_final":false,"channel":{"alternatives":[{"transcript":"ever fail","confidence":0.593562,"words":[{"word":"ever","start":1.85,"end":2.23,"confidence":0.576587},{"word":"fail","start":2.23,"end":2.61,"confidence":0.610536}]}]},"from_finalize":false}"#;
    const INTERIM_EMPTY: &str = r#"{"type":"Results","channel_index":[0,1],"duration":1.42,"start":1.39,"is_final":false,"speech_final":false,"channel":{"alternatives":[{"transcript":"","confidence":0.0,"words":[]}]}}"#;
    const FINAL_EMPTY: &str = r#"{"type":"Results","channel_index":[0,1],"duration":5.0,"start":1.39,"is_final":true,"speech_final":false,"channel":{"alternatives":[{"transcript":"","confidence":0.0,"words":[]}]}}"#;
    const GAP: &str =
        r#"{"type":"AircheckGap","channel":[0,1],"start":12.3,"duration":4.1,"reason":"overload"}"#;
    const END: &str = r#"{"type":"Metadata","transaction_key":"deprecated","duration":14.963,"channels":1,"models":["f5"]}"#;

    #[test]
    fn a_part_is_what_is_said_since_the_last_final() {
        check(
            &[FINAL, ONSET, INTERIM, FINAL, GAP, END],
            &[
                "final 0 [0.000..1.390] Ever@0.320..0.740 tried.@0.740..1.260",
                "other SpeechStarted ?",
                "interim 1 [1.390..2.610] ever@1.850..2.230 fail@2.230..2.610",
                "final 1 [0.000..1.390] Ever@0.320..0.740 tried.@0.740..1.260",
                "gap 12.300..16.400 overload",
                "other Metadata ?",
                "Over",
            ],
        );
    }

    #[test]
    fn words_that_were_shown_are_taken_back_and_silence_is_no_words() {
        check(&[INTERIM_EMPTY, FINAL_EMPTY], &["other Results 1.390..6.390"]);
        check(
            &[INTERIM, FINAL_EMPTY, INTERIM_EMPTY, INTERIM, INTERIM_EMPTY, FINAL_EMPTY],
            &[
                "interim 0 [1.390..2.610] ever@1.850..2.230 fail@2.230..2.610",
                "final 0 [1.390..6.390]",
                "interim 1 [1.390..2.610] ever@1.850..2.230 fail@2.230..2.610",
                "interim 1 [1.390..2.810]",
                "other Results 1.390..6.390",
            ],
        );
    }

    #[test]
    fn errors_and_nonsense_end_it() {
        let mut dialect = Deepgram::new("ws://host", None).unwrap();
        for message in [r#"{"type":"Error","description":"no"}"#, "<html>", r#"{"type":"Results"}"#, "{}"] {
            let said = dialect.hear(message);
            assert!(matches!(said[..], [Said::Failed(_)]), "{message}: {said:?}");
        }
        check(&[r#"{"type":"Metadata","duration":0.0}"#], &["other Metadata ?"]);
    }

    #[test]
    fn the_address_keeps_its_own_query() {
        let request = |url: &str| Deepgram::new(url, Some("s3cret"))?.request(SampleRate::HZ_16000);
        let sent = request("ws://host/?model=a%20b&interim_results=false&extra=x:1").unwrap();
        let query =
            "model=a%20b&interim_results=false&extra=x:1&encoding=linear16&sample_rate=16000&channels=1";
        assert_eq!(sent.uri(), &*format!("ws://host/v1/listen?{query}&extra=aircheck_gaps%3Atrue"));
        assert_eq!(sent.headers()[header::AUTHORIZATION], "Token s3cret");
        let sent = request("wss://api.vendor/v2/ears").unwrap();
        assert_eq!(sent.uri().path(), "/v2/ears");
        assert!(sent.uri().query().unwrap().contains("interim_results=true"));
        for (url, why) in [
            ("ws://host?sample_rate=8000", "sample_rate=8000, 16000 will be sent"),
            ("http://host", "http is no WebSocket"),
            ("host:80", "is no WebSocket"),
        ] {
            let error = request(url).unwrap_err();
            assert!(matches!(&error, Failure::Usage(said) if said.contains(why)), "{url}: {error}");
        }
    }
}

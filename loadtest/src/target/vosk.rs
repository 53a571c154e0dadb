//! vosk-server's WebSocket protocol (github.com/alphacep/vosk-server, websocket/asr_server.py, c2e82f0).

use std::borrow::Cow;

use bytes::Bytes;
use engine::time::SampleRate;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::Request;
use url::Url;

use super::spoken::{not_understood, s16le, span, upgrade, web_socket, words_of};
use super::{Dialect, Said};
use crate::failure::Failure;
use crate::truth::{Heard, Observation, Words};

/// One connection. Results never change, so a part is the stretch since the last of them. The server closes the
/// connection after the result that answers the goodbye.
#[derive(Debug)]
pub struct Vosk {
    url: Url,
    rate: SampleRate,
    n_finals: u64,
    /// Text of the part that is not final yet, as told.
    shown: String,
}

impl Vosk {
    /// To the server at `url` (`ws://` or `wss://`) for mono audio of `rate`.
    pub fn new(url: &str, rate: SampleRate) -> Result<Self, Failure> {
        Ok(Self { url: web_socket(url)?, rate, n_finals: 0, shown: String::new() })
    }

    fn partial(&mut self, text: &str) -> Said {
        if self.shown == text {
            return Said::Nothing;
        }
        text.clone_into(&mut self.shown);
        Said::Told(Observation::Interim(Words { part: self.n_finals, span: None, words: words_of(text) }))
    }

    fn result(&mut self, text: &str, timed: Vec<Word<'_>>) -> Said {
        let was_shown = !self.shown.is_empty();
        self.shown.clear();
        let part = self.n_finals;
        self.n_finals += 1;
        let whole = timed.first().zip(timed.last()).map(|(first, last)| span(first.start, last.end));
        let words: Vec<Heard> =
            if timed.is_empty() { words_of(text) } else { timed.into_iter().map(Word::heard).collect() };
        if words.is_empty() && !was_shown {
            return Said::Told(Observation::Other { name: "text".into(), span: None });
        }
        Said::Told(Observation::Final(Words { part, span: whole, words }))
    }
}

impl Dialect for Vosk {
    fn request(&self, rate: SampleRate) -> Result<Request<()>, Failure> {
        if rate != self.rate {
            return Err(Failure::Usage(format!("audio of {rate} for a connection of {}", self.rate)));
        }
        upgrade(&self.url)
    }

    fn greeting(&self) -> Vec<Message> {
        vec![Message::text(format!(r#"{{"config":{{"sample_rate":{},"words":1}}}}"#, self.rate.hz()))]
    }

    fn audio(&self, samples: &[i16]) -> Bytes {
        s16le(samples)
    }

    /// The server compares it with these very characters, blanks included.
    fn goodbye(&self) -> Vec<Message> {
        vec![Message::text(r#"{"eof" : 1}"#)]
    }

    fn hear(&mut self, text: &str) -> Vec<Said> {
        let answer: Answer<'_> = match serde_json::from_str(text) {
            Ok(answer) => answer,
            Err(error) => return not_understood(text, error),
        };
        let best = answer.alternatives.into_iter().next();
        vec![match (answer.partial, answer.text, best) {
            (Some(partial), ..) => self.partial(&partial),
            (_, Some(text), _) => self.result(&text, answer.result),
            (_, _, Some(best)) => self.result(&best.text, best.result),
            (None, None, None) => return not_understood(text, "neither partial nor text"),
        }]
    }
}

/// Any message.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    partial: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    result: Vec<Word<'a>>,
    /// In place of the others where the server was started with `VOSK_ALTERNATIVES`, the best first.
    #[serde(borrow, default)]
    alternatives: Vec<Alternative<'a>>,
}

#[derive(Deserialize)]
struct Alternative<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow, default)]
    result: Vec<Word<'a>>,
}

/// Positions are seconds since the first sample.
#[derive(Deserialize)]
struct Word<'a> {
    #[serde(borrow)]
    word: Cow<'a, str>,
    start: f64,
    end: f64,
}

impl Word<'_> {
    fn heard(self) -> Heard {
        Heard { text: self.word.into_owned(), span: Some(span(self.start, self.end)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::spoken::told;

    fn vosk() -> Vosk {
        Vosk::new("ws://host:2700", SampleRate::HZ_16000).unwrap()
    }

    fn check(messages: &[&str], expected: &[&str]) {
        told::check(&mut vosk(), messages, expected);
    }

    const EMPTY: &str = "{\n  \"partial\" : \"\"\n}";
    const ONE: &str = "{\n  \"partial\" : \"one\"\n}";
    const RESULT: &str = r#"{
  "result" : [{
      "conf" : 1.000000,
      "end" : 1.110000,
      "start" : 0.840000,
      "word" : "one"
    }, {
      "conf" : 0.5,
      "end" : 1.530000,
      "start" : 1.110000,
      "word" : "zero"
    }],
  "text" : "one zero"
}"#;

    #[test]
    fn a_part_is_what_is_said_since_the_last_result() {
        check(
            &[EMPTY, ONE, ONE, RESULT, EMPTY, ONE, EMPTY, r#"{"text" : ""}"#],
            &[
                "interim 0 [?] one@?",
                "final 0 [0.840..1.530] one@0.840..1.110 zero@1.110..1.530",
                "interim 1 [?] one@?",
                "interim 1 [?]",
                "other text ?",
            ],
        );
        check(&[ONE, r#"{"text" : ""}"#], &["interim 0 [?] one@?", "final 0 [?]"]);
    }

    #[test]
    fn servers_without_word_times_or_with_alternatives() {
        check(&[r#"{"text" : "one zero"}"#], &["final 0 [?] one@? zero@?"]);
        let best = r#"{"alternatives":[{"confidence":9.1,"result":[{"word":"one","start":0.5,"end":1}],"text":" one"},{"confidence":8,"text":"won"}]}"#;
        check(&[best], &["final 0 [0.500..1.000] one@0.500..1.000"]);
        let said = vosk().hear("{}");
        assert!(matches!(said[..], [Said::Failed(_)]), "{said:?}");
    }

    #[test]
    fn greeting_and_goodbye_are_those_of_the_server() {
        let texts =
            |all: Vec<Message>| all.iter().map(|m| m.to_text().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(texts(vosk().greeting()), [r#"{"config":{"sample_rate":16000,"words":1}}"#]);
        assert_eq!(texts(vosk().goodbye()), [r#"{"eof" : 1}"#]);
        assert!(vosk().request(SampleRate::new(8_000).unwrap()).is_err());
        assert_eq!(vosk().request(SampleRate::HZ_16000).unwrap().uri(), "ws://host:2700/");
    }
}

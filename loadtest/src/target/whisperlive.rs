//! WhisperLive's protocol (PyPI whisper-live 0.10.0: client.py, server.py, backend/base.py).

use bytes::Bytes;
use engine::time::SampleRate;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::Request;
use url::Url;

use super::spoken::{f32le, not_understood, span, upgrade, web_socket, words_of};
use super::{Dialect, Said};
use crate::failure::Failure;
use crate::truth::{Heard, Observation, Words};

/// One connection. Each message repeats the last ten segments: those that are completed never change, and the rest is
/// replaced by the next message. So a part is a completed segment, or what comes after the last of them.
#[derive(Debug)]
pub struct WhisperLive {
    url: Url,
    options: Map<String, Value>,
    /// The last segment that was completed: what comes after it in a message is new.
    last: Option<Completed>,
    n_finals: u64,
    /// Text after the last completed segment, as told.
    shown: String,
}

/// What tells completed segments apart: they are said again in the same words.
#[derive(Debug, PartialEq)]
struct Completed {
    start: f64,
    end: f64,
    text: String,
}

impl WhisperLive {
    /// To the server at `url` (`ws://` or `wss://`). Its query becomes options of the connection:
    /// `?model=tiny.en&use_vad=false`; others are those of its own client.
    pub fn new(url: &str) -> Result<Self, Failure> {
        let mut url = web_socket(url)?;
        let mut options = defaults();
        for (name, value) in url.query_pairs() {
            // What is no JSON is text.
            let value = serde_json::from_str(&value).unwrap_or_else(|_| Value::from(&*value));
            options.insert(name.into_owned(), value);
        }
        url.set_query(None);
        Ok(Self { url, options, last: None, n_finals: 0, shown: String::new() })
    }

    fn segments(&mut self, segments: Vec<Segment<'_>>) -> Vec<Said> {
        let is_last = |segment: &Segment<'_>| self.last.as_ref().is_some_and(|last| segment.is(last));
        let n_known = segments.iter().rposition(is_last).map_or(0, |idx| idx + 1);
        let mut said = Vec::new();
        let mut pending = Vec::new();
        for segment in segments.into_iter().skip(n_known) {
            if segment.completed {
                said.push(self.completed(&segment));
            } else {
                pending.push(segment);
            }
        }
        said.push(self.pending(&pending));
        said
    }

    fn completed(&mut self, segment: &Segment<'_>) -> Said {
        self.shown.clear();
        let part = self.n_finals;
        self.n_finals += 1;
        let (start, end) = (segment.start.secs(), segment.end.secs());
        self.last = Some(Completed { start, end, text: segment.text.to_string() });
        Said::Told(Observation::Final(Words { part, span: Some(span(start, end)), words: segment.heard() }))
    }

    fn pending(&mut self, segments: &[Segment<'_>]) -> Said {
        let text: String = segments.iter().map(|segment| &*segment.text).collect();
        if self.shown == text {
            return Said::Nothing;
        }
        self.shown = text;
        let ends = segments.first().zip(segments.last());
        let span = ends.map(|(first, last)| span(first.start.secs(), last.end.secs()));
        let words = segments.iter().flat_map(Segment::heard).collect();
        Said::Told(Observation::Interim(Words { part: self.n_finals, span, words }))
    }
}

/// As client.py has them; each connection has a name of its own.
fn defaults() -> Map<String, Value> {
    static N_CONNECTIONS: AtomicU64 = AtomicU64::new(0);
    let n = N_CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    let options = json!({
        "uid": format!("aircheck-loadtest-{}-{n}", process::id()),
        "language": "en", "task": "transcribe", "model": "small", "use_vad": true,
        "send_last_n_segments": 10, "no_speech_thresh": 0.45, "clip_audio": false, "same_output_threshold": 10,
        "word_timestamps": false,
    });
    match options {
        Value::Object(options) => options,
        _ => Map::new(),
    }
}

impl Dialect for WhisperLive {
    fn request(&self, rate: SampleRate) -> Result<Request<()>, Failure> {
        if rate != SampleRate::HZ_16000 {
            return Err(Failure::Usage(format!(
                "WhisperLive takes {} only, not {rate}",
                SampleRate::HZ_16000
            )));
        }
        upgrade(&self.url)
    }

    fn greeting(&self) -> Vec<Message> {
        vec![Message::text(Value::Object(self.options.clone()).to_string())]
    }

    fn waits(&self) -> bool {
        true
    }

    fn audio(&self, samples: &[i16]) -> Bytes {
        f32le(samples)
    }

    fn goodbye(&self) -> Vec<Message> {
        vec![Message::binary(&b"END_OF_AUDIO"[..])]
    }

    fn hear(&mut self, text: &str) -> Vec<Said> {
        let told: Told<'_> = match serde_json::from_str(text) {
            Ok(told) => told,
            Err(error) => return not_understood(text, error),
        };
        match (told.status.as_deref(), &told.message) {
            (Some("WAIT"), wait) => {
                let minutes = wait.as_ref().and_then(Value::as_f64).unwrap_or_default();
                return vec![Said::Failed(format!("the server is full, for {minutes:.1} minutes perhaps"))];
            }
            (Some("ERROR"), why) => {
                let why = why.as_ref().and_then(Value::as_str).unwrap_or("no reason told");
                return vec![Said::Failed(why.to_owned())];
            }
            (_, Some(message)) if message == "SERVER_READY" => return vec![Said::Ready],
            (_, Some(message)) if message == "DISCONNECT" => return vec![Said::Over],
            _ => {}
        }
        told.segments.map_or_else(|| vec![Said::Nothing], |segments| self.segments(segments))
    }
}

/// Any message.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    /// Text, or minutes to wait.
    #[serde(default)]
    message: Option<Value>,
    #[serde(borrow, default)]
    segments: Option<Vec<Segment<'a>>>,
}

#[derive(Deserialize)]
struct Segment<'a> {
    #[serde(borrow)]
    start: Secs<'a>,
    #[serde(borrow)]
    end: Secs<'a>,
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(default)]
    completed: bool,
    /// With the option `word_timestamps`.
    #[serde(borrow, default)]
    words: Vec<Word<'a>>,
}

#[derive(Deserialize)]
struct Word<'a> {
    #[serde(borrow)]
    word: Cow<'a, str>,
    #[serde(borrow)]
    start: Secs<'a>,
    #[serde(borrow)]
    end: Secs<'a>,
}

/// Seconds, as text with three digits or as a number: that depends on the back end.
#[derive(Deserialize)]
#[serde(untagged)]
enum Secs<'a> {
    Number(f64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Secs<'_> {
    fn secs(&self) -> f64 {
        match self {
            Self::Number(secs) => *secs,
            Self::Text(text) => text.parse().unwrap_or_default(),
        }
    }
}

impl Segment<'_> {
    fn is(&self, other: &Completed) -> bool {
        let ends = (self.start.secs(), self.end.secs());
        self.completed && ends == (other.start, other.end) && self.text == other.text
    }

    fn heard(&self) -> Vec<Heard> {
        if self.words.is_empty() {
            return words_of(&self.text);
        }
        let heard = |word: &Word<'_>| Heard {
            text: word.word.trim().to_owned(),
            span: Some(span(word.start.secs(), word.end.secs())),
        };
        self.words.iter().map(heard).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::spoken::told;

    fn server() -> WhisperLive {
        WhisperLive::new("ws://host:9090").unwrap()
    }

    fn check(messages: &[&str], expected: &[&str]) {
        told::check(&mut server(), messages, expected);
    }

    const READY: &str = r#"{"uid": "u", "message": "SERVER_READY", "backend": "faster_whisper"}"#;
    const LANGUAGE: &str = r#"{"uid": "u", "language": "en", "language_prob": 0.98}"#;
    const FIRST: &str = r#"{"uid": "u", "segments": [{"start": "0.000", "end": "2.500", "text": " It was", "completed": false}]}"#;
    const SECOND: &str = r#"{"uid": "u", "segments": [{"start": "0.000", "end": "2.480", "text": " It was the", "completed": true}, {"start": "2.480", "end": "4.000", "text": " best of", "completed": false}]}"#;
    const THIRD: &str = r#"{"uid": "u", "segments": [{"start": "0.000", "end": "2.480", "text": " It was the", "completed": true}, {"start": "2.480", "end": "5.000", "text": " best of times", "completed": true}, {"start": "5.000", "end": "5.400", "text": " it", "completed": true}]}"#;
    const OFF_WINDOW: &str = r#"{"uid": "u", "segments": [{"start": "9.000", "end": "9.500", "text": " so", "completed": true}, {"start": 9.5, "end": 10, "text": " on"}]}"#;

    #[test]
    fn segments_replace_each_other_until_they_are_completed() {
        check(
            &[READY, LANGUAGE, FIRST, FIRST, SECOND, SECOND, THIRD, THIRD, OFF_WINDOW],
            &[
                "Ready",
                "interim 0 [0.000..2.500] It@? was@?",
                "final 0 [0.000..2.480] It@? was@? the@?",
                "interim 1 [2.480..4.000] best@? of@?",
                "final 1 [2.480..5.000] best@? of@? times@?",
                "final 2 [5.000..5.400] it@?",
                "final 3 [9.000..9.500] so@?",
                "interim 4 [9.500..10.000] on@?",
            ],
        );
    }

    #[test]
    fn what_is_not_repeated_is_taken_back() {
        let gone = r#"{"uid": "u", "segments": []}"#;
        let again = SECOND.replace("best of", "best");
        check(
            &[FIRST, gone, SECOND, &again],
            &[
                "interim 0 [0.000..2.500] It@? was@?",
                "interim 0 [?]",
                "final 0 [0.000..2.480] It@? was@? the@?",
                "interim 1 [2.480..4.000] best@? of@?",
                "interim 1 [2.480..4.000] best@?",
            ],
        );
    }

    #[test]
    fn word_times_are_taken_where_there_are_some() {
        let timed = r#"{"uid": "u", "segments": [{"start": "0.000", "end": "1.000", "text": " It was", "completed": true, "words": [{"word": " It", "start": "0.100", "end": "0.400", "probability": 0.9}, {"word": " was", "start": "0.400", "end": "0.900", "probability": 0.9}]}]}"#;
        check(&[timed], &["final 0 [0.000..1.000] It@0.100..0.400 was@0.400..0.900"]);
    }

    #[test]
    fn a_full_server_refuses_and_others_go() {
        check(
            &[
                r#"{"uid": "u", "status": "WARNING", "message": "slow"}"#,
                r#"{"uid": "u", "status": "WAIT", "message": 9.62}"#,
                r#"{"uid": "u", "status": "ERROR", "message": "Failed to load model: x"}"#,
                r#"{"uid": "u", "message": "DISCONNECT"}"#,
            ],
            &[
                r#"Failed("the server is full, for 9.6 minutes perhaps")"#,
                r#"Failed("Failed to load model: x")"#,
                "Over",
            ],
        );
        assert!(matches!(server().hear("[")[..], [Said::Failed(_)]));
    }

    #[test]
    fn the_query_becomes_options() {
        let server =
            WhisperLive::new("ws://host:9090/?model=tiny.en&use_vad=false&no_speech_thresh=0.6").unwrap();
        assert_eq!(server.request(SampleRate::HZ_16000).unwrap().uri(), "ws://host:9090/");
        let options: Value = serde_json::from_str(server.greeting()[0].to_text().unwrap()).unwrap();
        let of = |name: &str| options[name].clone();
        assert_eq!((of("model"), of("use_vad")), (json!("tiny.en"), json!(false)));
        assert_eq!((of("no_speech_thresh"), of("language")), (json!(0.6), json!("en")));
        let other = WhisperLive::new("ws://host:9090").unwrap();
        assert_ne!(other.options["uid"], options["uid"], "connections of one name are taken for one client");
        assert!(server.request(SampleRate::new(8_000).unwrap()).is_err());
    }
}

//! The messages, as the vendor's SDKs read and write them. Positions are seconds since the first sample.

use std::collections::BTreeMap;

use engine::event::{GapReason, SpokenWord};
use engine::time::MediaTime;
use serde::{Deserialize, Serialize};

use super::ids::model_uuid;
use super::query::Spelling;

/// What a client may say in a text message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Said {
    KeepAlive,
    Finalize {
        /// Of this channel only.
        #[serde(default)]
        channel: Option<usize>,
    },
    CloseStream,
    Configure {},
}

/// What is said to a client.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type")]
pub(super) enum Message {
    Results(Results),
    SpeechStarted { channel: [usize; 2], timestamp: f64 },
    UtteranceEnd { channel: [usize; 2], last_word_end: f64 },
    Metadata(Box<Metadata>),
    Error { variant: &'static str, description: String, message: String },
    ConfigureFailure { request_id: String, code: &'static str, description: &'static str },
    AircheckGap(Gap),
}

/// Text of a stretch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Results {
    /// Of how many channels which one.
    pub(super) channel_index: [usize; 2],
    pub(super) duration: f64,
    pub(super) start: f64,
    pub(super) is_final: bool,
    pub(super) speech_final: bool,
    pub(super) channel: Alternatives,
    pub(super) metadata: Origin,
    pub(super) from_finalize: bool,
}

/// All that could have been said: one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Alternatives {
    pub(super) alternatives: [Alternative; 1],
}

/// What was said.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Alternative {
    pub(super) transcript: String,
    pub(super) confidence: f64,
    pub(super) words: Vec<Word>,
}

/// One word.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Word {
    word: String,
    start: f64,
    pub(super) end: f64,
    confidence: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    punctuated_word: Option<String>,
}

/// Which request, and who heard it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Origin {
    pub(super) request_id: String,
    pub(super) model_info: ModelInfo,
    pub(super) model_uuid: String,
}

/// A model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ModelInfo {
    name: String,
    version: &'static str,
    arch: &'static str,
}

/// The end of a stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Metadata {
    pub(super) transaction_key: &'static str,
    pub(super) request_id: String,
    pub(super) sha256: String,
    pub(super) created: String,
    pub(super) duration: f64,
    pub(super) channels: usize,
    pub(super) models: [String; 1],
    pub(super) model_info: BTreeMap<String, ModelInfo>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) extra: BTreeMap<String, String>,
}

/// A stretch that was not, or not fully, analysed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Gap {
    pub(super) channel: [usize; 2],
    pub(super) start: f64,
    pub(super) duration: f64,
    pub(super) reason: GapReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<String>,
}

impl Origin {
    /// Of request `request_id`, heard by `model`.
    pub(super) fn new(request_id: String, model: &str) -> Self {
        let model_info =
            ModelInfo { name: model.to_owned(), version: env!("CARGO_PKG_VERSION"), arch: "whisper" };
        Self { request_id, model_info, model_uuid: model_uuid(model) }
    }
}

impl Alternative {
    /// From the words that were heard.
    pub(super) fn new(heard: &[SpokenWord], spelling: Spelling) -> Self {
        let words: Vec<Word> = heard.iter().filter_map(|word| Word::new(word, spelling)).collect();
        let text = |word: &Word| word.punctuated_word.clone().unwrap_or_else(|| word.word.clone());
        let sum: f64 = words.iter().map(|word| word.confidence).sum();
        Self {
            transcript: words.iter().map(text).collect::<Vec<_>>().join(" "),
            confidence: rounded(sum / words.len().max(1) as f64),
            words,
        }
    }
}

impl Word {
    /// `None`: nothing of it is spoken.
    fn new(heard: &SpokenWord, spelling: Spelling) -> Option<Self> {
        let word = heard.text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        (!word.is_empty()).then(|| Self {
            word,
            start: secs(heard.span.start),
            end: secs(heard.span.end),
            confidence: rounded(f64::from(heard.confidence)),
            punctuated_word: (spelling == Spelling::Punctuated).then(|| heard.text.trim().to_owned()),
        })
    }
}

/// Seconds, to the millisecond: so that a stretch begins where the one before it ends, by the sums of any client.
pub(super) fn secs(time: MediaTime) -> f64 {
    time.as_millis() as f64 / 1_000.0
}

/// Length in whole milliseconds between two positions on the wire.
pub(super) fn length(start: MediaTime, end: MediaTime) -> f64 {
    end.as_millis().saturating_sub(start.as_millis()) as f64 / 1_000.0
}

fn rounded(confidence: f64) -> f64 {
    (confidence * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use engine::time::Span;

    use super::*;

    fn heard(text: &str, start: u64) -> SpokenWord {
        let at = MediaTime::from_millis;
        SpokenWord { text: text.into(), span: Span::new(at(start), at(start + 100)), confidence: 0.5 }
    }

    #[test]
    fn words_are_spelled_as_asked() {
        let words = [heard("It's", 0), heard("—", 100), heard("1984,", 200), heard("\"Ähm!\"", 300)];
        let plain = Alternative::new(&words, Spelling::Plain);
        assert_eq!((plain.transcript.as_str(), plain.words.len()), ("it's 1984 ähm", 3));
        let written = Alternative::new(&words, Spelling::Punctuated);
        assert_eq!((written.transcript.as_str(), written.confidence), ("It's 1984, \"Ähm!\"", 0.5));
        let last = serde_json::to_value(&written.words[1]).unwrap();
        let expected = serde_json::json!({"word":"1984","start":0.2,"end":0.3,"confidence":0.5,"punctuated_word":"1984,"});
        assert_eq!(last, expected);
    }

    #[test]
    fn clients_are_understood() {
        let said = |text: &str| serde_json::from_str::<Said>(text).ok();
        assert_eq!(said(r#"{"type":"KeepAlive"}"#), Some(Said::KeepAlive));
        assert_eq!(said(r#"{"type":"Finalize"}"#), Some(Said::Finalize { channel: None }));
        assert_eq!(said(r#"{"type":"Finalize","channel":1}"#), Some(Said::Finalize { channel: Some(1) }));
        assert_eq!(said(r#"{"type":"CloseStream","more":1}"#), Some(Said::CloseStream));
        assert_eq!(said(r#"{"type":"Configure","keyterms":["a"]}"#), Some(Said::Configure {}));
        assert_eq!((said("KeepAlive"), said(r#"{"type":"Nothing"}"#)), (None, None));
    }
}

//! What events carry that are about words: transcripts, keywords, and how far a transcript is certain.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Span;

/// One word of a transcript.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SpokenWord {
    /// As written, with its punctuation.
    pub text: String,
    /// Where it was said.
    #[serde(flatten)]
    pub span: Span,
    /// 0..=1.
    pub confidence: f32,
}

/// What was said in one utterance, so far (partial) or for good (final).
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Transcript {
    /// Number of the utterance within the epoch.
    pub utterance: u64,
    /// The whole text.
    pub text: String,
    /// Bytes of `text` that a later partial will not change; all of them in a final.
    pub stable_bytes: usize,
    /// Language code.
    pub language: String,
    /// Mean word confidence, 0..=1.
    pub confidence: f32,
    /// The words in order.
    pub words: Vec<SpokenWord>,
    /// Step of the degradation ladder it was made at, 0 = all.
    pub degraded: u8,
    /// Model that heard it.
    pub model: String,
}

/// How sure a keyword is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeywordState {
    /// Seen in a partial; the final may take it back by not confirming it.
    Provisional,
    /// Seen in a final.
    Confirmed,
}

/// A keyword or phrase was said.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Keyword {
    /// The term as it is written in the rule.
    pub term: String,
    /// Name of the rule.
    pub rule: String,
    /// Number of the utterance.
    pub utterance: u64,
    /// Provisional or confirmed.
    pub state: KeywordState,
    /// Words around it.
    pub context: String,
}

/// Speech begins. It may turn out to be none, or too short to be recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Onset {
    /// Number of the utterance that it begins.
    pub utterance: u64,
}

/// What ended a stretch whose transcript is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Settling {
    /// Nothing: nobody spoke in it for long enough.
    Quiet,
    /// The speaker paused.
    Endpoint,
    /// The utterance was as long as it may be; the speaker may go on.
    Cut,
    /// An endpoint that was asked for.
    Demand,
    /// The audio: the feed ended, or there is a gap.
    End,
}

/// The transcript is settled up to the end of the span: what was said before it is in a final, or was lost to a gap, and
/// nothing will be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Settled {
    /// What ended the stretch.
    pub by: Settling,
    /// Number of the utterance of the last final before it, which may become visible after this. Absent: there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_final: Option<u64>,
}

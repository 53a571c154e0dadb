//! What was not, or not fully, analysed or kept, and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why audio was not analysed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// Shed, because the machine was too busy.
    Overload,
    /// Lost on the way.
    Loss,
    /// Bytes in which there was no audio.
    Undecodable,
    /// The source was away.
    Disconnect,
    /// Aircheck itself was away.
    Crash,
    /// The recogniser failed; everything but the transcript was analysed.
    RecogniserFailed,
    /// Analysed, but its events could not be kept: the journal could not be written for too long.
    Journal,
}

impl GapReason {
    /// As in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overload => "overload",
            Self::Loss => "loss",
            Self::Undecodable => "undecodable",
            Self::Disconnect => "disconnect",
            Self::Crash => "crash",
            Self::RecogniserFailed => "recogniser_failed",
            Self::Journal => "journal",
        }
    }
}

/// A stretch that was not (fully) analysed, as it travels with the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Frames at the feed's own rate; 0 when nobody knows how many there were.
    pub frames: u64,
    /// Why.
    pub reason: GapReason,
}

/// Longest [`GapReport::cause`], characters.
const CAUSE_CHARS_MAX: usize = 200;

/// A stretch that was not (fully) analysed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GapReport {
    /// Frames at the feed's own rate; 0 when nobody knows how many there were.
    pub frames: u64,
    /// Why.
    pub reason: GapReason,
    /// Losses within the span, where there are several: what lies between them was analysed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub losses: Option<u64>,
    /// What happened to the recogniser or the journal that failed, for people: at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl GapReport {
    /// `losses` of `frames` in all, close to each other.
    #[must_use]
    pub fn of_losses(frames: u64, losses: u64) -> Self {
        let losses = (losses > 1).then_some(losses);
        Self { frames, reason: GapReason::Loss, losses, cause: None }
    }

    /// The recogniser failed at these frames, because of `cause`, which is cut to its limit and loses
    /// control characters.
    #[must_use]
    pub fn recogniser_failed(frames: u64, cause: &str) -> Self {
        Self { frames, reason: GapReason::RecogniserFailed, losses: None, cause: Some(printable(cause)) }
    }

    /// Aircheck was away, because of `cause`, which is cut to its limit and loses control characters. Nobody knows what
    /// it missed.
    #[must_use]
    pub fn crashed(cause: &str) -> Self {
        Self { frames: 0, reason: GapReason::Crash, losses: None, cause: Some(printable(cause)) }
    }

    /// Events were lost, because of `cause`, which is cut to its limit and loses control characters. The audio itself
    /// was analysed: no frames.
    #[must_use]
    pub fn events_lost(cause: &str) -> Self {
        Self { frames: 0, reason: GapReason::Journal, losses: None, cause: Some(printable(cause)) }
    }
}

fn printable(cause: &str) -> String {
    cause.chars().filter(|c| !c.is_control()).take(CAUSE_CHARS_MAX).collect()
}

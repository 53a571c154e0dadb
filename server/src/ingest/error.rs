//! Everything that can be wrong with an input, in one line each: where, what was found, what was expected.

use std::io;

use engine::audio::FormatError;
use engine::time::SampleRateError;
use thiserror::Error;

/// Whose fault a failed input is; the program's exit status follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It was asked for wrongly.
    Usage,
    /// It cannot be reached: no such file, no such host, no answer.
    Unreachable,
    /// It was reached and holds nothing that can be analysed.
    Input,
}

/// Why an input cannot be opened, or cannot be read on. `place` is a path, `standard input`, or an address without its
/// secrets.
#[derive(Debug, Error)]
pub enum IngestError {
    /// An address or a PCM description that makes no sense.
    #[error("{place}: {found}, expected {expected}")]
    Usage {
        /// What was given.
        place: String,
        /// What is wrong with it.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Nothing there, or nobody answers.
    #[error("{place}: {reason}")]
    Unreachable {
        /// Where.
        place: String,
        /// Why, in the words of the system or the server.
        reason: String,
    },
    /// No audio format that we know.
    #[error("{place}: {found}, expected {expected}")]
    NotAudio {
        /// Where.
        place: String,
        /// What it is instead.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A known format with something in it that we cannot decode.
    #[error("{place}: {what}")]
    Unsupported {
        /// Where.
        place: String,
        /// What it is, and what would work.
        what: String,
    },
    /// Sample rate out of range.
    #[error("{place}: {source}")]
    SampleRate {
        /// Where.
        place: String,
        /// The rate.
        source: SampleRateError,
    },
    /// Channel count out of range.
    #[error("{place}: {source}")]
    Channels {
        /// Where.
        place: String,
        /// The count.
        source: FormatError,
    },
    /// Bytes, but no audio in them.
    #[error("{place}: no audio up to byte {byte}: {reason}")]
    Undecodable {
        /// Where.
        place: String,
        /// How far it was read.
        byte: u64,
        /// What the decoder said last.
        reason: String,
    },
    /// The decoder has a bug that this input found. The feed ends, the program lives.
    #[error("{place}: the decoder panicked near byte {byte}: {message}")]
    DecoderPanicked {
        /// Where.
        place: String,
        /// How far it was read.
        byte: u64,
        /// The panic's message.
        message: String,
    },
    /// Reading failed.
    #[error("{place}: reading failed at byte {byte}: {source}")]
    Read {
        /// Where.
        place: String,
        /// How far it was read.
        byte: u64,
        /// The system's error.
        source: io::Error,
    },
}

impl IngestError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Usage { .. } => Fault::Usage,
            Self::Unreachable { .. } => Fault::Unreachable,
            _ => Fault::Input,
        }
    }
}

//! Learned models behind slices: the `Recognizer` trait, Whisper, and the weights store.
//! Knows no feeds, no media time and no network.
#![forbid(unsafe_code)]

mod checks;
pub mod convert;
mod recognizer;
mod scripted;
pub mod store;
pub mod whisper;

pub use checks::check_request;
pub use recognizer::{
    CONTEXT_FRAMES_MARGIN, CONTEXT_FRAMES_MAX, CONTEXT_FRAMES_MIN, CONTEXT_FRAMES_PER_SECOND, DecodeOptions,
    RecognizeError, Recognizer, SAMPLE_RATE_HZ, Transcription, Word, fitted_context, wider_context,
};
pub use scripted::{Fault, Scripted};

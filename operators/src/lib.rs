//! Everything in Aircheck that implements `Operator`. No clock, no I/O, no threads.
#![forbid(unsafe_code)]

mod error;
mod fold;
mod hop;
pub mod keywords;
pub mod transcript;
pub mod utterances;

pub use error::BuildError;
pub use hop::{HOP_FRAMES, Hop, N_MELS, hop_time};

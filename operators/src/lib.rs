//! Everything in Aircheck that implements `Operator`. No clock, no I/O, no threads.
#![forbid(unsafe_code)]

mod error;
mod hop;

pub use error::BuildError;
pub use hop::{HOP_FRAMES, Hop, N_MELS, hop_time};

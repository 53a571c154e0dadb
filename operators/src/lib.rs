//! Everything in Aircheck that implements `Operator`. No clock, no I/O, no threads.

mod error;
mod hop;
mod sanitise;

pub use error::BuildError;
pub use hop::{HOP_FRAMES, Hop, N_MELS, hop_time};
pub use sanitise::{SAMPLE_MAX, Sanitise};

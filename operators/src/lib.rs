//! Everything in Aircheck that implements `Operator`. No clock, no I/O, no threads.

mod downmix;
mod error;
mod hop;
mod resample;
mod spare;

pub use downmix::Downmix;
pub use error::BuildError;
pub use hop::{HOP_FRAMES, Hop, N_MELS, hop_time};
pub use resample::Resample;

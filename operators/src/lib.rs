//! Everything in Aircheck that implements `Operator`. No clock, no I/O, no threads.

mod downmix;
mod error;
mod front_end;
mod hop;
mod log;
mod mel;
mod resample;
mod sanitise;
mod spare;
mod voice;

pub use downmix::Downmix;
pub use error::BuildError;
pub use front_end::FrontEnd;
pub use hop::{HOP_FRAMES, Hop, N_MELS, hop_time};
pub use mel::whisper_scale;
pub use resample::Resample;
pub use sanitise::{SAMPLE_MAX, Sanitise};
pub use voice::{Voice, VoiceConfig};

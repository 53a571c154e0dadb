//! Everything in Aircheck that implements `Operator`. No clock, no I/O, no threads.

mod alarm;
mod dead_air;
mod error;
mod hop;
mod levels;
mod loudness;
mod sanitise;
mod stats;
#[cfg(test)]
mod testing;
mod windows;

pub use dead_air::{DeadAir, DeadAirConfig};
pub use error::BuildError;
pub use hop::{HOP_FRAMES, Hop, N_MELS, hop_time};
pub use levels::{
    ChannelLevels, ChannelLostConfig, ClippingConfig, Levels, LevelsConfig, MonoConfig, PhaseConfig,
};
pub use loudness::{Loudness, LoudnessConfig, LoudnessMeter, LoudnessTarget, Measure, Meters, Mono};
pub use sanitise::{SAMPLE_MAX, Sanitise};

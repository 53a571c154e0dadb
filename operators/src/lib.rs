//! Everything in Aircheck that implements `Operator`. No clock, no I/O, no threads.
#![forbid(unsafe_code)]

mod activity;
mod alarm;
mod analysis;
mod dead_air;
mod downmix;
mod error;
mod fold;
mod front_end;
mod hop;
mod keywords;
mod levels;
mod log;
mod loudness;
mod mel;
mod resample;
mod sanitise;
mod stats;
#[cfg(test)]
mod testing;
mod transcript;
mod utterances;
mod voice;
mod windows;

pub use activity::{Activity, ActivityConfig, Features, Kinds, N_FEATURES};
pub use analysis::{Analysis, AnalysisConfig};
pub use dead_air::{DeadAir, DeadAirConfig};
pub use downmix::Downmix;
pub use error::BuildError;
pub use front_end::FrontEnd;
pub use hop::{HOP_FRAMES, Hop, N_KINDS, N_MELS, hop_time};
pub use keywords::{CONTEXT_WORDS, KeywordError, KeywordRules, Keywords, TERMS_MAX};
pub use levels::{
    ChannelLevels, ChannelLostConfig, ClippingConfig, Levels, LevelsConfig, MonoConfig, PhaseConfig,
};
pub use loudness::{Loudness, LoudnessConfig, LoudnessMeter, LoudnessTarget, Measure, Meters, Mono};
pub use mel::whisper_scale;
pub use resample::Resample;
pub use sanitise::{SAMPLE_MAX, Sanitise};
pub use transcript::{
    DecodeCounts, DecodePolicy, Decoder, Heard, LoopLimits, Outcome, Transcriber, TranscriberConfig,
    tail_start,
};
pub use utterances::{
    Ask, AskHead, Purpose, Speech, UTTERANCE_HOPS_MAX, UtteranceConfig, Utterances, Voiced,
};
pub use voice::{Voice, VoiceConfig};

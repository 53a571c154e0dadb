//! The policy of live transcripts: what is decoded how often, what of it is believed, and when it is shown. Pure and
//! deterministic: no clock, no threads, no recogniser of its own.

mod agreement;
mod annotations;
mod coverage;
mod decode;
#[cfg(test)]
mod decode_tests;
mod loops;
mod settle;
mod tail;
mod transcriber;
#[cfg(test)]
mod transcriber_tests;

pub use decode::{DecodeCounts, DecodePolicy, Decoder, Outcome};
pub use loops::LoopLimits;
pub use tail::tail_start;
pub use transcriber::{Heard, Transcriber, TranscriberConfig};

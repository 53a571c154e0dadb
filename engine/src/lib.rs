//! Words and machinery of Aircheck: time, audio, operators, events, lanes and workers.
//! No I/O, no signal processing, no models, no async runtime.

#![forbid(unsafe_code)]

pub mod audio;
pub mod budget;
pub mod continuity;
pub mod event;
pub mod lane;
pub mod latency;
pub mod operator;
pub mod pulse;
pub mod time;
pub mod worker;

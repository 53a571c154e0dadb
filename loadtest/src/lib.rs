//! The load test of Aircheck: plays many live feeds into a server, open loop, with ground truth, and judges what comes
//! back by latency, coverage and words. Speaks only the wire; of Aircheck's crates it knows `engine` (time and event
//! types) alone, so that it measures other servers of the same protocols just as well.

#![forbid(unsafe_code)]

pub mod cli;
pub mod failure;
pub mod measure;
pub mod mode;
pub mod pace;
pub mod programme;
pub mod report;
pub mod rig;
pub mod scenario;
pub mod target;
pub mod transport;
pub mod truth;

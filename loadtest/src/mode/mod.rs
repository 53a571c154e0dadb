//! Modes: how runs follow one another. They know neither sockets nor servers: a [`Rig`] does the runs.

mod course;
#[cfg(test)]
mod fake;
mod ramp;
mod rig;
mod search;
mod stop;

pub use course::{Capacity, Check, Course, LATENESS_MAX, Outcome, Trial, Verdict, run, saturation};
pub use ramp::ramp;
pub use rig::{Load, Progress, Rig};
pub use search::{N_CONFIRMATIONS, find_max};
pub use stop::Stop;

//! Modes: how runs follow one another. They know neither sockets nor servers: a [`Rig`] does the runs.

mod chaos;
mod course;
#[cfg(test)]
pub(crate) mod fake;
mod frontier;
mod probe;
mod ramp;
mod rig;
mod search;
mod soak;
mod stop;
mod trend;

pub use chaos::{chaos, standard};
pub use course::{Capacity, Check, Course, LATENESS_MAX, Outcome, Trial, Verdict, run, saturation};
pub use frontier::{Row, failure, frontier, table};
pub use probe::{BUCKETS, export, probe};
pub use ramp::ramp;
pub use rig::{About, Load, Progress, Rig};
pub use search::{N_CONFIRMATIONS, find_max};
pub use soak::soak;
pub use stop::Stop;
pub use trend::Trend;

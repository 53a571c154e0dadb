//! What is to be measured, as written down: scenario files and objectives.

mod disturbance;
mod duration;
mod objective;
mod suggest;
mod trouble;

pub use disturbance::{Disturbance, Trouble};
pub use duration::{parse_duration, show_duration};
pub use objective::{
    Absence, Bound, Compare, DEFAULTS, Judged, Objective, ObjectiveError, Quantile, Subject, Tally, lag,
    unmet,
};

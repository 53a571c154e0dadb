//! What is to be measured, as written down: scenario files and objectives.

mod disturbance;
mod duration;
mod grid;
mod objective;
mod read;
mod rules;
mod section;
mod spec;
mod suggest;
mod trouble;

pub use disturbance::{Disturbance, Trouble};
pub use duration::{parse_duration, show_duration};
pub use objective::{
    Absence, Bound, Compare, DEFAULTS, ENGINE_DEFAULTS, Judged, Objective, ObjectiveError, Quantile, Subject,
    Tally, lag, unmet,
};
pub use read::Draft;
pub(crate) use rules::cannot;
pub use spec::{
    Audio, AudioFrom, Bars, Codec, Engine, Feeds, Rounds, Scenario, Search, Target, TargetKind, Timing,
    Token, Transport, Variant, name_of,
};
pub(crate) use spec::{CONFIG, LISTEN};

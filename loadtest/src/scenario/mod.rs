//! What is to be measured, as written down: scenario files and objectives.

mod disturbance;

pub use disturbance::{Disturbance, Trouble};

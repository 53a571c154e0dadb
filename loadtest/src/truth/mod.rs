//! What was to be told and what was told: matching the two, and what follows. Knows no socket.

mod alerts;
pub mod align;
pub mod english;
mod judge;
#[cfg(test)]
mod judge_tests;
mod legs;
#[cfg(test)]
mod legs_tests;
mod observed;
mod parts;
mod rounds;
mod spans;
#[cfg(test)]
mod testing;
mod transcript;
mod verdict;

pub use judge::Judge;
pub use observed::{Alert, Edge, Heard, Observation, Observed, Words};
pub use verdict::{EARLY, Point, Verdict};

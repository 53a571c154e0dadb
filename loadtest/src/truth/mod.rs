//! What was to be told and what was told: matching the two, and what follows. Knows no socket.

pub mod english;
mod observed;

pub use observed::{Alert, Edge, Heard, Observation, Observed, Words};

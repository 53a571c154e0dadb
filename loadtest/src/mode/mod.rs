//! Modes: how runs follow one another. They know neither sockets nor servers: a [`Rig`] does the runs.

mod rig;

pub use rig::{Load, Progress, Rig};

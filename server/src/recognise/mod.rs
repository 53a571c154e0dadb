//! Recognition: threads that decode what the feeds ask for, the earliest deadline first, and the desk that turns results
//! into events. Does not know what an utterance is cut by.

mod badge;
mod desk;
mod job;
mod listener;
mod load;
mod mailbox;
mod pool;
pub mod process;
mod recogniser;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use job::{Answer, Heard};
pub use listener::Listener;
pub use load::Pace;
pub use pool::{Asker, Moments, PoolConfig, RecogniserPool};

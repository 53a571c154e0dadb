//! Recognition: threads that decode what the feeds ask for, the earliest deadline first, and the desk that turns results
//! into events; and who gets how much when there is not enough for all. Does not know what an utterance is cut by.

mod badge;
mod cost;
mod desk;
mod governor;
mod job;
mod ladder;
mod listener;
mod mailbox;
mod pool;
pub mod process;
mod recogniser;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use cost::{measure, noise};
pub use governor::{Admission, Entry, Refused, Seat, feeds_admitted};
pub use job::{Answer, Heard};
pub use ladder::Step;
pub use listener::Listener;
pub use pool::{Asker, Moments, PoolConfig, RETRY_CONTEXTS, RecogniserPool};

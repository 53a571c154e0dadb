//! Recognition: threads that decode what the feeds ask for, finals before partials, and the desk that turns results
//! into events. Does not know what an utterance is cut by.

mod listener;
mod pool;
pub mod process;

pub use listener::Listener;
pub use pool::{Answer, Asker, Heard, PoolConfig, RecogniserPool};

//! What a recogniser process has been through, for whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts that rise while the recogniser works in a thread of its own.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) starts: AtomicU64,
    pub(super) deaths: AtomicU64,
    pub(super) timeouts: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) recycled: AtomicU64,
    pub(super) decode_us: AtomicU64,
}

/// [`Counters`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Processes that were started.
    pub starts: u64,
    /// Processes that were lost, those that took too long included.
    pub deaths: u64,
    /// Processes that were killed because they took too long.
    pub timeouts: u64,
    /// Requests that were tried once more.
    pub retries: u64,
    /// Processes that were replaced at the end of their term.
    pub recycled: u64,
    /// Time that the processes spent decoding, us.
    pub decode_us: u64,
}

impl Counters {
    /// The counts now; each is exact, all together are of nearly the same moment.
    #[must_use]
    pub fn now(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            starts: of(&self.starts),
            deaths: of(&self.deaths),
            timeouts: of(&self.timeouts),
            retries: of(&self.retries),
            recycled: of(&self.recycled),
            decode_us: of(&self.decode_us),
        }
    }
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

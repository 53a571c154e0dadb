//! What recogniser processes have been through, for whoever watches: here, and as metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::telemetry::Metric;

/// Counts that rise while the recognisers work in threads of their own.
#[derive(Debug)]
pub struct Counters {
    pub(super) starts: Counter,
    pub(super) deaths: Counter,
    pub(super) timeouts: Counter,
    pub(super) retries: Counter,
    pub(super) recycled: Counter,
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
    /// All zero; the metrics of those before them rise on.
    pub(super) fn new() -> Self {
        Self {
            starts: Counter::new(Metric::RecogniserStarts),
            deaths: Counter::new(Metric::RecogniserDeaths),
            timeouts: Counter::new(Metric::RecogniserTimeouts),
            retries: Counter::new(Metric::RecogniserRetries),
            recycled: Counter::new(Metric::RecogniserRecycled),
            decode_us: AtomicU64::new(0),
        }
    }

    /// The counts now; each is exact, all together are of nearly the same moment.
    #[must_use]
    pub fn now(&self) -> Counts {
        Counts {
            starts: self.starts.now(),
            deaths: self.deaths.now(),
            timeouts: self.timeouts.now(),
            retries: self.retries.now(),
            recycled: self.recycled.now(),
            decode_us: self.decode_us.load(Ordering::Relaxed),
        }
    }
}

/// A count and its metric.
#[derive(Debug)]
pub(super) struct Counter {
    n: AtomicU64,
    metric: metrics::Counter,
}

impl Counter {
    fn new(metric: Metric) -> Self {
        Self { n: AtomicU64::new(0), metric: metrics::counter!(metric.name()) }
    }

    /// Adds one.
    pub(super) fn count(&self) {
        self.n.fetch_add(1, Ordering::Relaxed);
        self.metric.increment(1);
    }

    fn now(&self) -> u64 {
        self.n.load(Ordering::Relaxed)
    }
}

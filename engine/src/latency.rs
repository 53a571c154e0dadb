//! Latency, measured: histograms per event type and per stage (waiting and service apart), and the log of arrivals
//! that latency counts from. Reads no clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::budget::Budget;
use crate::event::EventKind;
use crate::time::MediaTime;

/// Durations from 1 us to an hour, to 1 %, in 5 kB when they are below 50 ms, at most 14 kB.
#[derive(Clone, Debug)]
pub struct LatencyHistogram {
    micros: Histogram<u32>,
}

/// Longest duration that is told apart, an hour.
const MICROS_MAX: u64 = 3_600_000_000;

impl LatencyHistogram {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        // It grows with what is recorded.
        let Ok(micros) = Histogram::new(2) else { unreachable!("two digits are valid") };
        Self { micros }
    }

    /// Counts one duration; longer ones count as an hour.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(MICROS_MAX);
        // It grows up to an hour, and refuses nothing.
        let _recorded = self.micros.record(micros.min(MICROS_MAX));
    }

    /// The duration that a share of `quantile` (0..=1) does not exceed; zero when empty.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.micros.value_at_quantile(quantile))
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.micros.len()
    }

    /// The longest; zero when empty.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.micros.max())
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}

/// A stage of the way: how long things waited for it, and how long it took.
#[derive(Clone, Debug, Default)]
pub struct StageLatency {
    /// Waiting.
    pub wait: LatencyHistogram,
    /// Service.
    pub service: LatencyHistogram,
}

/// Latency of one type of event against its budget.
#[derive(Clone, Debug, Default)]
pub struct KindLatency {
    /// From the arrival of the last proving sample until visible.
    pub total: LatencyHistogram,
    /// Events within their budget.
    pub met: u64,
    /// Events past it.
    pub missed: u64,
}

/// Latencies of all types of events.
#[derive(Clone, Debug, Default)]
pub struct EventLatencies {
    by_kind: BTreeMap<EventKind, KindLatency>,
}

impl EventLatencies {
    /// Counts an event of `kind` that was promised within `budget`.
    pub fn record(&mut self, kind: EventKind, budget: Budget, total: Duration) {
        let entry = self.by_kind.entry(kind).or_default();
        entry.total.record(total);
        if total <= budget.duration() {
            entry.met += 1;
        } else {
            entry.missed += 1;
        }
    }

    /// The kinds seen, in the order of the documentation.
    pub fn iter(&self) -> impl Iterator<Item = (EventKind, &KindLatency)> {
        self.by_kind.iter().map(|(kind, latency)| (*kind, latency))
    }
}

/// When each stretch of a feed arrived: maps media time to the instant its sample came in.
#[derive(Debug)]
pub struct Arrivals {
    /// Nanoseconds since `base`: half of what an instant takes.
    log: VecDeque<(MediaTime, u64)>,
    capacity: usize,
    /// The first arrival.
    base: Option<Instant>,
}

impl Arrivals {
    /// Remembers the last `capacity` blocks (at least one), in storage allocated here.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { log: VecDeque::with_capacity(capacity), capacity, base: None }
    }

    /// Notes that the audio up to `end` had arrived at `received_at`. Ends rise; no arrival is before the first.
    pub fn note(&mut self, end: MediaTime, received_at: Instant) {
        if self.log.len() == self.capacity {
            self.log.pop_front();
        }
        let since = received_at.saturating_duration_since(*self.base.get_or_insert(received_at));
        self.log.push_back((end, u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)));
    }

    /// The latest note.
    #[must_use]
    pub fn latest(&self) -> Option<(MediaTime, Instant)> {
        self.log.back().and_then(|noted| self.arrival(*noted))
    }

    /// When the sample that ends at `position` arrived: that of the first block that reaches it, else of the latest
    /// (or, for positions long past, the oldest known). `None` before the first block.
    #[must_use]
    pub fn at(&self, position: MediaTime) -> Option<Instant> {
        let idx = self.log.partition_point(|(end, _)| *end < position);
        let noted = self.log.get(idx).or_else(|| self.log.back())?;
        self.arrival(*noted).map(|(_, at)| at)
    }

    fn arrival(&self, (end, nanos): (MediaTime, u64)) -> Option<(MediaTime, Instant)> {
        Some((end, self.base?.checked_add(Duration::from_nanos(nanos))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_true_to_a_percent() {
        let mut histogram = LatencyHistogram::new();
        for millis in 1..=1_000 {
            histogram.record(Duration::from_millis(millis));
        }
        for (quantile, millis) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let error = histogram.quantile(quantile).as_secs_f64() * 1_000.0 / millis - 1.0;
            assert!(error.abs() <= 1e-2, "{quantile}: {error}");
        }
        histogram.record(Duration::MAX);
        assert_eq!((histogram.count(), histogram.max().as_secs() / 60), (1_001, 60));
    }

    #[test]
    fn events_count_against_their_budget() {
        let mut latencies = EventLatencies::default();
        latencies.record(EventKind::AlertDeadAir, Budget::from_millis(250), Duration::from_millis(250));
        latencies.record(EventKind::AlertDeadAir, Budget::from_millis(250), Duration::from_millis(251));
        let seen: Vec<_> = latencies.iter().map(|(kind, l)| (kind, l.met, l.missed)).collect();
        assert_eq!(seen, [(EventKind::AlertDeadAir, 1, 1)]);
    }

    #[test]
    fn a_sample_arrived_with_its_block() {
        let mut arrivals = Arrivals::new(2);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(arrivals.at(MediaTime::ZERO), None);
        for n in 1..=3 {
            arrivals.note(MediaTime::from_millis(20 * n), at(100 * n));
        }
        for (position, expected) in [(5, 200), (40, 200), (41, 300), (60, 300), (90, 300)] {
            assert_eq!(arrivals.at(MediaTime::from_millis(position)), Some(at(expected)), "{position}");
        }
    }
}

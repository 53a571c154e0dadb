//! How a journal fares: what anybody may ask at any time without disturbing its writer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use jiff::Timestamp;

/// Longest time that is told apart, us: one minute.
const TIME_US_MAX: u64 = 60_000_000;

/// Whether durable events can be kept and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// They are.
    Fine,
    /// They wait in memory: the journal cannot be written.
    Degraded {
        /// Since when.
        since: Timestamp,
        /// Why, in one sentence.
        reason: String,
    },
}

/// How a journal fares.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalState {
    /// Whether events are kept and shown.
    pub health: Health,
    /// Damage found in the file while it was in use. The next start moves it aside.
    pub damage: Option<String>,
    /// Events waiting for a commit.
    pub waiting: u64,
    /// Events lost because too many waited, since the start.
    pub dropped: u64,
    /// Commits since the start.
    pub commits: u64,
    /// Events made visible since the start.
    pub events: u64,
    /// Size of the file and its log, bytes.
    pub bytes: u64,
    /// How long a commit takes, the wait for the disk in it.
    pub commit: Quantiles,
    /// How long an event takes from being handed over to being visible.
    pub visible: Quantiles,
}

/// Quantiles of a duration since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// Median.
    pub p50: Duration,
    /// 99 of 100 are not longer.
    pub p99: Duration,
    /// Longest.
    pub max: Duration,
}

/// Counts that a writer keeps.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) health: Health,
    pub(super) damage: Option<String>,
    pub(super) in_hand: u64,
    pub(super) commits: u64,
    pub(super) events: u64,
    commit_us: Option<Histogram<u64>>,
    visible_us: Option<Histogram<u64>>,
}

/// Shared by the writer and those who ask.
#[derive(Debug)]
pub(super) struct Status(Mutex<Counts>);

impl Default for Status {
    fn default() -> Self {
        // Cannot fail: the bounds are constants that hdrhistogram takes (a test looks).
        let histogram = || Histogram::new_with_max(TIME_US_MAX, 3).ok();
        Self(Mutex::new(Counts {
            health: Health::Fine,
            damage: None,
            in_hand: 0,
            commits: 0,
            events: 0,
            commit_us: histogram(),
            visible_us: histogram(),
        }))
    }
}

impl Status {
    /// The counts.
    pub(super) fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What they come to; `queued` events wait in the ring.
    pub(super) fn state(&self, queued: usize, dropped: u64, bytes: u64) -> JournalState {
        let counts = self.lock();
        JournalState {
            health: counts.health.clone(),
            damage: counts.damage.clone(),
            waiting: counts.in_hand + queued as u64,
            dropped,
            commits: counts.commits,
            events: counts.events,
            bytes,
            commit: quantiles(counts.commit_us.as_ref()),
            visible: quantiles(counts.visible_us.as_ref()),
        }
    }
}

impl Counts {
    /// A commit took `took`; each of its events was visible after its `waits`.
    pub(super) fn committed(&mut self, took: Duration, waits: impl Iterator<Item = Duration>) {
        self.commits += 1;
        self.in_hand = 0;
        record(self.commit_us.as_mut(), took);
        for wait in waits {
            self.events += 1;
            record(self.visible_us.as_mut(), wait);
        }
    }
}

fn record(histogram: Option<&mut Histogram<u64>>, duration: Duration) {
    if let Some(histogram) = histogram {
        histogram.saturating_record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }
}

fn quantiles(histogram: Option<&Histogram<u64>>) -> Quantiles {
    let Some(histogram) = histogram else { return Quantiles::default() };
    let at = |quantile| Duration::from_micros(histogram.value_at_quantile(quantile));
    Quantiles { p50: at(0.5), p99: at(0.99), max: Duration::from_micros(histogram.max()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_counted_and_timed() {
        let status = Status::default();
        let ms = Duration::from_millis;
        status.lock().committed(ms(8), [ms(10), ms(20)].into_iter());
        let state = status.state(3, 4, 5);
        assert_eq!((state.commits, state.events, state.waiting, state.dropped, state.bytes), (1, 2, 3, 4, 5));
        // Three significant digits: one in a thousand.
        let is_close = |a: Duration, b: Duration| a.abs_diff(b) <= b / 1_000 + Duration::from_micros(1);
        assert!(is_close(state.commit.max, ms(8)) && is_close(state.visible.max, ms(20)), "{state:?}");
    }
}

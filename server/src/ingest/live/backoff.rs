//! How long to wait before the next connection: full jitter, so that a thousand listeners do not return at once.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Range of the waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffConfig {
    /// Shortest wait.
    pub min: Duration,
    /// The first wait is at most this; it doubles with each failure.
    pub first: Duration,
    /// Longest wait.
    pub max: Duration,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self { min: Duration::from_millis(250), first: Duration::from_secs(1), max: Duration::from_secs(30) }
    }
}

/// Counts failures in a row.
#[derive(Debug)]
pub(in crate::ingest) struct Backoff {
    config: BackoffConfig,
    n_failures: u32,
}

impl Backoff {
    pub(in crate::ingest) const fn new(config: BackoffConfig) -> Self {
        Self { config, n_failures: 0 }
    }

    /// It worked.
    pub(in crate::ingest) fn reset(&mut self) {
        self.n_failures = 0;
    }

    /// The next wait, by chance.
    pub(in crate::ingest) fn next(&mut self) -> Duration {
        // A new `RandomState` has new keys: enough chance for a jitter.
        let chance = RandomState::new().build_hasher().finish();
        self.next_at(chance as f64 / u64::MAX as f64)
    }

    /// The next wait: `chance` 0..=1 of the way from the shortest to the longest that is allowed now.
    fn next_at(&mut self, chance: f64) -> Duration {
        let BackoffConfig { min, first, max } = self.config;
        let ceiling = first.saturating_mul(2_u32.saturating_pow(self.n_failures)).min(max).max(min);
        self.n_failures = self.n_failures.saturating_add(1);
        min + (ceiling - min).mul_f64(chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_limit_and_start_again() {
        let mut backoff = Backoff::new(BackoffConfig::default());
        let longest: Vec<_> = (0..8).map(|_| backoff.next_at(1.0).as_millis()).collect();
        assert_eq!(longest, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!(backoff.next_at(0.0).as_millis(), 250);
        (0..100).for_each(|_| assert!(backoff.next() <= Duration::from_secs(30)));
        backoff.reset();
        assert_eq!(backoff.next_at(0.5).as_millis(), 625);
    }
}

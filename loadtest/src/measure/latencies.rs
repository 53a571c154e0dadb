//! Latencies of many facts: an HdrHistogram that knows infinity.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest duration that is told apart, an hour.
const MICROS_MAX: u64 = 3_600_000_000;

/// Durations to three digits, up to an hour. What never happened counts as infinite: it lies above all that did.
#[derive(Clone, Debug)]
pub struct Latencies {
    micros: Histogram<u64>,
    n_never: u64,
}

impl Latencies {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        // It grows with what is recorded.
        let Ok(micros) = Histogram::new(3) else { unreachable!("three digits are valid") };
        Self { micros, n_never: 0 }
    }

    /// From those that came, in microseconds, and how many never did.
    #[must_use]
    pub fn from_histogram(came: &Histogram<u64>, n_never: u64) -> Self {
        let mut latencies = Self { n_never, ..Self::new() };
        // It grows as far as needed.
        let _added = latencies.micros.add(came);
        latencies
    }

    /// Counts one; longer ones than an hour count as an hour.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(MICROS_MAX).min(MICROS_MAX);
        // It grows up to an hour, and refuses nothing.
        let _recorded = self.micros.record(micros);
    }

    /// Counts one that never came.
    pub const fn record_never(&mut self) {
        self.n_never += 1;
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        // Both grow up to an hour.
        let _added = self.micros.add(&other.micros);
        self.n_never += other.n_never;
    }

    /// The duration that a share of `quantile` (0..=1) does not exceed. `None`: infinite, or nothing was counted.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let n_all = self.count();
        // A product that should be whole may lie just above it.
        let rank =
            ((quantile * n_all as f64 * (1.0 - 4.0 * f64::EPSILON)).ceil() as u64).clamp(1, n_all.max(1));
        (rank <= self.micros.len()).then(|| {
            // Half a rank below, so that no rounding reaches the next one.
            let micros = self.micros.value_at_quantile((rank as f64 - 0.5) / self.micros.len() as f64);
            Duration::from_micros(micros)
        })
    }

    /// How many were counted, those that never came included.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.micros.len() + self.n_never
    }

    /// How many never came.
    #[must_use]
    pub const fn n_never(&self) -> u64 {
        self.n_never
    }

    /// The longest that came; zero when none did.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.micros.max())
    }

    /// Those that came, in microseconds.
    #[must_use]
    pub const fn histogram(&self) -> &Histogram<u64> {
        &self.micros
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_came_is_above_all() {
        let mut latencies = Latencies::new();
        (1..=98).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        latencies.record_never();
        latencies.record_never();
        let ms = |quantile| latencies.quantile(quantile).map(|duration| duration.as_millis());
        assert_eq!((ms(0.5), ms(0.98), ms(0.99), ms(1.0)), (Some(50), Some(98), None, None));
        assert_eq!((latencies.count(), latencies.n_never()), (100, 2));
        assert_eq!(Latencies::new().quantile(0.5), None);
    }

    #[test]
    fn every_rank_is_exact() {
        let mut latencies = Latencies::new();
        for n in 1..=400 {
            latencies.record(Duration::from_micros(n));
            for rank in 1..=n {
                let quantile = latencies.quantile(rank as f64 / n as f64);
                assert_eq!(quantile, Some(Duration::from_micros(rank)), "{rank} of {n}");
            }
        }
    }

    #[test]
    fn merged_is_as_if_counted_in_one() {
        let (mut left, mut right, mut both) = (Latencies::new(), Latencies::new(), Latencies::new());
        for n in 0..1_000_u64 {
            let duration = Duration::from_micros(n * n);
            if n % 3 == 0 {
                left.record(duration)
            } else {
                right.record(duration)
            }
            both.record(duration);
        }
        right.record_never();
        both.record_never();
        left.merge(&right);
        for quantile in [0.1, 0.5, 0.95, 0.999, 1.0] {
            assert_eq!(left.quantile(quantile), both.quantile(quantile), "{quantile}");
        }
    }
}

//! A distribution of latencies as JSON: the percentiles that people read, and the whole histogram for everything else.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::Latencies;

/// Latencies of many facts. What never came is infinite: it lies above all that did, and is written as `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Facts, those that never came included. With none, all percentiles are `null`.
    pub n: u64,
    /// Facts that never came.
    pub n_never: u64,
    /// Percentiles, ms; `null` is infinite.
    pub percentiles: Percentiles,
    /// Those that came, in microseconds, three digits: HdrHistogram, V2 encoding, deflated, base64. Merge these, never
    /// the percentiles.
    pub histogram: String,
}

/// Latencies that so many do not exceed, ms. `null` is infinite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Percentiles {
    /// Of half of all.
    pub p50: Option<f64>,
    /// Of 75 %.
    pub p75: Option<f64>,
    /// Of 90 %.
    pub p90: Option<f64>,
    /// Of 95 %.
    pub p95: Option<f64>,
    /// Of 99 %.
    pub p99: Option<f64>,
    /// Of 99.9 %.
    pub p99_9: Option<f64>,
    /// Of all.
    pub max: Option<f64>,
}

impl Percentiles {
    /// Their names and shares, in order.
    pub const SHARES: [(&str, f64); 7] = [
        ("p50", 0.5),
        ("p75", 0.75),
        ("p90", 0.9),
        ("p95", 0.95),
        ("p99", 0.99),
        ("p99.9", 0.999),
        ("max", 1.0),
    ];

    /// Of these latencies.
    #[must_use]
    pub fn of(latencies: &Latencies) -> Self {
        let [p50, p75, p90, p95, p99, p99_9, max] = Self::SHARES
            .map(|(_, share)| if latencies.count() == 0 { None } else { latencies.quantile(share).map(ms) });
        Self { p50, p75, p90, p95, p99, p99_9, max }
    }

    /// In the order of [`Self::SHARES`].
    #[must_use]
    pub const fn values(&self) -> [Option<f64>; 7] {
        [self.p50, self.p75, self.p90, self.p95, self.p99, self.p99_9, self.max]
    }
}

impl From<&Latencies> for Distribution {
    fn from(latencies: &Latencies) -> Self {
        Self {
            n: latencies.count(),
            n_never: latencies.n_never(),
            percentiles: Percentiles::of(latencies),
            histogram: encode(latencies.histogram()),
        }
    }
}

impl Distribution {
    /// The latencies again; the error says what is wrong with the histogram.
    pub fn latencies(&self) -> Result<Latencies, String> {
        let came = decode(&self.histogram)?;
        let n_came = self.n.checked_sub(self.n_never).ok_or("more facts never came than there are")?;
        if came.len() != n_came {
            return Err(format!("the histogram holds {} facts, {n_came} are said to have come", came.len()));
        }
        Ok(Latencies::from_histogram(&came, self.n_never))
    }
}

/// Milliseconds, to the microsecond.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

/// V2 encoding, deflated, base64: what the log readers of HdrHistogram read.
pub(super) fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    // Counts fit, and a vector takes all that is written.
    let _written = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
    STANDARD.encode(bytes)
}

fn decode(text: &str) -> Result<Histogram<u64>, String> {
    let bytes = STANDARD.decode(text).map_err(|error| format!("the histogram is not base64: {error}"))?;
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| format!("the histogram is not one of HdrHistogram: {error:?}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn latencies() -> Latencies {
        let mut latencies = Latencies::new();
        (1..=995_u64).for_each(|n| latencies.record(Duration::from_micros(n * n)));
        (0..5).for_each(|_| latencies.record_never());
        latencies
    }

    #[test]
    fn every_latency_survives() {
        let before = latencies();
        let after = Distribution::from(&before).latencies().unwrap();
        assert_eq!((after.count(), after.n_never()), (1_000, 5));
        assert_eq!(after.histogram(), before.histogram());
    }

    #[test]
    fn the_infinite_is_null_and_nothing_else_is() {
        let percentiles = Percentiles::of(&latencies());
        assert_eq!((percentiles.p99_9, percentiles.max), (None, None));
        // 990 us squared, three digits.
        assert!((percentiles.p99.unwrap() - 980.1).abs() < 1.0, "{percentiles:?}");
        assert_eq!(Percentiles::of(&Latencies::new()).values(), [None; 7]);
    }

    #[test]
    fn a_broken_histogram_is_named() {
        let whole = Distribution::from(&latencies());
        let check = |histogram: &str, n_never, expected: &str| {
            let broken = Distribution { histogram: histogram.into(), n_never, ..whole.clone() };
            let error = broken.latencies().unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("?", 5, "not base64");
        check("AAAA", 5, "not one of HdrHistogram");
        check(&whole.histogram, 4, "holds 995 facts, 996 are said");
        check(&whole.histogram, 1_001, "more facts never came");
    }
}

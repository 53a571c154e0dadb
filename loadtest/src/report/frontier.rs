//! `frontier.json`: variants of a server side by side, and which of them nobody beats. The page is made from it alone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Host, Versions};

/// Versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FrontierVersion {
    /// The first.
    #[serde(rename = "aircheck.loadtest.frontier.v1")]
    V1,
}

/// What a comparison leaves behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Frontier {
    /// Version.
    pub schema: FrontierVersion,
    /// Name of the scenario.
    pub scenario: String,
    /// What was done with each variant: `run` or `find-max`.
    pub mode: String,
    /// Where this program ran, and most likely the server.
    pub machine: Host,
    /// Of what; the model is that of each variant.
    pub versions: Versions,
    /// When the first run began, RFC 3339.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: Timestamp,
    /// In the order of the scenario.
    pub variants: Vec<Point>,
}

/// One variant, measured. What is not known, or never came, is `null`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Its name.
    pub variant: String,
    /// Of a grid: what it is on each axis.
    pub values: BTreeMap<String, Value>,
    /// Feeds at which the numbers are measured.
    pub n_feeds: usize,
    /// Most feeds at which all objectives held, where that was searched.
    pub capacity: Option<usize>,
    /// Word error rate, without words in gaps.
    pub error_rate: Option<f64>,
    /// Latency of words, p95, s.
    pub word_first_seen_p95_s: Option<f64>,
    /// Latency of finals, p95, s.
    pub final_p95_s: Option<f64>,
    /// Share of the audio that was analysed, 0..=1.
    pub coverage: Option<f64>,
    /// Feeds / cores that the server kept busy on average.
    pub feeds_per_core: Option<f64>,
    /// Why it is no choice: objectives that it missed, or why there are no numbers.
    pub failure: Option<String>,
    /// It met its objectives, and no other that did is as good in word error rate, latency of words and feeds per core, and
    /// better in one.
    pub is_best: bool,
}

/// Something that is drawn and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    ErrorRate,
    Latency,
    Cost,
}

impl Measure {
    pub(super) const ALL: [Self; 3] = [Self::ErrorRate, Self::Latency, Self::Cost];

    /// Of a variant: a share, s, feeds.
    pub(super) const fn of(self, point: &Point) -> Option<f64> {
        match self {
            Self::ErrorRate => point.error_rate,
            Self::Latency => point.word_first_seen_p95_s,
            Self::Cost => point.feeds_per_core,
        }
    }

    /// How bad a number is: feeds are the better the more.
    pub(super) const fn badness(self, number: f64) -> f64 {
        match self {
            Self::ErrorRate | Self::Latency => number,
            Self::Cost => -number,
        }
    }
}

impl Frontier {
    /// Of variants that were measured: says of each whether it is among the best.
    #[must_use]
    pub fn judged(mut self) -> Self {
        let best = front(&self.variants, &Measure::ALL);
        self.variants.iter_mut().zip(best).for_each(|(point, is_best)| point.is_best = is_best);
        self
    }

    /// As it is written to `frontier.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Keys are strings, and numbers that are not finite were made `null`.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

/// Which of the points no other beats in `measures` (a Pareto front). Who missed objectives, or lacks a number, is no choice
/// and beats nobody: a server that leaves out half of the audio is fast, too.
pub(super) fn front(points: &[Point], measures: &[Measure]) -> Vec<bool> {
    let badness = |point: &Point| -> Option<Vec<f64>> {
        let numbers = measures.iter().map(|measure| Some(measure.badness(measure.of(point)?)));
        numbers.collect::<Option<Vec<f64>>>().filter(|_| point.failure.is_none())
    };
    let all: Vec<Option<Vec<f64>>> = points.iter().map(badness).collect();
    let beats =
        |one: &[f64], other: &[f64]| one != other && one.iter().zip(other).all(|(one, other)| one <= other);
    let is_beaten = |one: &Vec<f64>| all.iter().flatten().any(|other| beats(other, one));
    all.iter().map(|one| one.as_ref().is_some_and(|one| !is_beaten(one))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(error_rate: f64, latency: f64, cost: f64) -> Point {
        Point {
            error_rate: Some(error_rate),
            word_first_seen_p95_s: Some(latency),
            feeds_per_core: Some(cost),
            ..Point::default()
        }
    }

    #[test]
    fn the_front_is_whom_nobody_beats() {
        let cheap = point(0.06, 1.2, 9.0);
        let exact = point(0.03, 2.0, 3.0);
        let beaten = point(0.06, 1.3, 8.0);
        let missed = Point { failure: Some("objectives missed".to_owned()), ..point(0.01, 0.1, 99.0) };
        let unknown = Point { feeds_per_core: None, ..point(0.01, 0.1, 0.0) };
        let all = [cheap.clone(), exact, beaten, missed, unknown, cheap];
        // Two that are the same do not beat each other.
        assert_eq!(front(&all, &Measure::ALL), [true, true, false, false, false, true]);
        // Without its cost the last but one is known, and beats all.
        let two = [Measure::ErrorRate, Measure::Latency];
        assert_eq!(front(&all, &two), [false, false, false, false, true, false]);
    }
}

//! Objectives: what has to be true of a measurement, written `FIGURE:p95<3s`, and the judgement of one.

mod judge;
mod parse;

use std::fmt;
use std::time::Duration;

pub use judge::{Judged, lag, unmet};
pub use parse::ObjectiveError;

use super::duration::show_duration;
use crate::measure::Figure;

/// `transcript.final:p95<3s`, `alert.dead_air:missing==0`, `coverage>=0.995`. A `?` after the figure
/// (`alert.dead_air?:p99<250ms`) means: where the programme has such a thing at all. Without it, nothing due is not met.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// What is looked at.
    pub subject: Subject,
    /// What it means if there is nothing to look at.
    pub absence: Absence,
    /// How it is compared.
    pub compare: Compare,
    /// With what.
    pub bound: Bound,
}

/// What an objective looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Subject {
    /// The latency of a figure that this share of all does not exceed.
    Latency(Figure, Quantile),
    /// Of a figure, how many, or which share.
    Tally(Figure, Tally),
    /// Analysed audio / sent audio, 0..=1.
    Coverage,
    /// Word error rate, 0 is perfect.
    ErrorRate,
    /// Words that were not heard and that no gap tells of.
    WordsLost,
    /// Share of the words shown that were taken back, 0..=1.
    WordsRetracted,
}

/// A share of all latencies, kept as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantile(f64);

/// Counts of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// Share that came after its budget or never, 0..=1.
    Late,
    /// Never came.
    Missing,
    /// Told, and not true.
    Wrong,
    /// Told again.
    Duplicate,
    /// Told before it could be known.
    Early,
}

/// What it means that nothing was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The objective is not met: nothing was shown.
    Missed,
    /// It is met.
    Met,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
}

/// Bounds, as they were written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Of latencies.
    Time(Duration),
    /// A share, 0..=1, written as `1%`.
    Percent(f64),
    /// A share or a count, written plainly.
    Plain(f64),
}

/// The budgets of docs/events.md, and what every alert of the programme needs. Figures count from the end of the words, so
/// what docs/events.md calls the algorithmic wait comes on top: 0.3 s of silence that end an utterance (1.5 s p95 and 3 s
/// p99 after it), the step of 1 s of partials (2 s after it). Words that are never heard right are infinitely late, so
/// first sight is judged at p95.
pub const DEFAULTS: [&str; 10] = [
    "transcript.final:p95<1.8s",
    "transcript.final:p99<3.3s",
    "word.first_seen?:p95<3s",
    "coverage>=0.995",
    "alert.dead_air?:p99<250ms",
    "alert.dead_air?:missing==0",
    "alert.dead_air?:wrong==0",
    "alert.clipping?:p99<250ms",
    "alert.clipping?:missing==0",
    "alert.clipping?:wrong==0",
];

/// Of the engine alone. A tenth of a second is what the way to a worker may take of the shortest budget of docs/events.md, 250 ms.
pub const ENGINE_DEFAULTS: [&str; 2] = ["block.taken:p99<100ms", "coverage>=0.995"];

impl Objective {
    /// [`DEFAULTS`].
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        DEFAULTS.into_iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// [`ENGINE_DEFAULTS`].
    #[must_use]
    pub fn engine_defaults() -> Vec<Self> {
        ENGINE_DEFAULTS.into_iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// What is looked at, as written: `transcript.final:p95`, `coverage`.
    #[must_use]
    pub fn name(&self) -> String {
        match self.subject {
            Subject::Latency(figure, quantile) => format!("{}:{quantile}", self.figure(figure.name())),
            Subject::Tally(figure, tally) => format!("{}:{}", self.figure(figure.name()), tally.name()),
            Subject::Coverage => self.figure("coverage"),
            Subject::ErrorRate => self.figure("wer"),
            Subject::WordsLost => self.figure("words.lost"),
            Subject::WordsRetracted => self.figure("words.retracted"),
        }
    }

    fn figure(&self, name: &str) -> String {
        let may = if self.absence == Absence::Met { "?" } else { "" };
        format!("{name}{may}")
    }

    /// The latency that it bounds from above: which, at which quantile, and the bound. For lines in charts.
    #[must_use]
    pub fn latency(&self) -> Option<(Figure, Quantile, Duration)> {
        match (self.subject, self.compare, self.bound) {
            (Subject::Latency(figure, quantile), Compare::Less | Compare::AtMost, Bound::Time(limit)) => {
                Some((figure, quantile, limit))
            }
            _ => None,
        }
    }
}

impl Quantile {
    /// All of them: the longest.
    pub const MAX: Self = Self(1.0);

    /// Of `percent`, above 0 and at most 100.
    #[must_use]
    pub fn from_percent(percent: f64) -> Option<Self> {
        // By way of an integer: 99.9 / 100 is above 0.999, which would be another rank.
        (percent > 0.0 && percent <= 100.0).then(|| Self((percent * 1e6).round() / 1e8))
    }

    /// 0..=1, as [`crate::measure::Latencies::quantile`] takes it.
    #[must_use]
    pub const fn share(self) -> f64 {
        self.0
    }
}

/// `p99.9`, `max`.
impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::MAX { f.write_str("max") } else { write!(f, "p{}", (self.0 * 1e8).round() / 1e6) }
    }
}

impl Tally {
    const ALL: [(&'static str, Self); 5] = [
        ("late", Self::Late),
        ("missing", Self::Missing),
        ("wrong", Self::Wrong),
        ("duplicate", Self::Duplicate),
        ("early", Self::Early),
    ];

    fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, tally)| *tally == self).map_or("", |(name, _)| name)
    }
}

impl Compare {
    /// Longer ones first: each is the beginning of what it is not.
    const ALL: [(&'static str, Self); 5] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("==", Self::Equal),
        ("<", Self::Less),
        (">", Self::More),
    ];

    /// As written.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, compare)| *compare == self).map_or("", |(name, _)| name)
    }

    fn holds(self, measured: f64, bound: f64) -> bool {
        match self {
            Self::Less => measured < bound,
            Self::AtMost => measured <= bound,
            Self::More => measured > bound,
            Self::AtLeast => measured >= bound,
            Self::Equal => measured == bound,
        }
    }
}

impl Bound {
    /// Seconds, a share or a count.
    #[must_use]
    pub const fn number(self) -> f64 {
        match self {
            Self::Time(limit) => limit.as_secs_f64(),
            Self::Percent(number) | Self::Plain(number) => number,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(limit) => f.write_str(&show_duration(*limit)),
            Self::Percent(share) => write!(f, "{}%", (share * 1e8).round() / 1e6),
            Self::Plain(number) => write!(f, "{number}"),
        }
    }
}

/// As it is parsed.
impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.name(), self.compare.name(), self.bound)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_default_is_an_objective() {
        let defaults: Vec<String> = Objective::defaults().iter().map(ToString::to_string).collect();
        assert_eq!(defaults, DEFAULTS);
        let defaults: Vec<String> = Objective::engine_defaults().iter().map(ToString::to_string).collect();
        assert_eq!(defaults, ENGINE_DEFAULTS);
    }

    #[test]
    fn the_defaults_are_the_promises_of_the_events() {
        use engine::event::EventKind;
        let limit = |text: &str| text.parse::<Objective>().unwrap().latency().unwrap().2;
        let budget = |kind: EventKind| kind.budget().unwrap().duration();
        let (endpoint, step) = (Duration::from_millis(300), Duration::from_secs(1));
        assert_eq!(limit(DEFAULTS[1]), budget(EventKind::TranscriptFinal) + endpoint);
        assert_eq!(limit(DEFAULTS[2]), budget(EventKind::TranscriptPartial) + step);
        assert_eq!(limit(DEFAULTS[4]), budget(EventKind::AlertDeadAir));
        assert_eq!(limit(DEFAULTS[7]), budget(EventKind::AlertClipping));
    }
}

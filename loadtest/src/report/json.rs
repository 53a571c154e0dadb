//! `report.json`: everything that a run leaves behind, in one file. The other reports are made from it alone. Field names
//! are a promise: a change that breaks readers is a new version.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Distribution, Host, Percentiles};
use crate::failure::Failure;
use crate::measure::Latencies;

/// Name of this version, as the field `schema` says it.
pub const SCHEMA: &str = "aircheck.loadtest.report.v1";

/// Versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Version {
    /// See [`SCHEMA`].
    #[serde(rename = "aircheck.loadtest.report.v1")]
    V1,
}

/// What a run leaves behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Version.
    pub schema: Version,
    /// Name of the scenario.
    pub scenario: String,
    /// `run`, `ramp`, `find-max`, `soak`, `chaos` ...
    pub mode: String,
    /// What was measured.
    pub target: Target,
    /// Where this program ran.
    pub machine: Host,
    /// Of what.
    pub versions: Versions,
    /// When, RFC 3339.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: Timestamp,
    /// What follows from the objectives and from this program's own punctuality.
    pub verdict: Verdict,
    /// Each objective, in the order that they were given.
    pub objectives: Vec<Objective>,
    /// Feeds of the run that the numbers below are of: in a search the one at the capacity.
    pub n_feeds: usize,
    /// Measured time of that run, s.
    pub length_s: f64,
    /// Most feeds at which all objectives held. `null`: not searched, or not even one.
    pub capacity: Option<usize>,
    /// By figure.
    pub figures: Vec<Figure>,
    /// Words.
    pub words: Words,
    /// How much of the audio was analysed.
    pub coverage: Coverage,
    /// Gaps by the reason that the server gives.
    pub gaps: BTreeMap<String, u64>,
    /// How punctual this program was: whether to believe the rest.
    pub generator: Generator,
    /// Each run of a ramp or a search, in order; empty otherwise.
    pub steps: Vec<Step>,
    /// The run in slices of what was due in each.
    pub series: Vec<Slice>,
    /// What was done to the server and the feeds.
    pub marks: Vec<Mark>,
    /// What the server's processes took over time; empty: not known.
    pub resources: Vec<Resources>,
    /// Stages that the server states, in order.
    pub stages: Vec<Stage>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Kind: `aircheck`, `deepgram`, `whisperlive`, `vosk` ...
    pub kind: String,
    /// Address, without secrets.
    pub address: String,
}

/// Versions of what took part; `null` is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// Of this program.
    pub loadtest: String,
    /// Commit that this program was built from.
    pub commit: Option<String>,
    /// Of the server.
    pub target: Option<String>,
    /// Speech model of the server.
    pub model: Option<String>,
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every objective was met.
    Met,
    /// At least one was not.
    Missed,
    /// This program was late: its numbers are not about the server.
    Saturated,
    /// There were no objectives.
    Unjudged,
}

/// An objective and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// What: `transcript.final:p95`, `coverage` ...
    pub name: String,
    /// `<`, `<=`, `>`, `>=`.
    pub operator: String,
    /// Bar, in `unit`.
    pub bound: f64,
    /// Of bound and measured.
    pub unit: Unit,
    /// In `unit`; `null` is infinite, or nothing to measure.
    pub measured: Option<f64>,
    /// Whether it was met.
    pub met: bool,
}

/// Units of objectives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// A share, 0..=1.
    Ratio,
    /// How many.
    Count,
}

/// A kind of latency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// `word.first_seen`, `transcript.final`, `alert.dead_air` ...
    pub name: String,
    /// What became of its facts.
    pub counts: Counts,
    /// From the due time of the audio that proves a fact until it was told.
    pub latency: Distribution,
}

/// What became of the facts of a figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// That were to be told.
    pub expected: u64,
    /// Told after their budget.
    pub late: u64,
    /// Never told.
    pub missing: u64,
    /// Told again.
    pub duplicate: u64,
    /// Told, and not true.
    pub wrong: u64,
    /// Told before the sample that proves them was due.
    pub early: u64,
}

/// What became of the words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Said in the audio.
    pub said: u64,
    /// Heard as another word.
    pub substituted: u64,
    /// Not heard, whether a gap tells of them or not.
    pub deleted: u64,
    /// Heard, and never said.
    pub inserted: u64,
    /// Of the deleted, those that a gap tells of.
    pub in_gaps: u64,
    /// Shown in messages that could still change.
    pub shown: u64,
    /// Of those, taken back later.
    pub retracted: u64,
    /// Word error rate without words in gaps; `null` where nothing was said.
    pub error_rate: Option<f64>,
}

/// How much of the audio was analysed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Audio sent, s.
    pub sent_s: f64,
    /// Audio that gaps tell of, s.
    pub in_gaps_s: f64,
    /// Share that no gap tells of, 0..=1; `null` where nothing was sent.
    pub ratio: Option<f64>,
}

/// How punctual this program was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// From when a piece of audio was due until it was handed to the kernel, of feeds that the server did not hold back.
    pub lateness: Distribution,
    /// What 99.9 % of that may be, ms.
    pub allowed_ms: f64,
    /// Whether it was more: then the numbers are not about the server.
    pub saturated: bool,
    /// Pieces of audio sent.
    pub pieces: u64,
    /// Of those, pieces whose predecessor was still waiting for the server when they were due.
    pub held_back: u64,
    /// Processor time, s.
    pub cpu_s: f64,
}

/// One run of a ramp or a search, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// How many feeds played.
    pub n_feeds: usize,
    /// Measured time, s.
    pub length_s: f64,
    /// Whether the objectives held; without objectives `true`.
    pub met: bool,
    /// Names of the objectives that did not.
    pub missed: Vec<String>,
    /// By name of their figure.
    pub percentiles: BTreeMap<String, Percentiles>,
    /// Share of the audio, 0..=1.
    pub coverage: Option<f64>,
    /// Word error rate.
    pub error_rate: Option<f64>,
    /// How late this program was, 99.9 % of all pieces, ms.
    pub lateness_p99_9: Option<f64>,
}

/// What was due in one slice of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Start since the run began, s.
    pub at_s: f64,
    /// s.
    pub length_s: f64,
    /// By name of their figure; figures of which nothing was due are not there.
    pub latency: BTreeMap<String, Distribution>,
}

/// Something that was done to the server or the feeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Since the run began, s.
    pub at_s: f64,
    /// For how long, s; 0 is at once.
    pub length_s: f64,
    /// What.
    pub what: String,
}

/// What the server's processes took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Since the run began, s.
    pub at_s: f64,
    /// Resident, bytes.
    pub memory_bytes: u64,
    /// Open files and sockets.
    pub files: u64,
    /// Processor time since the run began, s.
    pub cpu_s: f64,
}

/// A stage of the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Name, as the server says it.
    pub name: String,
    /// Mean, ms: the only thing that adds up to a whole.
    pub mean_ms: f64,
}

impl Report {
    /// Reads a report back, and checks that its histograms can be used.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let of = |error: String| Failure::Usage(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| of(error.to_string()))?;
        Self::parse(&text).map_err(of)
    }

    /// From the text of a report; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Named {
            schema: Option<String>,
        }
        let named: Named =
            serde_json::from_str(text).map_err(|error| format!("not JSON of a report: {error}"))?;
        match named.schema {
            Some(name) if name == SCHEMA => {}
            Some(name) => return Err(format!("schema `{name}`, this program reads `{SCHEMA}`")),
            None => return Err(format!("not a report: it has no `schema`, expected `{SCHEMA}`")),
        }
        let report: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for figure in &report.figures {
            figure.latency.latencies().map_err(|error| format!("figure {}: {error}", figure.name))?;
        }
        Ok(report)
    }

    /// As it is written to `report.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Keys are strings, and numbers that are not finite were made `null`.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// A figure by its name.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }
}

impl Objective {
    /// Figure and share (0..=1), where it is about a percentile of a latency: `transcript.final:p99.9`.
    #[must_use]
    pub fn percentile(&self) -> Option<(&str, f64)> {
        let (_, statistic) = self.name.split_once(':')?;
        let share = match statistic.strip_prefix('p') {
            Some(percent) => percent.parse::<f64>().ok()? / 100.0,
            None if statistic == "max" => 1.0,
            None => return None,
        };
        (self.unit == Unit::Ms && (0.0..=1.0).contains(&share)).then_some((self.subject(), share))
    }

    /// What it is about: a figure, `coverage` ... A `?` after the name, which allows that there is nothing, is no part of it.
    #[must_use]
    pub fn subject(&self) -> &str {
        let subject = self.name.split_once(':').map_or(self.name.as_str(), |(subject, _)| subject);
        subject.trim_end_matches('?')
    }
}

impl Slice {
    /// Latencies of a figure; none where nothing of it was due.
    #[must_use]
    pub fn latencies(&self, figure: &str) -> Latencies {
        self.latency.get(figure).and_then(|latency| latency.latencies().ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::report::tests::synthetic;

    #[test]
    fn a_report_is_read_back_as_it_was() {
        let mut before = synthetic::report(1, 4, 20);
        before.objectives[0].measured = None;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        std::fs::write(&path, before.to_json()).unwrap();
        assert_eq!(Report::read(&path).unwrap(), before);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let check = |text: &str, expected: &str| {
            let error = Report::parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        let whole = synthetic::report(1, 2, 5).to_json();
        check("{", "not JSON");
        check("{}", "it has no `schema`");
        check(r#"{"schema":"aircheck.loadtest.report.v9"}"#, "report.v9`, this program reads");
        check(&whole.replacen("\"scenario\"", "\"scenery\"", 1), "scenery");
        let figure = synthetic::report(1, 2, 5).figures[0].latency.histogram.clone();
        check(&whole.replacen(&figure, "AAAA", 1), "figure word.first_seen: the histogram is not one");
        let error = Report::read(Path::new("/nowhere/report.json")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/report.json: "), "{error}");
    }

    #[test]
    fn objectives_about_percentiles_are_known() {
        let percentile = |name| {
            let objective = synthetic::objective(name, true);
            objective.percentile().map(|(figure, share)| (figure.to_owned(), share))
        };
        assert_eq!(
            percentile("transcript.final:p99.9"),
            Some(("transcript.final".to_owned(), 0.9990000000000001))
        );
        assert_eq!(percentile("word.first_seen?:p50"), Some(("word.first_seen".to_owned(), 0.5)));
        assert_eq!(synthetic::objective("coverage?", true).subject(), "coverage");
        assert_eq!(percentile("word.final:max"), Some(("word.final".to_owned(), 1.0)));
        assert_eq!((percentile("coverage"), percentile("a:late"), percentile("a:p101")), (None, None, None));
    }
}

//! `frontier`: the same measurement for several commands of a server, side by side: quality, latency, cost.

use serde_json::Value;

use super::{About, Capacity, Outcome, Stop, Trial, Verdict};
use crate::failure::Failure;
use crate::measure::{Figure, Latencies, Measurement, Score};
use crate::scenario::{Variant, lag};

/// One variant, measured.
#[derive(Debug)]
pub struct Row {
    /// Name of the variant.
    pub name: String,
    /// Of a grid: what it is on each axis.
    pub values: Vec<(String, Value)>,
    /// Who was measured.
    pub about: About,
    /// Feeds at which the numbers are measured.
    pub n_feeds: usize,
    /// What was found, if it was looked for.
    pub capacity: Option<Capacity>,
    /// All that was told at that load: the histograms of its runs, merged.
    pub score: Score,
    /// Feeds / cores that the server kept busy on average. `None`: its process is not known, or it took no time.
    pub feeds_per_core: Option<f64>,
    /// Why there is no more to say.
    pub end: Option<Failure>,
}

impl Row {
    /// From what a mode left behind: from its runs at the capacity that were not spoilt by the generator, or, without a
    /// capacity, from its last one.
    #[must_use]
    pub fn of(variant: &Variant, outcome: Outcome) -> Self {
        let last = outcome.trials.last().map(|trial| trial.measurement.n_feeds);
        let n_feeds = outcome.capacity.map(|capacity| capacity.n_feeds).or(last).unwrap_or(0);
        let is_it =
            |trial: &&Trial| trial.measurement.n_feeds == n_feeds && trial.verdict != Verdict::Saturated;
        let runs: Vec<&Measurement> =
            outcome.trials.iter().filter(is_it).map(|trial| &trial.measurement).collect();
        let mut score = Score::default();
        runs.iter().for_each(|run| score.merge(&run.score));
        let cores: f64 = runs.iter().filter_map(|run| busy_cores(run)).sum::<f64>() / runs.len() as f64;
        let feeds_per_core = (cores > 0.0).then(|| n_feeds as f64 / cores);
        Self {
            name: variant.name.clone(),
            values: variant.values.clone(),
            about: outcome.about,
            n_feeds,
            capacity: outcome.capacity,
            score,
            feeds_per_core,
            end: outcome.end,
        }
    }

    /// A variant that could not be started.
    #[must_use]
    pub fn failed(variant: &Variant, failure: Failure) -> Self {
        Self {
            name: variant.name.clone(),
            values: variant.values.clone(),
            about: About::default(),
            n_feeds: 0,
            capacity: None,
            score: Score::default(),
            feeds_per_core: None,
            end: Some(failure),
        }
    }

    /// The p95 of a figure in seconds; infinite where it never came, NaN where nothing was due.
    #[must_use]
    pub fn p95(&self, figure: Figure) -> f64 {
        let none = (Latencies::new(), crate::measure::Counts::default());
        lag(&self.score.figures.get(&figure).unwrap_or(&none).0, 0.95)
    }
}

/// Cores that the server kept busy: processor time / time, from its first sample to its last.
fn busy_cores(run: &Measurement) -> Option<f64> {
    let (first, last) = (run.machine.first()?, run.machine.last()?);
    let (time, cpu) = (last.at.checked_sub(first.at)?, last.cpu.checked_sub(first.cpu)?);
    (!time.is_zero()).then(|| cpu.as_secs_f64() / time.as_secs_f64())
}

/// Measures every variant with `measure`, until somebody says `stop`. One that fails is a row that says so, and the next one is
/// measured.
pub fn frontier(
    variants: &[Variant],
    stop: &Stop,
    measure: &mut dyn FnMut(&Variant) -> Result<Outcome, Failure>,
) -> Vec<Row> {
    let row = |variant: &Variant| match measure(variant) {
        Ok(outcome) => Row::of(variant, outcome),
        Err(failure) => Row::failed(variant, failure),
    };
    variants.iter().map(row).take_while(|_| !stop.is_asked()).collect()
}

/// Why a comparison is none: no variant was measured to its end. Objectives that are missed are what is compared.
#[must_use]
pub fn failure(rows: &[Row]) -> Option<Failure> {
    let is_measured = |row: &Row| matches!(row.end, None | Some(Failure::Missed(_)));
    if rows.iter().any(is_measured) {
        return None;
    }
    let why = rows.iter().filter_map(|row| Some(format!("{}: {}", row.name, row.end.as_ref()?)));
    Some(Failure::Runtime(format!("no variant was measured: {}", why.collect::<Vec<_>>().join("; "))))
}

/// The rows side by side.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let head = ["variant", "feeds", "WER %", "word p95 s", "final p95 s", "coverage %", "feeds/core"]
        .map(str::to_owned);
    let line = |row: &Row| {
        let bound = if row.capacity.is_some_and(|capacity| capacity.n_refused.is_none()) { ">=" } else { "" };
        [
            row.name.clone(),
            format!("{bound}{}", row.n_feeds),
            shown(row.score.words.error_rate() * 100.0),
            shown(row.p95(Figure::WordFirstSeen)),
            shown(row.p95(Figure::Final)),
            shown(row.score.coverage.ratio() * 100.0),
            shown(row.feeds_per_core.unwrap_or(f64::NAN)),
        ]
    };
    let lines: Vec<[String; 7]> = [head].into_iter().chain(rows.iter().map(line)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for (idx, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let why =
            idx.checked_sub(1).and_then(|row| rows.get(row)?.end.as_ref()).map(|end| format!("  {end}"));
        text.push_str(&format!("{}{}\n", cells.collect::<Vec<_>>().join("  "), why.unwrap_or_default()));
    }
    text
}

/// Two digits; `never` and `-` for what is not finite.
fn shown(number: f64) -> String {
    match number {
        _ if number.is_nan() => "-".to_owned(),
        _ if number.is_infinite() => "never".to_owned(),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mode::fake::Fake;
    use crate::mode::{find_max, run};
    use crate::scenario::Search;

    fn variants(names: &[&str]) -> Vec<Variant> {
        let variant = |name: &&str| Variant { name: (*name).to_owned(), ..Variant::default() };
        names.iter().map(variant).collect()
    }

    #[test]
    fn every_variant_has_its_row() {
        let search = Search { from: 2, to: 64, step: 1 };
        let mut measure = |variant: &Variant| match variant.name.as_str() {
            "broken" => Err(Failure::Runtime("no such program".to_owned())),
            name => Ok(Fake::of(name.parse().unwrap()).course(1, |course| find_max(course, search))),
        };
        let rows = frontier(&variants(&["12", "broken", "20"]), &Stop::default(), &mut measure);
        assert!(failure(&rows).is_none());
        assert_eq!(rows.iter().map(|row| row.n_feeds).collect::<Vec<_>>(), [12, 0, 20]);
        let expected = [
            "variant  feeds  WER %  word p95 s  final p95 s  coverage %  feeds/core",
            "12          12   5.00           -         1.00      100.00       24.00",
            "broken       0      -           -            -           -           -  no such program",
            "20          20   5.00           -         1.00      100.00       40.00",
        ];
        assert_eq!(table(&rows).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn runs_at_one_load_are_merged_and_spoilt_ones_are_not() {
        let search = Search { from: 2, to: 64, step: 1 };
        let outcome = Fake::of(12).course(1, |course| find_max(course, search));
        let at_capacity =
            outcome.trials.iter().filter(|trial| trial.measurement.n_feeds == 12).count() as u64;
        let each = outcome.trials[0].measurement.score.words.n_said;
        let row = Row::of(&variants(&["a"])[0], outcome);
        assert_eq!(row.score.words.n_said, at_capacity * each);
        let outcome = Fake { saturates_at: 4, ..Fake::of(12) }.course(8, run);
        let row = Row::of(&variants(&["a"])[0], outcome);
        assert!(row.score.words.n_said == 0 && row.feeds_per_core.is_none() && row.end.is_some());
    }

    #[test]
    fn a_grid_of_failures_fails_and_a_stop_ends_it() {
        let stop = Stop::default();
        let mut measure = |variant: &Variant| {
            if variant.name == "c" {
                stop.ask();
            }
            Err(Failure::Runtime("no".to_owned()))
        };
        let rows = frontier(&variants(&["a", "b", "c", "d"]), &stop, &mut measure);
        assert_eq!(failure(&rows).unwrap().to_string(), "no variant was measured: a: no; b: no");
    }
}

//! From measurements to a report. Decides nothing: the objectives come judged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::distribution::ms;
use super::json::{
    Counts, Coverage, Figure, Generator, Mark, Objective, Report, Resources, Slice, Stage, Step, Target,
    Verdict, Version, Versions, Words,
};
use super::{Distribution, Host, Percentiles};
use crate::measure::{self, Latencies, Measurement, Sample, Score, WordScore};

/// Most slices of a series, and most samples of the machine: longer runs get longer slices, so that a soak of a day
/// leaves no more behind than a run of ten minutes.
pub const N_SLICES_MAX: usize = 600;

/// What a report says that measurements do not.
#[derive(Clone, Debug)]
pub struct Context {
    /// Name of the scenario.
    pub scenario: String,
    /// `run`, `ramp`, `find-max`, `soak`, `chaos`, `probe`.
    pub mode: String,
    /// What was measured.
    pub target: Target,
    /// From [`Host::here`], before the run.
    pub machine: Host,
    /// See [`Versions::here`].
    pub versions: Versions,
    /// When the first run began.
    pub started_at: Timestamp,
    /// Lateness p99.9 past which the generator counts as saturated.
    pub lateness_allowed: Duration,
    /// The objectives of each measurement, judged; in the order of the measurements.
    pub judged: Vec<Vec<Objective>>,
    /// Most feeds at which all objectives held, where that was searched.
    pub capacity: Option<usize>,
}

impl Versions {
    /// Those that this program knows: its own, and the commit that it was built from if the build was told
    /// (`AIRCHECK_COMMIT`).
    #[must_use]
    pub fn here() -> Self {
        Self {
            loadtest: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("AIRCHECK_COMMIT").filter(|commit| !commit.is_empty()).map(str::to_owned),
            ..Self::default()
        }
    }
}

impl Report {
    /// Of one or more runs. The numbers are those of the last run at the capacity; of the very last run where there is
    /// none. `None` without measurements.
    #[must_use]
    pub fn from(context: &Context, measurements: &[Measurement]) -> Option<Self> {
        let at_capacity = measurements.iter().rposition(|run| Some(run.n_feeds) == context.capacity);
        let chosen = at_capacity.or(measurements.len().checked_sub(1))?;
        let run = measurements.get(chosen)?;
        let objectives = context.judged.get(chosen).cloned().unwrap_or_default();
        let generator = generator(&run.generator, context.lateness_allowed);
        Some(Self {
            schema: Version::V1,
            scenario: context.scenario.clone(),
            mode: context.mode.clone(),
            target: context.target.clone(),
            machine: context.machine.clone(),
            versions: context.versions.clone(),
            started_at: context.started_at,
            verdict: verdict(&objectives, &generator),
            objectives,
            n_feeds: run.n_feeds,
            length_s: run.length.as_secs_f64(),
            capacity: context.capacity,
            figures: figures(&run.score),
            words: words(&run.score.words),
            coverage: coverage(run.score.coverage),
            gaps: run.score.gaps.clone(),
            generator,
            steps: if measurements.len() > 1 { steps(context, measurements) } else { Vec::new() },
            series: series(&run.series),
            marks: run.marks.iter().map(mark).collect(),
            resources: thinned(&run.machine),
            stages: run
                .stages
                .iter()
                .map(|(name, mean_ms)| Stage { name: name.clone(), mean_ms: *mean_ms })
                .collect(),
        })
    }
}

fn verdict(objectives: &[Objective], generator: &Generator) -> Verdict {
    match objectives {
        _ if generator.saturated => Verdict::Saturated,
        [] => Verdict::Unjudged,
        all if all.iter().all(|objective| objective.met) => Verdict::Met,
        _ => Verdict::Missed,
    }
}

fn figures(score: &Score) -> Vec<Figure> {
    let figure = |(figure, (latencies, counts)): (&measure::Figure, &(Latencies, measure::Counts))| Figure {
        name: figure.name().to_owned(),
        counts: Counts {
            expected: counts.n_expected,
            late: counts.n_late,
            missing: counts.n_missing,
            duplicate: counts.n_duplicate,
            wrong: counts.n_wrong,
            early: counts.n_early,
        },
        latency: latencies.into(),
    };
    score.figures.iter().map(figure).collect()
}

fn words(words: &WordScore) -> Words {
    Words {
        said: words.n_said,
        substituted: words.n_substituted,
        deleted: words.n_deleted,
        inserted: words.n_inserted,
        in_gaps: words.n_in_gaps,
        shown: words.n_shown,
        retracted: words.n_retracted,
        error_rate: finite(words.error_rate()),
    }
}

fn coverage(coverage: measure::Coverage) -> Coverage {
    Coverage {
        sent_s: coverage.sent.as_secs_f64(),
        in_gaps_s: coverage.in_gaps.as_secs_f64(),
        ratio: finite(coverage.ratio()),
    }
}

fn generator(generator: &measure::Generator, allowed: Duration) -> Generator {
    let late = generator.lateness.quantile(0.999);
    Generator {
        lateness: (&generator.lateness).into(),
        allowed_ms: ms(allowed),
        saturated: generator.lateness.count() > 0 && late.is_none_or(|late| late > allowed),
        pieces: generator.n_pieces,
        held_back: generator.n_held_back,
        cpu_s: generator.cpu.as_secs_f64(),
    }
}

fn steps(context: &Context, measurements: &[Measurement]) -> Vec<Step> {
    let judged = context.judged.iter().map(Vec::as_slice).chain(std::iter::repeat(&[][..]));
    measurements.iter().zip(judged).map(|(run, objectives)| step(run, objectives)).collect()
}

fn step(run: &Measurement, objectives: &[Objective]) -> Step {
    let missed: Vec<String> = objectives
        .iter()
        .filter(|objective| !objective.met)
        .map(|objective| objective.name.clone())
        .collect();
    let percentiles = run.score.figures.iter();
    Step {
        n_feeds: run.n_feeds,
        length_s: run.length.as_secs_f64(),
        met: missed.is_empty(),
        missed,
        percentiles: percentiles
            .map(|(figure, (latencies, _))| (figure.name().to_owned(), Percentiles::of(latencies)))
            .collect(),
        coverage: finite(run.score.coverage.ratio()),
        error_rate: finite(run.score.words.error_rate()),
        lateness_p99_9: Percentiles::of(&run.generator.lateness).p99_9,
    }
}

/// Adjacent slices are merged until there are few enough; nothing is left out.
fn series(samples: &[Sample]) -> Vec<Slice> {
    let n_merged = samples.len().div_ceil(N_SLICES_MAX).max(1);
    let starts: Vec<Duration> = samples.iter().map(|sample| sample.at).collect();
    let step =
        starts.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).min().unwrap_or(Duration::from_secs(1));
    let slice = |merged: &[Sample]| {
        let names: BTreeSet<&String> =
            merged.iter().flat_map(|sample| sample.latencies.iter().map(|(name, _)| name)).collect();
        let of = |name: &String| {
            let mut all = Latencies::new();
            let same = merged.iter().flat_map(|sample| &sample.latencies).filter(|(other, _)| other == name);
            same.for_each(|(_, latencies)| all.merge(latencies));
            all
        };
        let latency: BTreeMap<String, Distribution> = names
            .into_iter()
            .map(|name| (name, of(name)))
            .filter(|(_, all)| all.count() > 0)
            .map(|(name, all)| (name.clone(), (&all).into()))
            .collect();
        let at = merged.first().map_or(Duration::ZERO, |sample| sample.at);
        let end = merged.last().map_or(at, |sample| sample.at) + step;
        Slice { at_s: at.as_secs_f64(), length_s: end.saturating_sub(at).as_secs_f64(), latency }
    };
    samples.chunks(n_merged).map(slice).collect()
}

fn mark(mark: &measure::Mark) -> Mark {
    Mark { at_s: mark.at.as_secs_f64(), length_s: mark.length.as_secs_f64(), what: mark.what.clone() }
}

/// Every so many, and always the last, so that a slope keeps its ends.
fn thinned(machine: &[measure::Machine]) -> Vec<Resources> {
    let step = machine.len().div_ceil(N_SLICES_MAX).max(1);
    let last = machine.len().saturating_sub(1);
    let kept = machine.iter().enumerate().filter(|(idx, _)| idx % step == 0 || *idx == last);
    kept.map(|(_, sample)| Resources {
        at_s: sample.at.as_secs_f64(),
        memory_bytes: sample.memory,
        files: sample.n_files,
        cpu_s: sample.cpu.as_secs_f64(),
    })
    .collect()
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::report::tests::synthetic;

    #[test]
    fn figures_counts_and_words_are_those_of_the_run() {
        let run = synthetic::measurement(1, 8, 30);
        let report = Report::from(&synthetic::context(), std::slice::from_ref(&run)).unwrap();
        assert_eq!(report.figures.len(), run.score.figures.len());
        for (figure, (latencies, counts)) in &run.score.figures {
            let reported = report.figure(figure.name()).unwrap();
            assert_eq!((reported.counts.expected, reported.counts.late), (counts.n_expected, counts.n_late));
            let p95 = latencies.quantile(0.95).map(ms);
            assert_eq!((reported.latency.n, reported.latency.percentiles.p95), (latencies.count(), p95));
        }
        assert_eq!(report.words.error_rate, Some(run.score.words.error_rate()));
        assert_eq!((report.n_feeds, report.verdict, report.steps.len()), (8, Verdict::Met, 0));
        assert_eq!(report.marks[0].what, run.marks[0].what);
    }

    #[test]
    fn nothing_is_lost_in_long_series() {
        let run = synthetic::measurement(2, 1, N_SLICES_MAX as u64 * 2 + 100);
        let report = Report::from(&synthetic::context(), std::slice::from_ref(&run)).unwrap();
        assert!(report.series.len() <= N_SLICES_MAX && report.resources.len() <= N_SLICES_MAX + 1);
        let mut merged = Latencies::new();
        report.series.iter().for_each(|slice| merged.merge(&slice.latencies("word.final")));
        let whole = report.figure("word.final").unwrap().latency.latencies().unwrap();
        assert_eq!((merged.count(), merged.n_never()), (whole.count(), whole.n_never()));
        assert_eq!(merged.histogram(), whole.histogram());
        let end = report.series.last().map(|slice| slice.at_s + slice.length_s);
        assert_eq!(end, Some(run.length.as_secs_f64()));
    }

    #[test]
    fn the_numbers_of_a_search_are_those_at_the_capacity() {
        let runs: Vec<Measurement> =
            [2, 8, 4, 6, 4].iter().map(|n| synthetic::measurement(3, *n, 10)).collect();
        let mut context = synthetic::context();
        context.judged =
            runs.iter().map(|run| vec![synthetic::objective("coverage", run.n_feeds <= 4)]).collect();
        context.capacity = Some(4);
        let report = Report::from(&context, &runs).unwrap();
        assert_eq!((report.n_feeds, report.verdict, report.steps.len()), (4, Verdict::Met, 5));
        assert_eq!((report.steps[1].n_feeds, report.steps[1].met), (8, false));
        assert_eq!(report.steps[1].missed, ["coverage"]);
        context.capacity = None;
        context.judged.pop();
        context.judged.push(vec![synthetic::objective("coverage", false)]);
        assert_eq!(Report::from(&context, &runs).unwrap().verdict, Verdict::Missed);
        assert!(Report::from(&context, &[]).is_none());
    }

    #[test]
    fn a_late_generator_is_the_verdict_whatever_the_objectives_say() {
        let mut run = synthetic::measurement(4, 2, 10);
        let n_late = run.generator.lateness.count() / 500;
        (0..n_late).for_each(|_| run.generator.lateness.record(Duration::from_millis(6)));
        let report = Report::from(&synthetic::context(), &[run.clone()]).unwrap();
        assert_eq!((report.verdict, report.generator.saturated), (Verdict::Saturated, true));
        let patient = Context { lateness_allowed: Duration::from_millis(7), ..synthetic::context() };
        assert_eq!(Report::from(&patient, &[run]).unwrap().verdict, Verdict::Met);
    }
}

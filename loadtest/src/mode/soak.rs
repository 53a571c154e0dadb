//! `soak`: one long run, and whether anything grows over it: memory, open files, latency.

use std::time::Duration;

use super::trend::N_BLOCKS_MAX;
use super::{Check, Course, Outcome, Trend, Trial, run};
use crate::measure::{Figure, Latencies, Machine, Measurement, Sample};
use crate::scenario::{Bars, lag};

const MIB: f64 = 1_048_576.0;

/// Plays the load once, and holds slopes of the time after the warm-up against `bars`.
#[must_use]
pub fn soak(course: Course<'_>, bars: Bars) -> Outcome {
    let warm_up = course.load.warm_up;
    let outcome = Outcome { mode: "soak", ..run(course) };
    let checks = outcome.trials.last().map(|trial| checks(trial, warm_up, bars)).unwrap_or_default();
    outcome.with_checks(checks)
}

fn checks(trial: &Trial, warm_up: Duration, bars: Bars) -> Vec<Check> {
    let run = &trial.measurement;
    let machine = |value: &dyn Fn(&Machine) -> f64| {
        let after = run.machine.iter().filter(|machine| machine.at >= warm_up);
        after.map(|machine| (machine.at.as_secs_f64() / 3_600.0, value(machine))).collect::<Vec<_>>()
    };
    let memory = bars.memory.map(|bar| check("memory", &machine(&|m| m.memory as f64 / MIB), bar, "MiB/h"));
    let files = bars.files.map(|bar| check("open files", &machine(&|m| m.n_files as f64), bar, "1/h"));
    let latency = bars.lag.map(|bar| check("median latency", &lags(run), bar, "ms/h"));
    [memory, files, latency].into_iter().flatten().collect()
}

fn check(name: &str, points: &[(f64, f64)], bound: f64, unit: &'static str) -> Check {
    let name = format!("slope of {name}");
    let Some(trend) = Trend::of(points) else {
        let measured = "too few measurements, or an infinite one".to_owned();
        return Check { name, number: None, bound, unit, measured, is_met: false };
    };
    let is_met = !trend.rises(bound);
    let hint = if is_met && trend.is_blind(bound) { ", too short a run to tell" } else { "" };
    let measured = format!("{:.2} +- {:.2} {unit}{hint}", trend.slope, trend.error);
    Check { name, number: Some(trend.slope), bound, unit, measured, is_met }
}

/// Medians of the latency of finals (of words, where a server tells no finals), ms by hours; slices are merged until there
/// are few enough, never averaged. Slices in which nothing was due have none.
fn lags(run: &Measurement) -> Vec<(f64, f64)> {
    let has =
        |figure: Figure| run.score.figures.get(&figure).is_some_and(|(latencies, _)| latencies.count() > 0);
    let figure =
        [Figure::Final, Figure::WordFinal].into_iter().find(|figure| has(*figure)).unwrap_or(Figure::Final);
    let n_merged = run.series.len().div_ceil(N_BLOCKS_MAX).max(1);
    let block = |slices: &[Sample]| {
        let mut all = Latencies::new();
        let same = slices.iter().flat_map(|slice| &slice.latencies).filter(|(name, _)| name == figure.name());
        same.for_each(|(_, latencies)| all.merge(latencies));
        let at = slices.first()?.at.as_secs_f64() / 3_600.0;
        (all.count() > 0).then(|| (at, lag(&all, 0.5) * 1e3))
    };
    run.series.chunks(n_merged).filter_map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;
    use crate::mode::fake::Fake;

    const BARS: Bars = Bars { memory: Some(1.0), files: Some(1.0), lag: Some(10.0) };

    fn play(fake: &mut Fake, length: Duration, bars: Bars) -> Outcome {
        fake.course_of(4, length, Vec::new(), |course| soak(course, bars))
    }

    #[test]
    fn a_leak_is_found_and_noise_is_none() {
        let hour = Duration::from_secs(3_600);
        let quiet = play(&mut Fake::of(10), hour, BARS);
        assert!(quiet.end.is_none() && quiet.checks.len() == 3, "{:?}", quiet.checks);
        let leaking = play(&mut Fake { leak: 5.0, ..Fake::of(10) }, hour, BARS);
        let memory = leaking.checks[0].number.unwrap_or(f64::NAN);
        // Noise of up to +-1 MiB on 720 points of an hour: the standard error is 0.6 sqrt(12 / 720), 0.08 MiB/h.
        assert!((memory - 5.0).abs() < 0.25, "{memory}");
        let Some(Failure::Missed(missed)) = leaking.end else { panic!("{:?}", leaking.end) };
        assert!(missed.len() == 1 && missed[0].starts_with("slope of memory: "), "{missed:?}");
        assert_eq!(leaking.mode, "soak");
    }

    #[test]
    fn a_short_run_says_that_it_is_short() {
        let outcome = play(&mut Fake::of(10), Duration::from_secs(60), BARS);
        assert!(outcome.checks[0].measured.ends_with("too short a run to tell"), "{:?}", outcome.checks);
    }

    #[test]
    fn what_nobody_judges_is_left_out_and_missed_objectives_stay() {
        let bars = Bars { memory: None, files: None, lag: Some(10.0) };
        let outcome = play(&mut Fake::of(2), Duration::from_secs(600), bars);
        assert_eq!(outcome.checks.len(), 1);
        assert!(
            matches!(outcome.end, Some(Failure::Missed(missed)) if missed[0].starts_with("transcript.final"))
        );
        let none = check("x", &[], 1.0, "1/h");
        assert!(!none.is_met && none.number.is_none());
    }
}

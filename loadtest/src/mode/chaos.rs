//! `chaos`: one run with trouble after trouble, and whether latencies are within the objectives again in time after each.

use std::time::Duration;

use super::{Check, Course, Outcome, run};
use crate::measure::{Latencies, Mark, Measurement};
use crate::scenario::{Disturbance, Objective, Scenario, Trouble, cannot, show_duration};

/// Audio that has to be within the objectives for a server to have recovered, before what follows is looked at: one
/// utterance at least, as Aircheck cuts them after 5 s.
const WINDOW: Duration = Duration::from_secs(5);

/// All troubles that the scenario can make, each with twice the recovery time after it; those that stay come last.
#[must_use]
pub fn standard(scenario: &Scenario) -> Vec<Disturbance> {
    let secs = Duration::from_secs;
    let jitter = Trouble::Jitter { by: Duration::from_millis(300), length: secs(15) };
    let troubles = [
        Trouble::Stall(secs(1)),
        Trouble::Stall(secs(5)),
        Trouble::Stall(secs(15)),
        Trouble::Burst(secs(5)),
        Trouble::Disconnect,
        jitter,
        Trouble::Scramble { probability: 0.02, length: secs(15) },
        Trouble::Garbage(secs(3)),
        Trouble::SlowSink(secs(10)),
        Trouble::FullDisk(secs(15)),
        Trouble::Freeze(secs(3)),
        Trouble::Kill,
        Trouble::Change,
        Trouble::Drift(200),
        Trouble::Drift(-200),
    ];
    let mut at = scenario.run.recovery;
    let mut programme = Vec::new();
    for trouble in troubles.into_iter().filter(|trouble| cannot(scenario, *trouble).is_none()) {
        programme.push(Disturbance { at, trouble, share: 1.0 });
        at += trouble.length() + scenario.run.recovery * 2;
    }
    programme
}

/// Plays the load once, long enough for all its troubles. Objectives about latency have to hold again `recovery` after
/// each trouble, up to the next; all others over the whole run.
#[must_use]
pub fn chaos(mut course: Course<'_>, recovery: Duration) -> Outcome {
    let end =
        course.load.disturbances.iter().map(|done| done.at + done.trouble.length()).max().unwrap_or_default();
    course.load.length = course.load.length.max(end + recovery * 2);
    let (latencies, rest): (Vec<_>, Vec<_>) =
        course.objectives.drain(..).partition(|objective| objective.latency().is_some());
    course.objectives = rest;
    let n_troubles = course.load.disturbances.len();
    let outcome = Outcome { mode: "chaos", ..run(course) };
    let last = outcome.trials.last();
    let checks =
        last.map(|trial| checks(&trial.measurement, &latencies, n_troubles, recovery)).unwrap_or_default();
    outcome.with_checks(checks)
}

fn checks(run: &Measurement, objectives: &[Objective], n_troubles: usize, recovery: Duration) -> Vec<Check> {
    let over = run.series.last().map_or(Duration::MAX, |slice| slice.at + WINDOW);
    let recovered = |(idx, mark): (usize, &Mark)| {
        let next = run.marks.get(idx + 1).map_or(over, |next| next.at);
        let took = took(run, objectives, mark.at + mark.length, next);
        let measured = took.map_or_else(|| "never".to_owned(), show_duration);
        Check {
            name: format!("recovery after {} at {}", mark.what, show_duration(mark.at)),
            number: took.map(|took| took.as_secs_f64()),
            bound: recovery.as_secs_f64(),
            unit: "s",
            measured,
            is_met: took.is_some_and(|took| took <= recovery),
        }
    };
    let mut checks: Vec<Check> = run.marks.iter().enumerate().map(recovered).collect();
    let n_undone = n_troubles.saturating_sub(run.marks.len());
    if n_undone > 0 {
        let (name, measured) =
            ("troubles that were not made".to_owned(), format!("{n_undone} of {n_troubles}"));
        checks.push(Check {
            name,
            number: Some(n_undone as f64),
            bound: 0.0,
            unit: "1",
            measured,
            is_met: false,
        });
    }
    checks
}

/// How long after `end` it takes until both the next [`WINDOW`] and all up to `next` are within the objectives: the former so
/// that a long calm does not hide a bad beginning, the latter so that one calm moment is not taken for the end.
fn took(run: &Measurement, objectives: &[Objective], end: Duration, next: Duration) -> Option<Duration> {
    let starts = run.series.iter().map(|slice| slice.at).filter(|at| *at >= end && *at < next);
    starts
        .into_iter()
        .find(|start| {
            holds(run, objectives, *start, next.min(*start + WINDOW)) && holds(run, objectives, *start, next)
        })
        .map(|start| start - end)
}

/// Whether what was due in `[start, end)` is within the objectives. Nothing due at all is not; a figure of which nothing was
/// due is.
fn holds(run: &Measurement, objectives: &[Objective], start: Duration, end: Duration) -> bool {
    let mut was_due = false;
    let all_hold = objectives.iter().filter_map(|objective| Some((objective, objective.latency()?))).all(
        |(objective, (figure, quantile, _))| {
            let mut all = Latencies::new();
            let slices = run.series.iter().filter(|slice| slice.at >= start && slice.at < end);
            let same = slices.flat_map(|slice| &slice.latencies).filter(|(name, _)| name == figure.name());
            same.for_each(|(_, latencies)| all.merge(latencies));
            was_due |= all.count() > 0;
            all.count() == 0 || objective.judge_latencies(quantile, &all).is_met
        },
    );
    all_hold && (was_due || objectives.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::failure::Failure;
    use crate::mode::fake::Fake;
    use crate::scenario::Transport;

    const RECOVERY: Duration = Duration::from_secs(10);

    fn play(fake: &mut Fake, troubles: &[&str]) -> Outcome {
        let troubles = troubles.iter().map(|text| text.parse().unwrap()).collect();
        fake.course_of(4, Duration::from_secs(60), troubles, |course| chaos(course, RECOVERY))
    }

    fn recoveries(outcome: &Outcome) -> Vec<(String, bool)> {
        outcome
            .checks
            .iter()
            .map(|check| (format!("{}: {}", check.name, check.measured), check.is_met))
            .collect()
    }

    #[test]
    fn a_server_that_comes_back_in_time_has_recovered() {
        let mut fake = Fake { aftermath: Duration::from_secs(6), ..Fake::of(10) };
        let outcome = play(&mut fake, &["stall 5s at 20s", "kill at 60s"]);
        let expected =
            [("recovery after stall 5s at 30s: 6s", true), ("recovery after kill at 70s: 6s", true)];
        assert_eq!(recoveries(&outcome), expected.map(|(text, is_met)| (text.to_owned(), is_met)));
        assert!(outcome.end.is_none() && outcome.mode == "chaos");
        assert_eq!(outcome.trials[0].measurement.length, Duration::from_secs(80));
        let objectives: Vec<String> =
            outcome.trials[0].judged.iter().map(|j| j.objective.to_string()).collect();
        assert_eq!(objectives, ["coverage>=0.995"]);
    }

    #[test]
    fn one_that_takes_too_long_has_not() {
        let mut fake = Fake { aftermath: Duration::from_secs(11), ..Fake::of(10) };
        let outcome = play(&mut fake, &["stall 5s at 20s"]);
        assert_eq!(recoveries(&outcome), [("recovery after stall 5s at 30s: 11s".to_owned(), false)]);
        assert!(matches!(outcome.end, Some(Failure::Missed(_))));
        let mut fake = Fake { aftermath: Duration::from_secs(600), ..Fake::of(10) };
        let outcome = play(&mut fake, &["stall 5s at 20s"]);
        assert_eq!(recoveries(&outcome), [("recovery after stall 5s at 30s: never".to_owned(), false)]);
    }

    #[test]
    fn a_trouble_that_was_not_made_is_told() {
        let mut fake = Fake::of(10);
        let mut outcome = play(&mut fake, &["stall 5s at 20s"]);
        let run = &mut outcome.trials[0].measurement;
        run.marks.clear();
        let checks = checks(run, &[], 1, RECOVERY);
        assert!(checks.len() == 1 && !checks[0].is_met && checks[0].measured == "1 of 1");
    }

    #[test]
    fn the_standard_makes_all_that_can_be_made() {
        let mut scenario = Scenario::default();
        let names = |scenario: &Scenario| {
            let programme = standard(scenario);
            programme.iter().map(|done| done.trouble.to_string()).collect::<Vec<_>>()
        };
        let remote = names(&scenario);
        assert!(remote.len() == 11 && !remote.iter().any(|name| name == "kill"), "{remote:?}");
        scenario.target.command = vec!["x".to_owned(), "{listen}".to_owned()];
        assert_eq!(names(&scenario).len(), 13);
        scenario.target.env.insert("XDG_STATE_HOME".to_owned(), "/small".to_owned());
        assert_eq!(names(&scenario).len(), 14);
        scenario.feeds.transport = Some(Transport::Rtp);
        let rtp = names(&scenario);
        assert!(
            rtp.iter().any(|name| name.starts_with("scramble")) && !rtp.contains(&"disconnect".to_owned())
        );
        let programme = standard(&scenario);
        for pair in programme.windows(2) {
            assert_eq!(pair[1].at, pair[0].at + pair[0].trouble.length() + scenario.run.recovery * 2);
        }
    }
}

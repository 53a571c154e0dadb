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
        let next = run.marks.get(idx + 1).map(|next| next.at);
        let took = took(run, objectives, mark.at + mark.length, Next { at: next, over });
        let measured = took.map_or_else(|| "never".to_owned(), |took| show_duration(rounded(took)));
        Check {
            name: format!("recovery after {} at {}", mark.what, show_duration(rounded(mark.at))),
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

/// What ends the time that is looked at after a trouble.
#[derive(Clone, Copy)]
struct Next {
    /// When the next trouble begins.
    at: Option<Duration>,
    /// When nothing more was due.
    over: Duration,
}

impl Next {
    /// End of what tells of the trouble before, of a figure that may take `bound`: what is due later than this may be hit by
    /// the next trouble before its time is over.
    fn before(self, bound: Duration) -> Duration {
        self.at.map_or(self.over, |at| at.saturating_sub(bound))
    }
}

/// Nobody reads more digits.
fn rounded(time: Duration) -> Duration {
    Duration::from_millis((time.as_secs_f64() * 10.0).round() as u64 * 100)
}

/// How long after `end` it takes until both the next [`WINDOW`] and all up to `next` are within the objectives: the former so
/// that a long calm does not hide a bad beginning, the latter so that one calm moment is not taken for the end.
fn took(run: &Measurement, objectives: &[Objective], end: Duration, next: Next) -> Option<Duration> {
    let last = next.at.unwrap_or(next.over);
    let starts = run.series.iter().map(|slice| slice.at).filter(|at| *at >= end && *at < last);
    starts
        .into_iter()
        .find(|start| {
            holds(run, objectives, *start, next, Some(*start + WINDOW))
                && holds(run, objectives, *start, next, None)
        })
        .map(|start| start - end)
}

/// Whether what was due since `start`, up to `next` or `at_most`, is within the objectives. Nothing due at all is not; a figure
/// of which nothing was due is.
fn holds(
    run: &Measurement,
    objectives: &[Objective],
    start: Duration,
    next: Next,
    at_most: Option<Duration>,
) -> bool {
    let mut was_due = false;
    let all_hold = objectives.iter().filter_map(|objective| Some((objective, objective.latency()?))).all(
        |(objective, (figure, quantile, bound))| {
            let mut all = Latencies::new();
            let end = next.before(bound).min(at_most.unwrap_or(Duration::MAX));
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
    fn what_the_next_trouble_hits_is_not_held_against_the_one_before() {
        let mut fake = Fake { aftermath: Duration::from_secs(6), ..Fake::of(10) };
        let mut outcome = play(&mut fake, &["stall 5s at 20s", "kill at 60s"]);
        let objectives = ["transcript.final:p95<3s".parse().unwrap()];
        // What is due at 69 s may take 3 s, and the server is killed at 70 s; what is due at 66 s was told by then.
        for (due, expected) in [(69, ["6s", "6s"]), (66, ["never", "6s"])] {
            let run = &mut outcome.trials[0].measurement;
            let before = run.series.clone();
            let slice = run.series.iter_mut().find(|slice| slice.at == Duration::from_secs(due)).unwrap();
            (0..20).for_each(|_| slice.latencies[0].1.record_never());
            let measured = checks(run, &objectives, 2, RECOVERY).into_iter().map(|check| check.measured);
            assert_eq!(measured.collect::<Vec<_>>(), expected, "due at {due} s");
            run.series = before;
        }
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

//! What is said in the terminal: a line now and then, and the verdict.

use std::fmt::Write;
use std::time::Duration;

use crate::mode::{N_CONFIRMATIONS, Outcome, Progress};

/// From one line to the next.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Whether a run that was told of at `last` is to be told of again.
pub(super) fn is_due(last: Option<Duration>, progress: &Progress) -> bool {
    last.is_none_or(|last| progress.at < last || progress.at >= last + LINE_EVERY)
}

/// `40/70 s, 8 feeds, coverage 100 %, transcript.final p50 0.61 s p99 1.20 s`.
pub(super) fn line(progress: &Progress) -> String {
    let (at, of) = (progress.at.as_secs(), progress.of.as_secs());
    let mut text = format!("{at}/{of} s, {} feeds", progress.n_feeds);
    let coverage = progress.score.coverage.ratio();
    if coverage.is_finite() {
        let _ = write!(text, ", coverage {:.1} %", coverage * 100.0);
    }
    for (figure, (latencies, _)) in &progress.score.figures {
        let at = |quantile| {
            let latency =
                latencies.quantile(quantile).map(|latency| format!("{:.2} s", latency.as_secs_f64()));
            latency.unwrap_or_else(|| "never".to_owned())
        };
        if latencies.count() > 0 {
            let _ = write!(text, ", {} p50 {} p99 {}", figure.name(), at(0.5), at(0.99));
        }
    }
    text
}

/// The objectives of the decisive run, the checks, the capacity.
pub(super) fn summary(outcome: &Outcome) -> String {
    let mut text = String::new();
    let n_feeds = outcome.capacity.map(|capacity| capacity.n_feeds);
    let at_capacity = outcome.trials.iter().rev().find(|trial| Some(trial.measurement.n_feeds) == n_feeds);
    if let Some(trial) = at_capacity.or(outcome.trials.last()) {
        let _ = writeln!(text, "{} feeds:", trial.measurement.n_feeds);
        for judged in &trial.judged {
            let _ = writeln!(text, "  {} {}: {}", mark(judged.is_met), judged.objective, judged.measured);
        }
    }
    for check in &outcome.checks {
        let _ = writeln!(text, "  {} {}: {}", mark(check.is_met), check.name, check.measured);
    }
    if let Some(capacity) = outcome.capacity {
        let known = capacity.n_refused.map_or_else(
            || " or more: a higher load was not tried".to_owned(),
            |n_refused| format!(", {n_refused} are not"),
        );
        let confirmed = if outcome.mode == "find-max" {
            format!(", met {N_CONFIRMATIONS} times in a row")
        } else {
            String::new()
        };
        let _ = writeln!(text, "capacity: {} feeds{known}{confirmed}", capacity.n_feeds);
    }
    text
}

const fn mark(is_met: bool) -> &'static str {
    if is_met { "met   " } else { "missed" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::fake::Fake;
    use crate::mode::{Load, Rig, find_max};
    use crate::scenario::Search;

    #[test]
    fn the_capacity_is_told_with_its_proof() {
        let search = Search { from: 4, to: 64, step: 1 };
        let outcome = Fake::of(12).course(1, |course| find_max(course, search));
        let expected = "12 feeds:\n  met    transcript.final:p95<3s: 1 s\n  met    coverage>=0.995: 100 %\n\
            capacity: 12 feeds, 13 are not, met 3 times in a row\n";
        assert_eq!(summary(&outcome), expected);
    }

    #[test]
    fn a_run_is_told_of_now_and_then() {
        let load = Load {
            n_feeds: 3,
            warm_up: Duration::ZERO,
            length: Duration::from_secs(30),
            disturbances: Vec::new(),
        };
        let mut told = Vec::new();
        let run = Fake::of(4).run(&load, &mut |progress| told.push(progress.clone()));
        assert!(run.is_ok());
        assert_eq!(
            line(&told[0]),
            "30/30 s, 3 feeds, coverage 100.0 %, transcript.final p50 1.00 s p99 1.00 s"
        );
        let due = |last: Option<u64>| is_due(last.map(Duration::from_secs), &told[0]);
        assert!(due(None) && due(Some(20)) && due(Some(40)) && !due(Some(21)));
    }
}

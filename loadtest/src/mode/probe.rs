//! `probe`: plays one labelled round every so often into a live system, for ever, and tells Prometheus what a listener would
//! have seen. The rig removes its feeds after each round.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::PrometheusBuilder;

use super::{Course, Outcome, Trial, Verdict};
use crate::failure::Failure;
use crate::measure::{Counts, Measurement};

/// Bounds of the buckets of latencies, s: every budget of Aircheck's events is one.
pub const BUCKETS: [f64; 16] =
    [0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.5, 10.0];

const LATENCY: &str = "aircheck_probe_latency_seconds";
const FACTS: &str = "aircheck_probe_facts_total";
const WORDS: &str = "aircheck_probe_words_total";
const AUDIO: &str = "aircheck_probe_audio_seconds_total";
const ROUNDS: &str = "aircheck_probe_rounds_total";
const LATENESS: &str = "aircheck_probe_lateness_seconds";
const IS_MET: &str = "aircheck_probe_met";

/// Tells Prometheus on `address` what is measured from here on.
pub fn export(address: SocketAddr) -> Result<(), Failure> {
    let failed = |error| Failure::runtime(&format!("metrics on {address}"), error);
    let builder =
        PrometheusBuilder::new().with_http_listener(address).set_buckets(&BUCKETS).map_err(failed)?;
    builder.install().map_err(failed)?;
    describe();
    Ok(())
}

fn describe() {
    describe_histogram!(
        LATENCY,
        "From when the audio that proves a fact was due until the fact was told, by figure; what never came is only in facts_total"
    );
    describe_counter!(
        FACTS,
        "Facts of the audio by figure and by what became of them: expected, late, missing, duplicate, wrong, early"
    );
    describe_counter!(WORDS, "Words by what became of them: said, substituted, deleted, inserted, in_gaps");
    describe_counter!(
        AUDIO,
        "Audio that was sent, and that the server said it did not analyse: sent, in_gaps"
    );
    describe_counter!(
        ROUNDS,
        "Rounds by result: met, missed, saturated (the probe was late, its numbers are left out), failed"
    );
    describe_gauge!(LATENESS, "How late the probe itself was in its last round, p99.9");
    describe_gauge!(IS_MET, "1 if the last round met all objectives, 0 if not");
}

/// Plays rounds until it is asked to stop, which is how it ends well. A round that fails is counted, and the next one comes.
#[must_use]
pub fn probe(mut course: Course<'_>, every: Duration) -> Outcome {
    while !course.stop.is_asked() {
        let begun = Instant::now();
        // A round that was cut short by the stop says nothing: what was to come was not waited for.
        match course.trial(course.load.n_feeds).map(tell) {
            Ok(()) => {}
            Err(_) if course.stop.is_asked() => {
                course.trials.pop();
            }
            Err(_) => {
                counter!(ROUNDS, "result" => "failed").increment(1);
                gauge!(IS_MET).set(0.0);
            }
        }
        // For ever is long: only the last round is kept.
        let n_old = course.trials.len().saturating_sub(1);
        course.trials.drain(..n_old);
        course.stop.wait(every.saturating_sub(begun.elapsed()));
    }
    course.outcome("probe", Ok(None))
}

fn tell(trial: &Trial) {
    let run = &trial.measurement;
    let result = match trial.verdict {
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::Saturated => "saturated",
    };
    counter!(ROUNDS, "result" => result).increment(1);
    let lateness = run.generator.lateness.quantile(0.999).unwrap_or_default();
    gauge!(LATENESS).set(lateness.as_secs_f64());
    if trial.verdict != Verdict::Saturated {
        gauge!(IS_MET).set(if trial.verdict == Verdict::Met { 1.0 } else { 0.0 });
        tell_score(run);
    }
}

fn tell_score(run: &Measurement) {
    for (figure, (latencies, counts)) in &run.score.figures {
        let told = histogram!(LATENCY, "figure" => figure.name());
        for value in latencies.histogram().iter_recorded() {
            let n = usize::try_from(value.count_at_value()).unwrap_or(usize::MAX);
            told.record_many(value.value_iterated_to() as f64 / 1e6, n);
        }
        tell_counts(figure.name(), *counts);
    }
    let words = run.score.words;
    for (what, n) in [
        ("said", words.n_said),
        ("substituted", words.n_substituted),
        ("deleted", words.n_deleted),
        ("inserted", words.n_inserted),
        ("in_gaps", words.n_in_gaps),
    ] {
        counter!(WORDS, "what" => what).increment(n);
    }
    for (what, length) in [("sent", run.score.coverage.sent), ("in_gaps", run.score.coverage.in_gaps)] {
        counter!(AUDIO, "what" => what).increment(length.as_secs_f64().round() as u64);
    }
}

fn tell_counts(figure: &'static str, counts: Counts) {
    for (what, n) in [
        ("expected", counts.n_expected),
        ("late", counts.n_late),
        ("missing", counts.n_missing),
        ("duplicate", counts.n_duplicate),
        ("wrong", counts.n_wrong),
        ("early", counts.n_early),
    ] {
        counter!(FACTS, "figure" => figure, "what" => what).increment(n);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mode::fake::Fake;

    /// What Prometheus would read after some rounds.
    fn rounds(fake: &mut Fake, n_feeds: usize) -> (String, Outcome) {
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS).unwrap().build_recorder();
        let outcome = metrics::with_local_recorder(&recorder, || {
            fake.course(n_feeds, |course| probe(course, Duration::ZERO))
        });
        (recorder.handle().render(), outcome)
    }

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }

    #[test]
    fn what_was_measured_is_told_until_somebody_says_stop() {
        let (text, outcome) = rounds(&mut Fake { stops_after: Some(4), ..Fake::of(4) }, 1);
        // Three whole rounds; the fourth was cut short. Each has 48 finals, 12 slices of 4, after 1.00 s.
        has(&text, "aircheck_probe_rounds_total{result=\"met\"} 3");
        has(&text, "aircheck_probe_met 1");
        has(&text, "aircheck_probe_facts_total{figure=\"transcript.final\",what=\"expected\"} 144");
        has(&text, "aircheck_probe_latency_seconds_bucket{figure=\"transcript.final\",le=\"0.75\"} 0");
        has(&text, "aircheck_probe_latency_seconds_bucket{figure=\"transcript.final\",le=\"1.5\"} 144");
        has(&text, "aircheck_probe_words_total{what=\"said\"} 300");
        has(&text, "aircheck_probe_audio_seconds_total{what=\"sent\"} 180");
        assert!(outcome.end.is_none() && outcome.trials.len() == 1 && outcome.mode == "probe");
    }

    #[test]
    fn a_late_probe_tells_that_and_nothing_else() {
        let (text, _) = rounds(&mut Fake { stops_after: Some(2), saturates_at: 1, ..Fake::of(4) }, 1);
        has(&text, "aircheck_probe_rounds_total{result=\"saturated\"} 1");
        assert!(
            !text.contains("aircheck_probe_latency_seconds") && !text.contains("aircheck_probe_met "),
            "{text}"
        );
    }

    #[test]
    fn a_round_that_fails_is_counted_and_the_next_one_comes() {
        let (text, outcome) = rounds(&mut Fake { fails: vec![0], stops_after: Some(3), ..Fake::of(4) }, 9);
        has(&text, "aircheck_probe_rounds_total{result=\"failed\"} 1");
        has(&text, "aircheck_probe_rounds_total{result=\"missed\"} 1");
        has(&text, "aircheck_probe_met 0");
        assert!(outcome.end.is_none());
    }
}

//! The load test against a server whose delays, words and failures are known.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod parrot;

use std::process::Command;
use std::time::Duration;

use loadtest::measure::{Figure, Measurement};
use loadtest::mode::{Load, Rig, Stop};
use loadtest::programme::Programme;
use loadtest::rig::Wire;
use loadtest::scenario::{Scenario, TargetKind};

use parrot::{Delay, Parrot};

fn scenario(parrot: &Parrot) -> Scenario {
    let mut scenario = Scenario::default();
    scenario.target.kind = TargetKind::Deepgram;
    scenario.target.url = Some(format!("ws://{}/v1/listen", parrot.address));
    scenario.run.grace = Duration::from_secs(3);
    scenario
}

/// Three feeds for 20 s.
fn measure(delay: Delay) -> (Measurement, Parrot) {
    let parrot = Parrot::start(Programme::sample().unwrap(), delay);
    let mut rig = Wire::new(&scenario(&parrot), &Stop::default()).unwrap();
    let length = Duration::from_secs(20);
    let load = Load { n_feeds: 3, warm_up: Duration::from_secs(1), length, disturbances: Vec::new() };
    (rig.run(&load, &mut |_| {}).unwrap(), parrot)
}

#[test]
fn every_word_is_found_once_and_no_sooner_than_it_was_said() {
    let delay = Duration::from_millis(1_500);
    let (run, parrot) = measure(|_| Duration::from_millis(1_500));
    let words = run.score.words;
    assert!(words.n_said > 60, "{words:?}");
    assert_eq!((words.error_rate(), words.n_retracted), (0.0, 0), "{words:?}");
    let (latencies, counts) = &run.score.figures[&Figure::WordFinal];
    assert_eq!((counts.n_missing, counts.n_duplicate, counts.n_wrong, counts.n_early), (0, 0, 0, 0));
    assert_eq!(latencies.count(), words.n_said);
    // An HdrHistogram of three digits may round down by a thousandth.
    assert!(latencies.quantile(0.0).unwrap() >= delay.mul_f64(0.999), "{:?}", latencies.quantile(0.0));
    assert!(parrot.said.lock().unwrap().len() as u64 >= words.n_said);
    assert_eq!(run.score.coverage.ratio(), 1.0);
    // Media time counts flicks, of 1.4 ns.
    let unsent = (run.length * 3).abs_diff(run.score.coverage.sent);
    assert!(unsent < Duration::from_micros(1), "{unsent:?}");
    assert!(run.series.len() >= 15, "{} slices", run.series.len());
}

#[test]
fn words_that_never_come_are_infinite() {
    // Some come after everybody has gone, and those behind them with them.
    let (run, _parrot) = measure(|dice| Duration::from_secs(if dice.share() < 0.02 { 3_600 } else { 0 }));
    let (latencies, counts) = &run.score.figures[&Figure::WordFinal];
    assert!(counts.n_missing > 0 && latencies.n_never() == counts.n_missing, "{counts:?}");
    assert_eq!(latencies.quantile(1.0), None);
    assert_eq!(run.score.words.n_lost(), counts.n_missing);
}

fn program(parrot: &Parrot, args: &[&str]) -> (i32, String) {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("report");
    let output = Command::new(env!("CARGO_BIN_EXE_aircheck-loadtest"))
        .args(["run", "--kind", "deepgram", "--target", &format!("ws://{}/v1/listen", parrot.address)])
        .args(["--feeds", "2", "--warm-up", "1s", "--length", "5s", "--grace", "2s", "--no-terminal"])
        .args(["--out", folder.to_str().unwrap()])
        .args(args)
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), said)
}

#[test]
fn the_exit_code_is_the_verdict() {
    let parrot = Parrot::start(Programme::sample().unwrap(), |_| Duration::from_millis(500));
    let (code, said) = program(&parrot, &["--slo", "word.final:p50<60s", "--slo", "coverage>=1"]);
    // A machine that is too busy to measure says so.
    assert!([0, 4].contains(&code), "{code}: {said}");
    let (code, said) = program(&parrot, &["--slo", "word.final:p50<400ms"]);
    assert!([3, 4].contains(&code), "{code}: {said}");
    let (code, said) = program(&parrot, &["--slo", "word.final:p50"]);
    assert_eq!(code, 2, "{said}");
}

//! The load test against the real program: feeds that it pulls, words that it hears, and a time in which it is stopped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use engine::event::EventKind;
use loadtest::failure::Failure;
use loadtest::measure::{Figure, Measurement};
use loadtest::mode::{Load, Rig, Stop};
use loadtest::rig::Wire;
use loadtest::scenario::{Codec, Disturbance, Scenario, Trouble};

/// The program, as it is now: with what `make test` builds, so that this builds nothing anew.
fn aircheck() -> String {
    let built = Command::new(env!("CARGO"))
        .args(["test", "--locked", "--quiet", "--workspace", "--no-run"])
        .status()
        .unwrap();
    assert!(built.success());
    // target/debug/deps/aircheck-1234
    let test = std::env::current_exe().unwrap();
    let folder: PathBuf = test.ancestors().nth(2).unwrap().into();
    folder.join("aircheck").to_str().unwrap().to_owned()
}

/// The program as a server, with more options, and feeds whose samples it gets as they are.
fn scenario(options: &[&str]) -> Scenario {
    let mut scenario = Scenario::default();
    let command = [&aircheck(), "serve", "--listen", "{listen}"];
    scenario.target.command = command.iter().chain(options).map(|word| (*word).to_owned()).collect();
    scenario.feeds.codec = Some(Codec::Wav);
    scenario.run.grace = Duration::from_secs(20);
    scenario
}

/// Two feeds for as long as dead air, clipping and each word come once, and what is done to the server meanwhile.
fn measure(disturbances: Vec<Disturbance>) -> Measurement {
    let mut rig = Wire::new(&scenario(&[]), &Stop::default()).unwrap();
    let length = Duration::from_secs(50);
    let load = Load { n_feeds: 2, warm_up: Duration::from_secs(3), length, disturbances };
    rig.run(&load, &mut |_| {}).unwrap()
}

#[test]
fn what_is_said_and_wrong_with_the_audio_is_told() {
    let run = measure(Vec::new());
    let words = run.score.words;
    assert!(words.n_said > 120, "{words:?}");
    // However busy the machine is: a word is heard, or a gap tells of it. tiny.en mishears one word in 16.
    assert!(words.error_rate() < 0.15, "{words:?}");
    for (figure, (latencies, counts)) in &run.score.figures {
        assert_eq!((counts.n_wrong, counts.n_duplicate, counts.n_early), (0, 0, 0), "{figure:?}");
        assert!(latencies.count() > 0, "{figure:?}");
    }
    let alerts = run.score.figures.keys().filter(|figure| matches!(figure, Figure::Alert(_)));
    assert_eq!(alerts.count(), 2, "{:?}", run.score.figures.keys());
    assert!(run.machine.len() > 10 && run.stages.iter().any(|(name, _)| name == "recognise"));
}

#[test]
fn a_load_of_which_a_feed_is_refused_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("aircheck.toml");
    std::fs::write(&config, "[recognition]\nrecognisers = 1\n").unwrap();
    let options = ["--config", config.to_str().unwrap()];
    let mut rig = Wire::new(&scenario(&options), &Stop::default()).unwrap();
    // What one recogniser takes of continuous speech, on any machine.
    let load =
        Load { n_feeds: 100, warm_up: Duration::ZERO, length: Duration::from_secs(60), disturbances: vec![] };
    let refused = rig.run(&load, &mut |_| {}).map(|measured| measured.n_feeds).unwrap_err();
    let Failure::Refused(why) = refused else { panic!("{refused:?}") };
    assert!(why.contains("of 100: ") && why.contains("recogniser"), "{why}");
}

#[test]
fn a_server_that_is_stopped_for_three_seconds_shows_in_every_figure() {
    // In the first feed dead air is proven 31.8 s after the warm-up, clipping 35.1 s. Words are some 0.3 s apart.
    let at = [5_000, 20_000, 31_000, 34_500].map(Duration::from_millis);
    let freeze = |at| Disturbance { at, trouble: Trouble::Freeze(Duration::from_secs(3)), share: 1.0 };
    let run = measure(at.map(freeze).to_vec());
    assert_eq!(run.marks.len(), 4, "{:?}", run.marks);
    for (figure, least) in [
        (Figure::WordFirstSeen, 2_500),
        (Figure::WordFinal, 2_500),
        (Figure::Final, 2_500),
        (Figure::Alert(EventKind::AlertDeadAir), 1_500),
        (Figure::Alert(EventKind::AlertClipping), 1_500),
    ] {
        let least = Duration::from_millis(least);
        let (latencies, counts) = &run.score.figures[&figure];
        let tail = latencies.quantile(0.999);
        assert!(tail.is_none_or(|tail| tail >= least), "{figure:?}: p99.9 {tail:?}, {counts:?}");
        assert!(latencies.max() >= least, "{figure:?}: max {:?}", latencies.max());
    }
}

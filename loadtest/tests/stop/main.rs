//! Signals ask for an end instead of being one. A process of its own: a signal concerns all of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "its true delays are what the self-test looks at")]
#[path = "../selftest/parrot.rs"]
mod parrot;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use loadtest::mode::Stop;
use loadtest::programme::Programme;
use loadtest::report::{Report, Verdict};
use parrot::Parrot;
use rustix::process::{Pid, Signal, getpid, kill_process};

#[test]
fn sigterm_asks_for_an_end() -> Result<(), Box<dyn std::error::Error>> {
    let stop = Stop::on_signals()?;
    assert!(!stop.is_asked());
    kill_process(getpid(), Signal::TERM)?;
    // Long enough for any machine; it returns as soon as the signal is there.
    stop.wait(Duration::from_secs(60));
    assert!(stop.is_asked());
    Ok(())
}

#[test]
fn a_search_that_is_interrupted_leaves_what_it_measured_until_then() {
    let parrot = Parrot::start(Programme::sample().unwrap(), |_| Duration::from_millis(500));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report");
    let target = format!("ws://{}/v1/listen", parrot.address);
    let mut search = Command::new(env!("CARGO_BIN_EXE_aircheck-loadtest"))
        .args(["find-max", "--kind", "deepgram", "--target", &target, "--from", "2", "--warm-up", "0s"])
        .args(["--length", "2m", "--grace", "1s", "--slo", "words.lost<=100000", "--out"])
        .arg(&out)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Ends when the program does.
    let mut said = BufReader::new(search.stderr.take().unwrap()).lines().map(Result::unwrap);
    let progress = said.find(|line| line.contains("2 feeds")).expect("it plays, and says so");
    kill_process(Pid::from_child(&search), Signal::INT).unwrap();
    let last = said.last().unwrap_or_default();
    assert_eq!(search.wait().unwrap().code(), Some(1), "{progress}\n{last}");
    assert!(last.contains("interrupted: the numbers are of what was played until then"), "{last}");
    let report = Report::read(&out.join("report.json")).unwrap();
    assert_eq!((report.mode.as_str(), report.n_feeds, report.capacity), ("find-max", 2, None));
    assert!(report.length_s < 120.0 && report.generator.pieces > 0, "{} s", report.length_s);
    assert!(report.verdict == Verdict::Met || report.generator.saturated, "{:?}", report.verdict);
}

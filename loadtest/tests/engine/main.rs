//! The load test against the engine in its own process: every block is accounted for, and an engine with more work than
//! processor sheds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::Command;
use std::time::Duration;

use loadtest::measure::{Counts, Figure, Measurement};
use loadtest::mode::{Load, Rig, Stop};
use loadtest::report::Report;
use loadtest::rig::Inside;
use loadtest::scenario::{Disturbance, Engine, Scenario, TargetKind};

/// Seconds that count.
const SECS: u64 = 3;
/// Blocks of 50 ms that are due meanwhile.
const N_BLOCKS: u64 = SECS * 20;

/// One worker, and what is done to the feeds meanwhile.
fn measure(n_feeds: usize, work: Duration, disturbances: Vec<Disturbance>) -> Measurement {
    let mut scenario = Scenario::default();
    scenario.target.kind = TargetKind::Engine;
    // What waits in the end is let go.
    scenario.run.grace = Duration::ZERO;
    scenario.engine = Engine { workers: Some(1), work: Some(work) };
    let mut rig = Inside::new(&scenario, &Stop::default()).unwrap();
    // Lanes hold two seconds: behind them an engine that is too slow sheds.
    let (warm_up, length) = (Duration::from_secs(3), Duration::from_secs(SECS));
    rig.run(&Load { n_feeds, warm_up, length, disturbances }, &mut |_| {}).unwrap()
}

fn counts(run: &Measurement) -> (u64, Counts) {
    let (latencies, counts) = &run.score.figures[&Figure::BlockTaken];
    (latencies.count(), *counts)
}

#[test]
fn every_block_of_every_feed_is_taken_or_shed() {
    let n_feeds = 100;
    let run = measure(n_feeds, Duration::ZERO, Vec::new());
    let (n, counts) = counts(&run);
    assert_eq!((n, counts.n_expected), (n_feeds as u64 * N_BLOCKS, n));
    assert_eq!(run.score.coverage.sent, Duration::from_secs(SECS * n_feeds as u64));
    let told: u64 = run.series.iter().map(|sample| sample.latencies[0].1.count()).sum();
    assert_eq!((told, run.series.len() as u64), (n, SECS));
    assert!(run.generator.n_pieces > 0);
}

#[test]
fn an_engine_with_more_work_than_processor_sheds() {
    // Each feed is all that a worker can do.
    let run = measure(6, Duration::from_secs(1), Vec::new());
    let (n, counts) = counts(&run);
    assert_eq!(n, 6 * N_BLOCKS);
    assert!(run.score.coverage.ratio() < 0.5, "{:?}", run.score.coverage);
    assert_eq!(run.score.gaps["overload"], counts.n_missing);
}

#[test]
fn what_is_kept_back_is_due_when_it_is_let_go_and_what_is_lost_is_not_expected() {
    let stall: Disturbance = "stall 1s at 1s".parse().unwrap();
    let run = measure(2, Duration::ZERO, vec![stall]);
    let (n, _) = counts(&run);
    assert!((2 * (N_BLOCKS - 22)..2 * N_BLOCKS).contains(&n), "{n}");
    assert_eq!(run.marks.len(), 1);
}

#[test]
fn the_program_measures_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("x.toml"), folder.path().join("out"));
    std::fs::write(&file, "[target]\nkind = \"engine\"\n[engine]\nworkers = 1\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_aircheck-loadtest"))
        .args(["run", "--scenario", file.to_str().unwrap(), "--out", out.to_str().unwrap()])
        .args(["--feeds", "5", "--warm-up", "1s", "--length", "2s", "--no-terminal"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    // A machine that is too busy to measure says so.
    assert!([0, 3, 4].contains(&output.status.code().unwrap()), "{said}");
    let report = Report::read(&out.join("report.json")).unwrap();
    assert_eq!(report.figure("block.taken").unwrap().latency.n, 5 * 2 * 20);
    assert!(report.objectives.iter().any(|objective| objective.name == "block.taken:p99"), "{said}");
}

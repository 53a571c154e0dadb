//! The load test against itself: a server with known delays, and how near to them what is measured comes. The bar is 2 % or
//! 2 ms of each percentile.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../tests/selftest/parrot.rs"]
mod parrot;

use std::process::ExitCode;
use std::time::Duration;

use loadtest::measure::{Figure, Latencies};
use loadtest::mode::{Load, Rig, Stop};
use loadtest::programme::Programme;
use loadtest::rig::Wire;
use loadtest::scenario::{Scenario, TargetKind};

use parrot::{Delay, Parrot};

const N_FEEDS: usize = 8;
const LENGTH: Duration = Duration::from_secs(60);
/// In it each connection finds its place in the programme, which takes the server some milliseconds that it does not count.
const WARM_UP: Duration = Duration::from_secs(10);
const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)];
/// Bar: so much of the true delay, or so long.
const BAR: (f64, Duration) = (0.02, Duration::from_millis(2));

/// Distributions, by their names. Words are some 0.3 s apart, and said in order.
const DELAYS: [(&str, Delay); 3] = [
    ("at once", |_| Duration::ZERO),
    ("uniform 100 to 300 ms", |dice| Duration::from_secs_f64(0.1 + 0.2 * dice.share())),
    ("exponential 200 ms", |dice| Duration::from_secs_f64(-0.2 * (1.0 - dice.share()).ln())),
];

fn main() -> ExitCode {
    let mut holds = true;
    for (name, delay) in DELAYS {
        holds &= compare(name, delay);
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn compare(name: &str, delay: Delay) -> bool {
    let parrot = Parrot::start(Programme::sample().unwrap(), delay);
    let mut scenario = Scenario::default();
    scenario.target.kind = TargetKind::Deepgram;
    scenario.target.url = Some(format!("ws://{}/v1/listen", parrot.address));
    scenario.run.grace = Duration::from_secs(5);
    let mut rig = Wire::new(&scenario, &Stop::default()).unwrap();
    let load = Load { n_feeds: N_FEEDS, warm_up: WARM_UP, length: LENGTH, disturbances: Vec::new() };
    let run = rig.run(&load, &mut |_| {}).unwrap();
    let (measured, _) = &run.score.figures[&Figure::WordFinal];
    let mut truth = Latencies::new();
    let is_measured = |end: Duration| end >= WARM_UP && end < WARM_UP + LENGTH;
    parrot
        .said
        .lock()
        .unwrap()
        .iter()
        .filter(|(end, _)| is_measured(*end))
        .for_each(|(_, delay)| truth.record(*delay));
    println!("{name}: {} words measured, {} said", measured.count(), truth.count());
    QUANTILES.iter().fold(true, |holds, (name, quantile)| {
        let (measured, truth) = (measured.quantile(*quantile), truth.quantile(*quantile));
        let (Some(measured), Some(truth)) = (measured, truth) else { return false };
        let off = measured.abs_diff(truth);
        let is_near = off <= truth.mul_f64(BAR.0).max(BAR.1);
        let word = if is_near { "holds" } else { "DOES NOT HOLD" };
        println!("  {word:<13}  {name:<4} true {truth:>10.1?}  measured {measured:>10.1?}  off by {off:.1?}");
        holds && is_near
    })
}

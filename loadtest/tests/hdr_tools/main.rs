//! The tools of HdrHistogram, unchanged, read what a run leaves behind.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use engine::event::EventKind;
use loadtest::measure::{Coverage, Figure, Generator, Latencies, Measurement, Sample, Score, WordScore};
use loadtest::mode::LATENESS_MAX;
use loadtest::report::{Context, Host, Report, Target, Versions, hgrm, leave};
use serde_json::Value;

const N_SLICES: u64 = 20;

/// Latencies from 1 ms to 10 s, some of which never come.
fn latencies(slice: u64, n_never: u64) -> Latencies {
    let mut latencies = Latencies::new();
    (0..50).for_each(|n| latencies.record(Duration::from_micros(1_000 + n * n * n * 61 + slice * 137)));
    (0..n_never).for_each(|_| latencies.record_never());
    latencies
}

fn report() -> Report {
    let figures = [(Figure::WordFinal, 1), (Figure::Alert(EventKind::AlertDeadAir), 0)];
    let mut score = Score { words: WordScore::default(), coverage: Coverage::default(), ..Score::default() };
    let slice = |slice| {
        let of = |(figure, n_never): (Figure, u64)| (figure.name().to_owned(), latencies(slice, n_never));
        Sample { at: Duration::from_secs(slice), latencies: figures.map(of).into() }
    };
    let series: Vec<Sample> = (0..N_SLICES).map(slice).collect();
    for (figure, n_never) in figures {
        let (all, _) = score.figures.entry(figure).or_default();
        (0..N_SLICES).for_each(|slice| all.merge(&latencies(slice, n_never)));
    }
    let run = Measurement {
        n_feeds: 1,
        length: Duration::from_secs(N_SLICES),
        score,
        series,
        generator: Generator { lateness: Latencies::new(), n_pieces: 0, n_held_back: 0, cpu: Duration::ZERO },
        marks: Vec::new(),
        machine: Vec::new(),
        stages: Vec::new(),
    };
    let context = Context {
        scenario: "tools".to_owned(),
        mode: "run".to_owned(),
        target: Target { kind: "aircheck".to_owned(), address: "http://127.0.0.1:8080".to_owned() },
        machine: Host::default(),
        versions: Versions::here(),
        started_at: "2026-11-23T19:00:00Z".parse().unwrap(),
        lateness_allowed: LATENESS_MAX,
        judged: Vec::new(),
        capacity: None,
    };
    Report::from(&context, &[run]).unwrap()
}

/// What a script says of the report, line by line.
fn read(program: &str, variable: &str, packages: &str, script: &str) -> (Report, Vec<Value>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = Command::new(root.join("../scripts/hdr-tools.sh")).stderr(Stdio::inherit()).output().unwrap();
    assert!(tools.status.success(), "the tools cannot be fetched");
    let packages = format!("{}/{packages}", String::from_utf8(tools.stdout).unwrap().trim());
    let (folder, report) = (tempfile::tempdir().unwrap(), report());
    leave(&report, folder.path()).unwrap();
    let mut command = Command::new(program);
    let script = root.join("tests/hdr_tools").join(script);
    let output = command
        .env(variable, packages)
        .arg(script)
        .arg(folder.path())
        .output()
        .expect("make setup installs it");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), report.figures.len(), "{lines:?}");
    for line in &lines {
        let figure = report.figure(line["name"].as_str().unwrap()).unwrap();
        assert_eq!(
            (line["n"].as_u64(), line["n_intervals"].as_u64()),
            (Some(figure.latency.n), Some(N_SLICES))
        );
        assert_eq!(line["from"].as_f64(), Some(report.started_at.as_millisecond() as f64), "{line}");
    }
    (report, lines)
}

#[test]
fn the_javascript_tool_reads_the_log_and_prints_the_same_distributions() {
    let (report, lines) = read("node", "NODE_PATH", "node/node_modules", "read.cjs");
    for line in lines {
        let figure = report.figure(line["name"].as_str().unwrap()).unwrap();
        let ours = hgrm(&figure.latency.latencies().unwrap());
        let ours: String =
            ours.lines().filter(|line| !line.contains("Never")).map(|line| format!("{line}\n")).collect();
        assert_eq!(ours, line["text"].as_str().unwrap(), "{}", figure.name);
    }
}

#[test]
fn the_python_tool_reads_the_log() {
    let (report, lines) = read("python3", "PYTHONPATH", "python", "read.py");
    for line in lines {
        let figure = report.figure(line["name"].as_str().unwrap()).unwrap();
        assert_eq!(line["p50"].as_f64(), figure.latency.percentiles.p50, "{line}");
    }
}

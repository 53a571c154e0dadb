//! The metrics as Prometheus itself sees them: its linter, and a real server that scrapes a running `aircheck watch`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use serde_json::Value;
use support::free::free_address;
use support::{aircheck, children, ffmpeg, sample, scratch};

/// Longest time until Prometheus has started, scraped and answered, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A child that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Body of the answer to a GET. `None`: nobody serves there, or not that.
fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.lines().next()?.contains(" 200 ").then(|| body.to_owned())
}

/// `aircheck watch` at a minute of speech, which it serves metrics of at `address`, once it has begun to recognise.
fn watch(address: &str, dir: &Path) -> Running {
    let minute = dir.join("minute.wav");
    ffmpeg(&["-stream_loop", "5", "-i", &sample("beckett.wav")], &minute);
    let mut watching = aircheck()
        .args(["watch", minute.to_str().unwrap(), "--feed", "wxyz", "--metrics", address])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(watching.stdout.take().unwrap());
    let running = Running(watching);
    let mut lines = stdout.lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("aircheck.transcript.final.v1")));
    // It goes on writing.
    let drain = std::thread::Builder::new().name("drain".into());
    drain.spawn(move || lines.for_each(drop)).unwrap();
    running
}

fn check_with_promtool(metrics: &str) {
    let mut checking = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed (make setup)");
    checking.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = checking.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}\n{metrics}", String::from_utf8_lossy(&said));
}

/// A server that scrapes `target`, answers at `address` and keeps what it knows in `dir`.
fn prometheus(target: &str, address: &str, dir: &Path) -> Running {
    let config = dir.join("prometheus.yml");
    let job = format!("[{{ job_name: aircheck, static_configs: [{{ targets: ['{target}'] }}] }}]");
    fs::write(&config, format!("global: {{ scrape_interval: 1s }}\nscrape_configs: {job}\n")).unwrap();
    let arg = |name: &str, value: &str| format!("--{name}={value}");
    let child = Command::new("prometheus")
        .arg(arg("config.file", config.to_str().unwrap()))
        .arg(arg("storage.tsdb.path", dir.join("tsdb").to_str().unwrap()))
        .arg(arg("web.listen-address", address))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("prometheus is installed (make setup)");
    Running(child)
}

/// The only value of `series`, once Prometheus has it.
fn value(address: &str, series: &str) -> (Value, f64) {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let answer = get(address, &format!("/api/v1/query?query={series}")).unwrap_or_default();
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        if let Some([found]) = answer["data"]["result"].as_array().map(Vec::as_slice) {
            let value = found["value"][1].as_str().unwrap().parse().unwrap();
            return (found["metric"].clone(), value);
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    panic!("Prometheus has no {series}");
}

#[test]
fn a_real_prometheus_scrapes_them_and_its_linter_finds_nothing() {
    let dir = scratch();
    let (ours, theirs) = (free_address().to_string(), free_address().to_string());
    let watching = watch(&ours, dir.path());
    let metrics = get(&ours, "/metrics").expect("metrics are served");
    check_with_promtool(&metrics);
    assert!(metrics.contains("aircheck_recogniser_deaths_total 0"), "{metrics}");
    let _prometheus = prometheus(&ours, &theirs, dir.path());
    let (labels, received) = value(&theirs, "aircheck_audio_received_seconds");
    assert!(labels["feed"] == "wxyz" && labels["job"] == "aircheck", "{labels}");
    assert!(received > 0.5 && received <= 60.0, "{received} s");
    let (_, n_states) = value(&theirs, "count(aircheck_recogniser_state)");
    let (_, n_started) = value(&theirs, "aircheck_recogniser_starts_total");
    assert_eq!((n_states, n_started), (3.0, 1.0), "idle, busy, resting; and one process");
    let [recogniser] = children(watching.0.id())[..] else { panic!("one recogniser process") };
    kill_process(recogniser, Signal::KILL).unwrap();
    value(&theirs, "aircheck_recogniser_deaths_total%3D%3D1");
    value(&theirs, "aircheck_recogniser_starts_total%3D%3D2");
}

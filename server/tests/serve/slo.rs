//! The promises as a real Prometheus watches over them: an injected delay fires the fast burn.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;

use crate::rig::{NO_SPEECH, PATIENCE, Service, kind, signal};
use crate::support::free::free_address;
use crate::support::{aircheck, scratch};

/// A child that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that scrapes `target` by the rules in `dir`, and where it answers.
fn prometheus(target: &str, dir: &Path) -> (Running, String) {
    let address = free_address().to_string();
    let job = format!("[{{ job_name: aircheck, static_configs: [{{ targets: ['{target}'] }}] }}]");
    let config = format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: ['rules.yml']\nscrape_configs: {job}\n"
    );
    fs::write(dir.join("prometheus.yml"), config).unwrap();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("prometheus is installed (make setup)");
    (Running(child), address)
}

/// The JSON that `path` answers, as soon as `is` holds for it; `meanwhile` something else is done.
fn until(address: &str, path: &str, is: impl Fn(&Value) -> bool, mut meanwhile: impl FnMut()) -> Value {
    let due = Instant::now() + 2 * PATIENCE;
    let mut answer = Value::Null;
    while Instant::now() < due {
        answer = get(address, path).unwrap_or_default();
        if is(&answer) {
            return answer;
        }
        meanwhile();
    }
    panic!("{path} never said so: {answer}");
}

fn get(address: &str, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

fn fires(alerts: &Value) -> bool {
    alerts["data"]["alerts"].as_array().into_iter().flatten().any(|alert| {
        alert["labels"]["alertname"] == "AircheckLatencyBurn"
            && alert["labels"]["severity"] == "page"
            && alert["state"] == "firing"
    })
}

#[test]
fn a_delay_fires_the_fast_burn() {
    let dir = scratch();
    let source = signal(dir.path(), 3_000);
    let feed = format!("[[feeds]]\nname = \"a\"\nsource = \"file:{source}\"\n");
    let service = Service::start(dir.path(), &format!("{NO_SPEECH}dead_air_secs = 1\n{feed}"));
    let exported =
        aircheck().args(["slo", "export", "-c"]).arg(dir.path().join("aircheck.toml")).output().unwrap();
    assert!(exported.status.success());
    fs::write(dir.path().join("rules.yml"), exported.stdout).unwrap();
    let (_prometheus, theirs) = prometheus(&service.address.to_string(), dir.path());
    service.until("a", |event| kind(event) == "alert.dead_air");
    // All is well, and Prometheus knows.
    let known = "/api/v1/query?query=aircheck:latency_error:ratio_rate5m";
    until(&theirs, known, |answer| !answer["data"]["result"].as_array().is_none_or(Vec::is_empty), wait);
    until(&theirs, "/api/v1/alerts", |answer| answer["status"] == "success" && !fires(answer), wait);
    // Somebody locks the journal again and again: what is found out becomes visible too late.
    let other = Connection::open(dir.path().join("state/journal.db")).unwrap();
    other.busy_timeout(PATIENCE).unwrap();
    let lock = || {
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        std::thread::park_timeout(Duration::from_secs(2));
        other.execute_batch("COMMIT").unwrap();
        // The journal tries again within a second.
        std::thread::park_timeout(Duration::from_secs(2));
    };
    until(&theirs, "/api/v1/alerts", fires, lock);
    // Late, and each of them told.
    let late = service.range("feed=a").into_iter().find(|event| event["data"]["latency"]["met"] == false);
    let stages = &late.unwrap()["data"]["latency"]["stages_ms"];
    assert!(stages["journal"].as_u64() > Some(50), "{stages}");
    service.end();
}

fn wait() {
    std::thread::park_timeout(Duration::from_millis(100));
}

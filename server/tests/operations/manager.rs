//! The program under a service manager: what it tells of itself, in which order, and what it answers to a health check.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{aircheck, expect, scratch};

const PATIENCE: Duration = Duration::from_secs(60);
const CONFIG: &str = "[server]\nlisten = \"127.0.0.1:0\"\n[profiles.default]\ntranscript = false\n";

/// Datagrams until one begins with `what`, that one included.
fn until(socket: &UnixDatagram, what: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut bytes = [0; 1_000];
    while all.last().is_none_or(|last: &String| !last.starts_with(what)) {
        let n =
            socket.recv(&mut bytes).unwrap_or_else(|error| panic!("{what} does not come: {error}; {all:?}"));
        all.push(String::from_utf8_lossy(&bytes[..n]).into_owned());
    }
    all
}

fn has(said: &[String], what: &str) -> bool {
    said.iter().any(|said| said.starts_with(what))
}

#[test]
fn it_says_when_it_is_ready_reloads_and_ends() {
    let folder = scratch();
    let file = folder.path().join("aircheck.toml");
    let state = folder.path().join("state");
    let config = format!("state_dir = {:?}\n{CONFIG}", state.to_str().unwrap());
    std::fs::write(&file, &config).unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut child = aircheck()
        .args(["serve", "--log-format", "json", "--config", file.to_str().unwrap()])
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .env("WATCHDOG_USEC", "60000000")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&child);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening on ") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it did not start");
    }
    let url = line.split_once("listening on ").unwrap().1.split(',').next().unwrap().to_owned();

    let starting = until(&socket, "READY=1");
    assert!(!has(&starting, "STOPPING"), "{starting:?}");
    let health = expect(0, &["health", "--server", &url]);
    assert_eq!(String::from_utf8_lossy(&health.stdout), "ready\n");

    // A file that is wrong changes nothing, and the manager need not know.
    std::fs::write(&file, "nonsense = 1\n").unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    let reloading = until(&socket, "RELOADING=1");
    let micros = reloading.last().unwrap().split_once("\nMONOTONIC_USEC=").unwrap().1;
    assert!(micros.parse::<u64>().unwrap() > 0);
    let reloaded = until(&socket, "READY=1");
    kill_process(pid, Signal::TERM).unwrap();
    let ended = until(&socket, "STOPPING=1");
    assert!(child.wait().unwrap().success());
    let all: Vec<String> = [starting, reloading, reloaded, ended].concat();
    assert!(has(&all, "WATCHDOG=1") && has(&all, "STATUS=0 of 0 feeds live"), "{all:?}");

    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let refused = lines.iter().find(|line| line["level"] == "error").unwrap();
    assert!(refused["message"].as_str().unwrap().contains("not reloaded"), "{refused}");
    expect(4, &["health", "--server", &url]);
}

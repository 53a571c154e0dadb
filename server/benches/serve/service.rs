//! The real program with a state folder of its own, and a client of it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Sender, bounded};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::processes::Taken;
use crate::wait;

/// Nothing takes so long, on a machine however busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// Last words of the service that are kept.
const LAST_LINES: usize = 20;
/// Comes with the address.
const READY: &str = "listening on http://";

/// A running service.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the line that says where it listens.
    pub(crate) ready_after: Duration,
    said: Arc<Mutex<VecDeque<String>>>,
    _dir: TempDir,
}

/// A configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config(String);

impl Config {
    /// Listens on a free port; `tables` come first.
    pub(crate) fn new(tables: &str) -> Self {
        Self(format!("[server]\nlisten = \"127.0.0.1:0\"\n{tables}\n"))
    }

    /// Adds a feed.
    pub(crate) fn feed(&mut self, name: &str, source: &str, profile: &str) {
        let feed = format!("[[feeds]]\nname = \"{name}\"\nsource = \"{source}\"\nprofile = \"{profile}\"\n");
        self.0.push_str(&feed);
    }
}

impl Service {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(config: &Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (file, state) = (dir.path().join("aircheck.toml"), dir.path().join("state"));
        std::fs::write(&file, format!("state_dir = {:?}\n{}", state.to_str().unwrap(), config.0)).unwrap();
        let began = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_aircheck"))
            .args(["serve", "--config"])
            .arg(&file)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let (tell, told) = bounded(1);
        let (stderr, heard) = (child.stderr.take().unwrap(), Arc::clone(&said));
        thread::Builder::new().name("stderr".into()).spawn(move || hear(stderr, &heard, &tell)).unwrap();
        let Ok((address, at)) = told.recv_timeout(PATIENCE) else {
            // It is of no use any more.
            let _ = child.kill();
            panic!("the service did not start:\n{}", lines(&said));
        };
        Self { child, address, ready_after: at - began, said, _dir: dir }
    }

    pub(crate) fn taken(&self) -> Taken {
        Taken::by(self.child.id())
    }

    /// Whether it still runs; where not, its last words are shown.
    pub(crate) fn lives(&mut self) -> bool {
        let Ok(Some(status)) = self.child.try_wait() else { return true };
        eprintln!("the service has ended ({status}):\n{}", lines(&self.said));
        false
    }

    /// Ends it in order. Whether it did so well; its last words are shown where not.
    pub(crate) fn end(mut self) -> bool {
        // It may be gone.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let is_well = self.child.wait().is_ok_and(|status| status.success());
        if !is_well {
            eprintln!("the service did not end well:\n{}", lines(&self.said));
        }
        is_well
    }

    /// Waits until `n` feeds are live; how many are.
    pub(crate) fn until_live(&self, n: usize) -> usize {
        let count = || self.feeds().iter().filter(|feed| is_live(feed)).count();
        wait::until_it(PATIENCE, || count() >= n);
        count()
    }

    /// All feeds and how they are.
    pub(crate) fn feeds(&self) -> Vec<Value> {
        let answer = get(self.address, "/v1/feeds").and_then(|body| serde_json::from_str(&body).ok());
        answer.and_then(|answer: Value| answer["feeds"].as_array().cloned()).unwrap_or_default()
    }

    /// How many series there are to scrape.
    pub(crate) fn n_metrics(&self) -> usize {
        let text = get(self.address, "/metrics").unwrap_or_default();
        text.lines().filter(|line| !line.starts_with('#')).count()
    }

    /// The value of a metric without labels, or with exactly `labels`; NaN where there is none.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = get(self.address, "/metrics").unwrap_or_default();
        let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '));
        let value = text.lines().find(is_it).and_then(|line| line.rsplit(' ').next());
        value.and_then(|value| value.parse().ok()).unwrap_or(f64::NAN)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended, or is of no use any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Audio comes, whatever is in it.
pub(crate) fn is_live(feed: &Value) -> bool {
    ["live", "silent"].iter().any(|state| feed["status"]["state"] == *state)
}

/// What the service answers with 200. `None`: it does not.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = ask(address, path, "").ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    (head.split(' ').nth(1) == Some("200")).then(|| body.to_owned())
}

/// Sends a request; `headers` end their lines.
pub(crate) fn ask(address: SocketAddr, path: &str, headers: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = String::new();
    // Writing to a string cannot fail.
    let _ = write!(head, "GET {path} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n");
    stream.write_all(head.as_bytes())?;
    Ok(stream)
}

/// Listens until the end: a pipe that nobody empties would stop the service.
fn hear(stderr: ChildStderr, said: &Mutex<VecDeque<String>>, tell: &Sender<(SocketAddr, Instant)>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if let Some((_, rest)) = line.split_once(READY) {
            let address = rest.split(',').next().unwrap().parse().unwrap();
            // Nobody waits any more.
            let _ = tell.try_send((address, Instant::now()));
        }
        let mut said = said.lock().unwrap();
        if said.len() >= LAST_LINES {
            said.pop_front();
        }
        said.push_back(line);
    }
}

fn lines(said: &Mutex<VecDeque<String>>) -> String {
    said.lock().unwrap().iter().map(|line| format!("  {line}\n")).collect()
}

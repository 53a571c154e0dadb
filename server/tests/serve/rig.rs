//! A running service and a client of it, as small as HTTP/1.0 allows.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, ExitStatus, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{aircheck, ffmpeg};

/// Nothing here takes so long, on a machine however busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often: as the environment says, or as usual.
pub(crate) fn count(name: &str, usual: u32) -> u32 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// A time by chance, up to `max`.
pub(crate) fn by_chance(max: Duration) -> Duration {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    max.mul_f64(f64::from(nanos % 1_000_003) / 1_000_003.0)
}

/// A running service.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
    stderr: Option<BufReader<ChildStderr>>,
}

/// Tables of a configuration that recognises nothing and listens on a free port.
pub(crate) const NO_SPEECH: &str =
    "[server]\nlisten = \"127.0.0.1:0\"\n[profiles.default]\ntranscript = false\n";

impl Service {
    /// Starts a service with `config` whose state lies in `dir`, and waits until it is ready.
    pub(crate) fn start(dir: &Path, config: &str) -> Self {
        let file = dir.join("aircheck.toml");
        write_config(dir, config);
        let mut child = aircheck()
            .args(["serve", "--config", file.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "the service did not start: {said}");
            if let Some((_, rest)) = line.split_once("listening on http://") {
                break rest.split(',').next().unwrap().parse().unwrap();
            }
            said.push_str(&line);
        };
        Self { child, address, stderr: Some(stderr) }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Kills it as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has said so on stderr.
    pub(crate) fn until_said(&mut self, what: &str) {
        let stderr = self.stderr.as_mut().unwrap();
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended without a word about {what:?}");
        }
    }

    /// Waits for its end; what it said since it was ready.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        self.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap(), said)
    }

    /// Ends it in order.
    pub(crate) fn end(self) {
        self.signal(Signal::TERM);
        let (status, said) = self.wait();
        assert!(status.success(), "{status}: {said}");
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Asks; `headers` as they stand in a request.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut stream = self.connect();
        send(&mut stream, self.address, method, path, headers, body);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::parse(&bytes)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &["Content-Type: application/json"], &body.to_string())
    }

    /// Events of a range, the whole of it.
    pub(crate) fn range(&self, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("/v1/events?limit=10000&{query}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// All durable events, page by page.
    pub(crate) fn all(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut after = "0".to_owned();
        loop {
            let page = self.get(&format!("/v1/events?limit=10000&after={after}"));
            if page.body.is_empty() {
                return all;
            }
            all.extend(page.body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
            after = page.header("aircheck-next").unwrap().to_owned();
        }
    }

    /// Server-Sent Events of `path`, after `last` if that is given.
    pub(crate) fn follow(&self, path: &str, last: Option<&str>) -> Followed {
        let mut stream = self.connect();
        let last = last.map(|id| format!("Last-Event-ID: {id}"));
        let headers: Vec<&str> = ["Accept: text/event-stream"].into_iter().chain(last.as_deref()).collect();
        send(&mut stream, self.address, "GET", path, &headers, "");
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        Followed { lines }
    }

    /// Waits until an event of `feed` is there for which `is` holds.
    pub(crate) fn until(&self, feed: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut events = self.follow(&format!("/v1/feeds/{feed}/events?after=0"), None);
        loop {
            let shown = events.next().expect("the stream goes on until it is there");
            if is(&shown.event) {
                return shown.event;
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the configuration of the service of `dir`.
pub(crate) fn write_config(dir: &Path, config: &str) {
    let state = dir.join("state");
    let text = format!("state_dir = {:?}\n{config}", state.to_str().unwrap());
    std::fs::write(dir.join("aircheck.toml"), text).unwrap();
}

pub(crate) fn send(
    stream: &mut TcpStream,
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    let host = if headers.contains("Host:") { String::new() } else { format!("Host: {address}\r\n") };
    let request =
        format!("{method} {path} HTTP/1.0\r\n{host}Content-Length: {length}\r\n{headers}\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| *key == name)
            .map(|(_, v)| v)
    }
}

/// A stream of Server-Sent Events.
pub(crate) struct Followed {
    lines: BufReader<TcpStream>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// The id of the stream, where the event has one.
    pub(crate) id: Option<String>,
    pub(crate) line: String,
    pub(crate) event: Value,
}

impl Iterator for Followed {
    type Item = Shown;

    /// The next event; `None` when the service is gone.
    fn next(&mut self) -> Option<Shown> {
        let (mut id, mut data) = (None, None);
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", value)) => id = Some(value.to_owned()),
                Some(("data", value)) => data = Some(value.to_owned()),
                _ => {}
            }
            if line.trim_end().is_empty()
                && let Some(line) = data.take()
            {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line.clone()));
                return Some(Shown { id: id.take(), line, event });
            }
        }
    }
}

/// A tone of `secs` seconds with a dead air of 2 s each 6 s: events without a model. Its path.
pub(crate) fn signal(dir: &Path, secs: u32) -> String {
    let path = dir.join("signal.wav");
    let source = format!("aevalsrc=0.3*sin(880*PI*t)*gt(mod(t\\,6)\\,2):s=16000:d={secs}");
    ffmpeg(&["-f", "lavfi", "-i", &source], &path);
    path.to_str().unwrap().to_owned()
}

/// `transcript.final` of `aircheck.transcript.final.v1`.
pub(crate) fn kind(event: &Value) -> &str {
    event["type"].as_str().unwrap().trim_start_matches("aircheck.").trim_end_matches(".v1")
}

pub(crate) fn id(event: &Value) -> &str {
    event["id"].as_str().unwrap()
}

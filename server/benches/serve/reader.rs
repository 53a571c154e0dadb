//! A client of the events: Server-Sent Events, each with the moment in which its last byte came.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::service::ask;

/// How often it is looked whether the reader shall end.
const LOOK: Duration = Duration::from_millis(200);
/// Room for what comes at once.
const PIECE: usize = 64 * 1_024;

/// What is used of an event.
#[derive(Debug, Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    recordedtime: jiff::Timestamp,
    #[serde(borrow)]
    pub(crate) sequence: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) data: Data<'a>,
}

/// Of its data.
#[derive(Debug, Deserialize)]
pub(crate) struct Data<'a> {
    #[serde(borrow)]
    pub(crate) feed: Cow<'a, str>,
    pub(crate) epoch: u64,
    pub(crate) latency: Option<Latency>,
}

/// Of its latency.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Latency {
    pub(crate) met: bool,
    stages_ms: Stages,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Stages {
    publish: Option<f64>,
    journal: Option<f64>,
}

impl Event<'_> {
    /// `alert.dead_air` of `aircheck.alert.dead_air.v1`.
    pub(crate) fn kind(&self) -> &str {
        self.kind.trim_start_matches("aircheck.").trim_end_matches(".v1")
    }

    /// When the engine stated the fact, and how far that may be wrong, ms since 1970. What is told is told in whole
    /// milliseconds: the time at which it was visible without its fraction (so half of one is added), `publish` and
    /// `journal` rounded to the nearest. `None`: it states no latency.
    pub(crate) fn stated_ms(&self) -> Option<(f64, f64)> {
        let stages = self.data.latency?.stages_ms;
        let visible = self.recordedtime.as_millisecond() as f64 + 0.5;
        let stated = visible - stages.publish? - stages.journal.unwrap_or(0.0);
        Some((stated, if stages.journal.is_some() { 1.5 } else { 1.0 }))
    }
}

/// An event as it came.
pub(crate) struct Came<'a> {
    /// Place in the journal.
    pub(crate) id: Option<&'a str>,
    pub(crate) event: Event<'a>,
    /// Milliseconds since 1970.
    pub(crate) at_ms: f64,
}

/// How reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As it was asked to.
    Asked,
    /// It was not let in.
    Refused,
    /// The service ended it: the reader was too slow, or the service ends.
    Cut,
}

/// What is read.
#[derive(Clone, Debug)]
pub(crate) struct Follow {
    pub(crate) address: SocketAddr,
    /// Path and query.
    pub(crate) path: String,
    /// The id after which it goes on.
    pub(crate) after: Option<String>,
}

impl Follow {
    /// Reads until `is_over`, or until the service ends it, and gives every event to `take`.
    pub(crate) fn read(&self, is_over: &AtomicBool, mut take: impl FnMut(Came<'_>)) -> Ended {
        let last = self.after.as_ref().map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let headers = format!("Accept: text/event-stream\r\n{last}");
        let Ok(stream) = ask(self.address, &self.path, &headers) else { return Ended::Refused };
        stream.set_read_timeout(Some(LOOK)).unwrap();
        let mut lines = Lines::default();
        let mut piece = vec![0; PIECE];
        while !is_over.load(Ordering::Relaxed) {
            match read(&stream, &mut piece) {
                Some(0) if lines.is_let_in => return Ended::Cut,
                Some(0) => return Ended::Refused,
                Some(n) => lines.push(&piece[..n], now_ms(), &mut take),
                None => {}
            }
        }
        Ended::Asked
    }
}

/// `None`: nothing came yet.
fn read(mut stream: &TcpStream, piece: &mut [u8]) -> Option<usize> {
    match stream.read(piece) {
        Ok(n) => Some(n),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        Err(_) => Some(0),
    }
}

fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3)
}

/// Lines of an event stream, cut anyhow.
#[derive(Default)]
struct Lines {
    /// The beginning of a line.
    rest: Vec<u8>,
    id: Option<String>,
    data: String,
    is_let_in: bool,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], at_ms: f64, take: &mut impl FnMut(Came<'_>)) {
        self.rest.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.rest);
        let mut lines = all.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            if lines.peek().is_none() {
                self.rest = line.to_vec();
                break;
            }
            self.line(line.trim_ascii_end(), at_ms, take);
        }
    }

    fn line(&mut self, line: &[u8], at_ms: f64, take: &mut impl FnMut(Came<'_>)) {
        let Ok(line) = std::str::from_utf8(line) else { return };
        if line.is_empty() {
            if let Ok(event) = serde_json::from_str(&self.data) {
                take(Came { id: self.id.as_deref(), event, at_ms });
            }
            self.data.clear();
            self.id = None;
        } else if let Some(id) = line.strip_prefix("id: ") {
            self.id = Some(id.to_owned());
        } else if let Some(data) = line.strip_prefix("data: ") {
            self.data.push_str(data);
        } else if line.starts_with("HTTP/1.0 200") {
            self.is_let_in = true;
        }
    }
}

//! A server of live streams, as Icecast sends them: mp3 of 128 kbit/s in real time, the last four seconds at once to
//! whoever comes. One thread for all listeners; what a listener does not take waits. `/N` is feed N, and each feed is
//! at another place of the same programme. The weather may be bad: see `storm`.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::sync::Parker;

use crate::programme::MP3_BYTES_PER_SEC;
use crate::storm::{Flow, Storm};

/// What a new listener gets at once: Icecast's `burst-size`, 64 KiB.
const BURST: u64 = 65_536;
/// Listeners are served in as many turns, 10 ms apart: each every 100 ms, and never all at once.
const TURNS: usize = 10;
const TURN: Duration = Duration::from_millis(10);
/// Longest head of a request.
const HEAD_MAX: usize = 8_192;
const GOLDEN_RATIO: f64 = 0.618_033_988_749_894_9;

/// A running server. Ends when it is dropped.
pub(crate) struct Station {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    n_listeners: AtomicU64,
    /// Most bytes that a listener had not taken when they were due.
    behind_max: AtomicU64,
}

impl Station {
    /// Plays each of `programmes` on some feeds: feed N has the one of index N modulo their number.
    pub(crate) fn start(programmes: Vec<Vec<u8>>, storm: Option<Storm>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let (programmes, began) = (programmes.into_iter().map(Arc::from).collect(), Instant::now());
        let playing = Playing {
            listener,
            listeners: Vec::new(),
            programmes,
            began,
            storm,
            shared: Arc::clone(&shared),
        };
        let thread = thread::Builder::new().name("station".into()).spawn(move || playing.run()).unwrap();
        Self { address, shared, thread: Some(thread) }
    }

    /// Address of a feed.
    pub(crate) fn url(&self, feed_idx: usize) -> String {
        format!("http://{}/{feed_idx}", self.address)
    }

    /// Listeners there have been.
    pub(crate) fn n_listeners(&self) -> u64 {
        self.shared.n_listeners.load(Ordering::Relaxed)
    }

    /// How far behind a listener ever was, s.
    pub(crate) fn behind_secs_max(&self) -> f64 {
        self.shared.behind_max.load(Ordering::Relaxed) as f64 / MP3_BYTES_PER_SEC as f64
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
struct Playing {
    listener: TcpListener,
    listeners: Vec<Listener>,
    programmes: Vec<Arc<[u8]>>,
    began: Instant,
    storm: Option<Storm>,
    shared: Arc<Shared>,
}

impl Playing {
    fn run(mut self) {
        let parker = Parker::new();
        for turn in 0_usize.. {
            let due = self.began + TURN * u32::try_from(turn).unwrap();
            while Instant::now() < due {
                parker.park_deadline(due);
            }
            if self.shared.is_over.load(Ordering::Relaxed) {
                break;
            }
            self.accept();
            let now = Instant::now();
            let ours = self.listeners.iter_mut().enumerate().filter(|(idx, _)| idx % TURNS == turn % TURNS);
            for (_, listener) in ours {
                listener.serve(now, self.began, &self.programmes, self.storm.as_mut(), &self.shared);
            }
            if turn % TURNS == 0 {
                self.listeners.retain(|listener| !listener.is_gone);
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            stream.set_nonblocking(true).unwrap();
            stream.set_nodelay(true).unwrap();
            self.shared.n_listeners.fetch_add(1, Ordering::Relaxed);
            self.listeners.push(Listener { stream, head: Vec::new(), tuned: None, is_gone: false });
        }
    }
}

/// A connection.
struct Listener {
    stream: TcpStream,
    /// Of its request, until that is whole.
    head: Vec<u8>,
    tuned: Option<Tuned>,
    is_gone: bool,
}

/// What a listener listens to.
struct Tuned {
    feed_idx: usize,
    programme: Arc<[u8]>,
    /// Everything before this byte of the feed was sent, or left out.
    at: u64,
    flow: Flow,
}

impl Listener {
    fn serve(
        &mut self,
        now: Instant,
        began: Instant,
        programmes: &[Arc<[u8]>],
        mut storm: Option<&mut Storm>,
        shared: &Shared,
    ) {
        if self.tuned.is_none() {
            match self.read_head() {
                Some(feed_idx) => self.tune(feed_idx, now, began, programmes, storm.as_deref_mut()),
                None => return,
            }
        }
        let Some(tuned) = &mut self.tuned else { return };
        let edge = live_edge(tuned.feed_idx, &tuned.programme, now - began);
        if let Some(storm) = storm {
            tuned.at = storm.change(&mut tuned.flow, tuned.feed_idx, now, tuned.at, edge);
        }
        self.is_gone |= matches!(tuned.flow, Flow::Closed) || !tuned.send(&mut self.stream, edge, now);
        let behind = if matches!(tuned.flow, Flow::Steady { .. }) { edge - tuned.at } else { 0 };
        shared.behind_max.fetch_max(behind, Ordering::Relaxed);
    }

    /// The feed that is asked for, once that is known.
    fn read_head(&mut self) -> Option<usize> {
        let mut piece = [0; 1_024];
        match self.stream.read(&mut piece) {
            Ok(0) => self.is_gone = true,
            Ok(n) => self.head.extend_from_slice(&piece[..n]),
            Err(error) => self.is_gone |= error.kind() != ErrorKind::WouldBlock,
        }
        self.is_gone |= self.head.len() > HEAD_MAX;
        let head = std::str::from_utf8(&self.head).ok().filter(|head| head.ends_with("\r\n\r\n"))?;
        let path = head.split(' ').nth(1)?;
        path.trim_start_matches('/').parse().ok()
    }

    fn tune(
        &mut self,
        feed_idx: usize,
        now: Instant,
        began: Instant,
        programmes: &[Arc<[u8]>],
        storm: Option<&mut Storm>,
    ) {
        let flow = storm.map_or(Flow::Steady { until: None }, |storm| storm.welcome(feed_idx, now));
        let answer: &[u8] = match flow {
            Flow::Closed => b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            _ => b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\nicy-br: 128\r\n\r\n",
        };
        self.is_gone |= self.stream.write_all(answer).is_err();
        let programme = Arc::clone(&programmes[feed_idx % programmes.len()]);
        let at = live_edge(feed_idx, &programme, now - began) - BURST;
        self.tuned = Some(Tuned { feed_idx, programme, at, flow });
    }
}

impl Tuned {
    /// Sends what is due. Whether the listener is still there.
    fn send(&mut self, stream: &mut TcpStream, edge: u64, now: Instant) -> bool {
        let due = self.flow.due(self.at, edge, now);
        while self.at < due {
            let from = (self.at % self.programme.len() as u64) as usize;
            let to = self.programme.len().min(from + (due - self.at) as usize);
            let sent = match &self.flow {
                Flow::Garbage { noise, .. } => stream.write(&noise[..(to - from).min(noise.len())]),
                _ => stream.write(&self.programme[from..to]),
            };
            match sent {
                Ok(n) => self.at += n as u64,
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }
}

/// How far a feed is, bytes: it has been on air for a while, and each one is at another place.
fn live_edge(feed_idx: usize, programme: &[u8], since: Duration) -> u64 {
    // Multiples of the golden ratio never come near each other.
    let share = 1.0 + (feed_idx as f64 * GOLDEN_RATIO).fract();
    let played = since.as_secs_f64() * MP3_BYTES_PER_SEC as f64;
    (share * programme.len() as f64 + played) as u64
}

//! Clients that never say what they want: a thousand whose head does not end and a thousand whose body does not, from many
//! addresses. What they do to the events of feeds on air, to whoever else asks, and to the memory.
//!
//! Times with and without them alternate, so that what the machine does meanwhile meets both alike; how much two times
//! without them differ is told beside it, for that is what can be known.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::args::Args;
use crate::figures::quantile;
use crate::programme::{SIGNAL_PROFILE, signal_mp3};
use crate::reader::{Ended, Follow};
use crate::service::{Config, Service, get};
use crate::station::Station;
use crate::table::Bar;
use crate::wait;

const N_FEEDS: usize = 20;
/// Of each kind.
const N_SLOW: usize = 1_000;
/// A client address has a limit of its own: as many of each kind from one.
const PER_ADDRESS: usize = 50;
/// Between two bytes of one of them.
const DRIP: Duration = Duration::from_secs(1);
/// Whoever is sent away comes again after this.
const AGAIN: Duration = Duration::from_millis(200);
/// Length of a time, and how many there are of each kind.
const LENGTH: Duration = Duration::from_secs(20);
const N_TIMES: usize = 3;
/// After the feeds, or the slow ones, came or went.
const SETTLE: Duration = Duration::from_secs(5);
/// By how much the p99 of events may change. Below `RESOLUTION_MS` a change cannot be seen: see `visible`.
const CHANGE_MAX: f64 = 0.05;
const RESOLUTION_MS: f64 = 1.5;
const MEMORY_KIB_MAX: f64 = 64.0;
/// Between two questions of somebody who behaves.
const ASK: Duration = Duration::from_millis(100);
const HEAD: &[u8] = b"GET /v1/feeds HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
const BODY: &[u8] = b"POST /v1/feeds HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
    Content-Length: 4000\r\n\r\n{\"name\": \"";

pub(crate) fn measure(args: &Args) -> Vec<Bar> {
    let n_feeds = args.n_feeds(N_FEEDS);
    let length = args.length(LENGTH);
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }).unwrap();
    let station = Station::start(vec![signal_mp3()], None);
    let limits = format!("[limits]\nconnections = {}\n", 2 * N_SLOW + 200);
    let mut config = Config::new(&format!("{limits}[profiles.default]\nmeter = true\n{SIGNAL_PROFILE}"));
    (0..n_feeds).for_each(|n| config.feed(&format!("f{n}"), &station.url(n), "default"));
    let service = Service::start(&config);
    let n_live = service.until_live(n_feeds);
    println!("  {n_live} of {n_feeds} feeds live");
    wait::until(Instant::now() + SETTLE);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let crowd = Crowd::default();
    let mut kib = Vec::new();
    for _ in 0..N_TIMES {
        without.push(listen(&service, length));
        let before = service.taken();
        crowd.during(service.address, || {
            with.push(listen(&service, length));
            let grown = (service.taken().memory_root - before.memory_root) / 1_024.0;
            let n = crowd.n_there.load(Ordering::Relaxed);
            println!("  {n} slow connections, {grown:.0} KiB more, {} descriptors", service.taken().n_files);
            kib.push(grown / n.max(1) as f64);
        });
    }
    let is_well = service.end();
    bars(without, with, &kib, &crowd, is_well)
}

fn bars(without: Vec<Time>, with: Vec<Time>, kib: &[f64], crowd: &Crowd, is_well: bool) -> Vec<Bar> {
    let p99s = |times: &[Time]| times.iter().map(|time| quantile(&mut time.delays.clone(), 0.99)).collect();
    let (alone, together): (Vec<f64>, Vec<f64>) = (p99s(&without), p99s(&with));
    println!("  p99 of events, time by time: without them {alone:.1?} ms, with them {together:.1?} ms");
    let all = |times: &[Time]| {
        quantile(&mut times.iter().flat_map(|time| time.delays.iter().copied()).collect::<Vec<_>>(), 0.99)
    };
    let (before, after) = (all(&without), all(&with));
    let allowed = before * (1.0 + CHANGE_MAX) + RESOLUTION_MS;
    let count = |of: fn(&Time) -> usize| with.iter().map(of).sum::<usize>();
    let (n_refused, n_asked) = (count(|time| time.n_refused), count(|time| time.n_asked));
    let slowest = with.iter().map(|time| time.slowest_ms).fold(0.0, f64::max);
    println!("  {n_asked} questions meanwhile, the slowest answer after {slowest:.0} ms");
    let least = crowd.n_least.load(Ordering::Relaxed);
    let slow = format!("{} slow clients", 2 * N_SLOW);
    vec![
        Bar::new(format!("{slow}: there all the time"), least.to_string(), "", least >= 2 * N_SLOW * 9 / 10),
        Bar::new(
            format!("{slow}: p99 of events, without and with them"),
            format!("{before:.1}, {after:.1} ms"),
            format!("<= {allowed:.1} ms: 5 % more, which is known to {RESOLUTION_MS} ms"),
            after <= allowed,
        ),
        Bar::most(format!("{slow}: memory of one"), quantile(&mut kib.to_vec(), 1.0), MEMORY_KIB_MAX, "KiB"),
        Bar::new(
            format!("{slow}: others refused, of {n_asked}"),
            n_refused.to_string(),
            "0",
            n_refused == 0 && n_asked > 0,
        ),
        Bar::new(format!("{slow}: it ends in order"), is_well.to_string(), "true", is_well),
    ]
}

/// What was seen in a time.
#[derive(Default)]
struct Time {
    /// Of events, from the statement to the last byte, ms.
    delays: Vec<f64>,
    n_asked: usize,
    n_refused: usize,
    slowest_ms: f64,
}

/// Reads events, and asks now and then.
fn listen(service: &Service, length: Duration) -> Time {
    let is_over = AtomicBool::new(false);
    let mut time = Time::default();
    thread::scope(|scope| {
        let read = || {
            let follow = Follow { address: service.address, path: "/v1/events".to_owned(), after: None };
            let mut delays = Vec::new();
            let ended = follow.read(&is_over, |came| {
                delays.extend(came.event.stated_ms().map(|(stated_ms, _)| came.at_ms - stated_ms));
            });
            // What it missed may be the slowest of all.
            if ended == Ended::Asked { delays } else { vec![f64::INFINITY] }
        };
        let reader = thread::Builder::new().name("reader".into()).spawn_scoped(scope, read).unwrap();
        wait::looking(length, ASK, |_| {
            let asked_at = Instant::now();
            let is_answered = get(service.address, "/livez").is_some();
            time.n_asked += 1;
            time.n_refused += usize::from(!is_answered);
            time.slowest_ms = time.slowest_ms.max(asked_at.elapsed().as_secs_f64() * 1e3);
        });
        is_over.store(true, Ordering::Relaxed);
        time.delays = reader.join().unwrap();
    });
    time
}

/// The slow ones.
struct Crowd {
    n_there: AtomicUsize,
    /// Fewest that were there at the end of a time.
    n_least: AtomicUsize,
}

impl Default for Crowd {
    fn default() -> Self {
        Self { n_there: AtomicUsize::new(0), n_least: AtomicUsize::new(usize::MAX) }
    }
}

impl Crowd {
    /// They are there during `work`, and whoever is sent away comes again.
    fn during(&self, address: SocketAddr, work: impl FnOnce()) {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let drip = || {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(self.drip(address, &is_over));
            };
            thread::Builder::new().name("crowd".into()).spawn_scoped(scope, drip).unwrap();
            wait::until_it(SETTLE * 4, || self.n_there.load(Ordering::Relaxed) >= 2 * N_SLOW);
            work();
            self.n_least.fetch_min(self.n_there.load(Ordering::Relaxed), Ordering::Relaxed);
            is_over.store(true, Ordering::Relaxed);
        });
        self.n_there.store(0, Ordering::Relaxed);
        wait::until(Instant::now() + SETTLE);
    }

    async fn drip(&self, address: SocketAddr, is_over: &AtomicBool) {
        let local = tokio::task::LocalSet::new();
        let mut all = JoinSet::new();
        let n_there = std::sync::Arc::new(AtomicUsize::new(0));
        for n in 0..2 * N_SLOW {
            let from = IpAddr::from([127, 1, 0, u8::try_from(n / (2 * PER_ADDRESS)).unwrap() + 1]);
            let begin = if n % 2 == 0 { HEAD } else { BODY };
            all.spawn_local_on(slow(from, address, begin, std::sync::Arc::clone(&n_there)), &local);
        }
        local
            .run_until(async {
                let mut due = interval(Duration::from_millis(100));
                while !is_over.load(Ordering::Relaxed) {
                    due.tick().await;
                    self.n_there.store(n_there.load(Ordering::Relaxed), Ordering::Relaxed);
                }
            })
            .await;
        all.abort_all();
    }
}

/// Says one byte a second, for ever; begins anew where it is sent away.
async fn slow(from: IpAddr, to: SocketAddr, begin: &'static [u8], n_there: std::sync::Arc<AtomicUsize>) {
    loop {
        if let Ok(stream) = connect(from, to).await {
            n_there.fetch_add(1, Ordering::Relaxed);
            // Sent away.
            let _ = drip(stream, begin).await;
            n_there.fetch_sub(1, Ordering::Relaxed);
        }
        sleep(AGAIN).await;
    }
}

async fn connect(from: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

async fn drip(mut stream: TcpStream, begin: &[u8]) -> std::io::Result<()> {
    stream.write_all(begin).await?;
    let mut due = interval(DRIP);
    let mut answer = [0; 512];
    loop {
        tokio::select! {
            _ = due.tick() => stream.write_all(b"x").await?,
            read = stream.read(&mut answer) => if read? == 0 { return Ok(()) },
        }
    }
}

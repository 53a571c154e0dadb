//! From an event's being stated in the engine to a client's having it, over Server-Sent Events.
//!
//! An event says when it became visible and how long it took from the statement to that (`recordedtime`, and `publish`
//! and `journal` of its latency); the difference to the moment in which its last byte came is the rest. All of it is
//! told in whole milliseconds, so each delay is known to 1 ms (ephemeral) or 1.5 ms (durable). The bars are held
//! against the longest delay that is possible.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::figures::quantiles;
use crate::processes::Taken;
use crate::programme::{SIGNAL_PROFILE, signal_mp3};
use crate::reader::{Came, Ended, Follow};
use crate::service::{Config, Service};
use crate::station::Station;
use crate::table::Bar;
use crate::wait;

const N_FEEDS: usize = 50;
const N_CLIENTS: [usize; 2] = [1, 20];
const LENGTH: Duration = Duration::from_secs(60);
/// After the bursts of the connections.
const SETTLE: Duration = Duration::from_secs(5);
const DURABLE_MS_MAX: f64 = 40.0;
const EPHEMERAL_MS_MAX: f64 = 5.0;

pub(crate) fn measure(args: &Args) -> Vec<Bar> {
    let n_feeds = args.n_feeds(N_FEEDS);
    let station = Station::start(vec![signal_mp3()], None);
    let mut config = Config::new(&format!("[profiles.default]\nmeter = true\n{SIGNAL_PROFILE}"));
    (0..n_feeds).for_each(|n| config.feed(&format!("f{n}"), &station.url(n), "default"));
    let service = Service::start(&config);
    let n_live = service.until_live(n_feeds);
    wait::until(Instant::now() + SETTLE);
    let length = args.length(LENGTH);
    let bars =
        N_CLIENTS.into_iter().flat_map(|n_clients| with_clients(&service, n_clients, length)).collect();
    println!("  {n_live} of {n_feeds} feeds live");
    service.end();
    bars
}

fn with_clients(service: &Service, n_clients: usize, length: Duration) -> Vec<Bar> {
    let is_over = AtomicBool::new(false);
    let before = (service.taken().cpu_secs, Taken::here());
    let mut all = Delays::default();
    thread::scope(|scope| {
        let read = || Delays::read(service, &is_over);
        let spawn = |_| thread::Builder::new().name("reader".into()).spawn_scoped(scope, read).unwrap();
        let readers: Vec<_> = (0..n_clients).map(spawn).collect();
        wait::until(Instant::now() + length);
        is_over.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| all.join(reader.join().unwrap()));
    });
    let clients = if n_clients == 1 { "1 client" } else { &format!("{n_clients} clients") };
    let cores = |now: f64, before: f64| (now - before) / length.as_secs_f64();
    println!(
        "  {clients}: service {:.2} cores, this program {:.2}",
        cores(service.taken().cpu_secs, before.0),
        cores(Taken::here(), before.1)
    );
    let n_stopped = all.n_stopped;
    vec![
        Bar::new(format!("{clients}: refused or cut off"), n_stopped.to_string(), "0", n_stopped == 0),
        all.durable.bar(&format!("durable event to {clients}, p99"), DURABLE_MS_MAX),
        all.ephemeral.bar(&format!("ephemeral event to {clients}, p99"), EPHEMERAL_MS_MAX),
    ]
}

/// Of all events that one or more clients got.
#[derive(Default)]
struct Delays {
    durable: Kind,
    ephemeral: Kind,
    /// Clients that the service refused or cut off: what they missed may be the slowest of all.
    n_stopped: u32,
}

/// Of one kind, ms.
#[derive(Default)]
struct Kind {
    delays: Vec<f64>,
    /// How far each may be wrong.
    error: f64,
}

impl Delays {
    fn read(service: &Service, is_over: &AtomicBool) -> Self {
        let follow = Follow { address: service.address, path: "/v1/events".to_owned(), after: None };
        let mut delays = Self::default();
        let ended = follow.read(is_over, |came| delays.take(&came));
        delays.n_stopped = u32::from(ended != Ended::Asked);
        delays
    }

    fn take(&mut self, came: &Came<'_>) {
        let Some((stated_ms, error)) = came.event.stated_ms() else { return };
        let is_durable = came.event.sequence.is_some();
        let kind = if is_durable { &mut self.durable } else { &mut self.ephemeral };
        kind.delays.push(came.at_ms - stated_ms);
        kind.error = error;
    }

    fn join(&mut self, other: Self) {
        self.durable.join(other.durable);
        self.ephemeral.join(other.ephemeral);
        self.n_stopped += other.n_stopped;
    }
}

impl Kind {
    fn join(&mut self, other: Self) {
        self.delays.extend(other.delays);
        self.error = self.error.max(other.error);
    }

    fn bar(mut self, what: &str, ms_max: f64) -> Bar {
        let [p50, p95, p99] = quantiles(&mut self.delays);
        let (n, error) = (self.delays.len(), self.error);
        let max = self.delays.last().copied().unwrap_or(f64::NAN);
        println!(
            "  {what}: p50 {p50:.1}, p95 {p95:.1}, p99 {p99:.1}, max {max:.1} ms (+- {error} ms), {n} events"
        );
        let measured = format!("{p99:.1} (+- {error}) ms");
        Bar::new(what, measured, format!("<= {ms_max} ms"), p99 + error <= ms_max)
    }
}

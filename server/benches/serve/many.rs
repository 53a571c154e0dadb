//! Many feeds without speech: all live, alerts in time, memory and processor time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::processes::Taken;
use crate::programme::{PERIOD_SECS, SIGNAL_PROFILE, signal_mp3};
use crate::reader::{Came, Ended, Follow};
use crate::service::{Config, Service, is_live};
use crate::station::Station;
use crate::table::Bar;
use crate::wait;

const N_FEEDS: usize = 200;
const LENGTH: Duration = Duration::from_secs(60);
/// After the bursts of the connections.
const SETTLE: Duration = Duration::from_secs(10);
const SAMPLE: Duration = Duration::from_secs(5);
/// Share of the alerts that is to be within its budget: budgets are a p99.
const MET_MIN: f64 = 0.99;
/// Share of the dead airs of the programme that has to be told.
const TOLD_MIN: f64 = 0.99;
const MEMORY_MAX: f64 = 600e6;

pub(crate) fn measure(args: &Args) -> Vec<Bar> {
    let n_feeds = args.n_feeds(N_FEEDS);
    let station = Station::start(vec![signal_mp3()], None);
    let mut config = Config::new(&format!("[profiles.default]\n{SIGNAL_PROFILE}"));
    (0..n_feeds).for_each(|n| config.feed(&format!("f{n}"), &station.url(n), "default"));
    let mut service = Service::start(&config);
    let began = Instant::now();
    service.until_live(n_feeds);
    println!("  live after {:.1} s", began.elapsed().as_secs_f64());
    wait::until(Instant::now() + SETTLE);
    let length = args.length(LENGTH);
    let load = load(&service, length);
    let n_live = service.feeds().iter().filter(|feed| is_live(feed)).count();
    let lives = service.lives();
    println!(
        "  service {:.2} cores, this program {:.2}; {} connections, at most {:.1} s behind; {} alerts, {} gaps",
        load.cores,
        load.cores_here,
        station.n_listeners(),
        station.behind_secs_max(),
        load.n_alerts,
        load.n_gaps,
    );
    service.end();
    bars(&load, n_feeds, length, if lives { n_live } else { 0 })
}

fn bars(load: &Load, n_feeds: usize, length: Duration, n_live: usize) -> Vec<Bar> {
    let feeds = format!("{n_feeds} feeds without speech");
    let percent = |share: f64| format!("{:.2} %", share * 100.0);
    let met = load.n_met as f64 / load.n_alerts as f64;
    // An opening and a closing each.
    let n_played = 2 * n_feeds as u64 * length.as_secs() / PERIOD_SECS;
    let told = load.n_alerts as f64 / n_played as f64;
    vec![
        Bar::new(format!("{feeds}: live"), n_live.to_string(), n_feeds.to_string(), n_live == n_feeds),
        Bar::new(format!("{feeds}: alerts within budget"), percent(met), ">= 99 %", met >= MET_MIN),
        Bar::new(format!("{feeds}: alerts told of those played"), percent(told), ">= 99 %", told >= TOLD_MIN),
        Bar::new(format!("{feeds}: gaps"), load.n_gaps.to_string(), "0", load.n_gaps == 0),
        Bar::most(format!("{feeds}: memory"), load.memory_max / 1e6, MEMORY_MAX / 1e6, "MB"),
        Bar::new(
            format!("{feeds}: processor"),
            format!("{:.2} cores", load.cores),
            "2 cores",
            load.cores < 2.0,
        ),
    ]
}

/// What was seen of the service under its load.
#[derive(Default)]
struct Load {
    n_alerts: u64,
    n_met: u64,
    n_gaps: u64,
    memory_max: f64,
    cores: f64,
    cores_here: f64,
}

fn load(service: &Service, length: Duration) -> Load {
    let is_over = AtomicBool::new(false);
    let path = "/v1/events?type=alert.dead_air,gap".to_owned();
    let follow = Follow { address: service.address, path, after: None };
    let mut load = Load::default();
    let before = (service.taken(), Taken::here());
    thread::scope(|scope| {
        let read = || {
            let mut seen = Load::default();
            // What is missed counts as an alert that was not told.
            let ended = follow.read(&is_over, |came| seen.take(&came));
            if ended != Ended::Asked {
                println!("  the reader was stopped: {ended:?}");
            }
            seen
        };
        let reader = thread::Builder::new().name("reader".into()).spawn_scoped(scope, read).unwrap();
        let mut memory_max = before.0.memory;
        wait::looking(length, SAMPLE, |_| memory_max = service.taken().memory.max(memory_max));
        is_over.store(true, Ordering::Relaxed);
        load = Load { memory_max, ..reader.join().unwrap() };
    });
    let cores = |now: f64, before: f64| (now - before) / length.as_secs_f64();
    load.cores = cores(service.taken().cpu_secs, before.0.cpu_secs);
    load.cores_here = cores(Taken::here(), before.1);
    load
}

impl Load {
    fn take(&mut self, came: &Came<'_>) {
        match came.event.kind() {
            "gap" => self.n_gaps += 1,
            _ => {
                self.n_alerts += 1;
                self.n_met += u64::from(came.event.data.latency.is_some_and(|latency| latency.met));
            }
        }
    }
}

//! Days of bad weather in minutes: feeds whose sources stall, break, send garbage and refuse, readers and
//! guests that come and go; what the service takes over that time, and whether it loses count of anything.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::args::Args;
use crate::figures::{Dice, Trend};
use crate::guests;
use crate::programme::{SIGNAL_PROFILE, signal_mp3, speech_mp3};
use crate::reader::{Came, Ended, Follow};
use crate::service::{Config, Service};
use crate::station::Station;
use crate::storm::Storm;
use crate::table::{Bar, short};
use crate::wait;

const N_FEEDS: usize = 20;
const N_READERS: u64 = 4;
const LENGTH: Duration = Duration::from_secs(600);
const SAMPLE: Duration = Duration::from_secs(5);
/// Time in which everything that is kept fills up, and that does not count: a third of the run, at most this. Repeats are
/// looked for in the last 43 minutes of each feed (0.4 MB), the journal's page caches and what readers may be behind fill
/// within the first ten.
const WARM_UP_MAX: Duration = Duration::from_secs(45 * 60);
/// How long a reader stays, s.
const VISIT_SECS: (f64, f64) = (1.0, 30.0);
/// A run of this length can tell a slope of [`SLOPE_MAX`]. What fills up in a shorter one is more than that.
const LONG: Duration = Duration::from_secs(3_600);
/// Growth of the memory after the warm-up of a shorter run, without recognisers, MiB: a busy machine took 5.4 where a
/// quiet one takes 1.0. The leak of an event's line is 60 (docs/adr/0013).
const SHORT_GROWTH_MAX: f64 = 12.0;
/// Growth of the memory, MiB an hour; and how much it has to have grown before that can be told from noise, MiB.
const SLOPE_MAX: f64 = 1.0;
const GROWTH_MAX: f64 = 4.0;
/// Descriptors that come and go with connections: so many more on average are a leak, if there are ever more.
const FILES_GROWTH_MAX: f64 = 4.0;
/// Events that may wait for a commit at the end: those of a moment.
const WAITING_MAX: f64 = 100.0;
const MIB: f64 = 1_048_576.0;

pub(crate) fn measure(args: &Args) -> Vec<Bar> {
    let length = args.length(LENGTH);
    let n_feeds = args.n_feeds(N_FEEDS);
    let station = Station::start(vec![signal_mp3(), speech_mp3()], Some(Storm::new(args.seed)));
    let mut service = Service::start(&config(&station, n_feeds));
    let is_over = AtomicBool::new(false);
    let visits = Visits::default();
    let mut seen = Seen::default();
    thread::scope(|scope| {
        for reader in 0..N_READERS {
            let follow = Follow { address: service.address, path: "/v1/events".to_owned(), after: None };
            let (dice, is_over, visits) = (Dice::new(args.seed + reader), &is_over, &visits);
            let read = move || come_and_go(follow, dice, is_over, visits);
            thread::Builder::new().name("reader".into()).spawn_scoped(scope, read).unwrap();
        }
        let (address, over) = (service.address, &is_over);
        let visit = move || guests::come_and_go(address, over);
        let guests = thread::Builder::new().name("guests".into()).spawn_scoped(scope, visit).unwrap();
        wait::looking(length, SAMPLE, |at| seen.look(&mut service, at));
        is_over.store(true, Ordering::Relaxed);
        let (n_in, n_refused) = guests.join().unwrap();
        println!("  {n_in} guests, {n_refused} not let in");
    });
    println!("  {} lines of metrics", service.n_metrics());
    let (feeds, n_exits) = (service.feeds(), recognisers_lost(&service));
    let journal = Journal::of(&service);
    let (lives, ends) = (service.lives(), service.end());
    seen.tell(&station, &visits, length);
    feeds.iter().for_each(|feed| println!("  {}", line(feed)));
    let n_exits = n_exits + f64::from(!lives) + f64::from(!ends);
    let mut bars = seen.bars(length);
    bars.push(Bar::new("processes that ended by themselves", n_exits.to_string(), "0", n_exits == 0.0));
    bars.extend(journal.bars());
    bars.push(conserved(&feeds));
    bars.push(visits.bar());
    bars
}

/// Recognisers that ended by themselves, and not because the service ended those that took too long, as they do on a
/// machine that does other things, too.
fn recognisers_lost(service: &Service) -> f64 {
    let count = |what: &str| service.metric(&format!("aircheck_recogniser_{what}_total"));
    // Without recognisers nobody counts them.
    let [deaths, timeouts] = ["deaths", "timeouts"].map(|what| count(what).max(0.0));
    println!("  {deaths} recognisers lost, {timeouts} of them ended because they took too long");
    deaths - timeouts
}

/// Every fifth feed has speech, where it fits: guests shall find room now and then.
fn config(station: &Station, n_feeds: usize) -> Config {
    let mut config = Config::new(&format!("[profiles.signal]\nmeter = true\n{SIGNAL_PROFILE}"));
    for n in 0..n_feeds {
        let (name, profile) = if n % 5 == 1 { ("speech", "default") } else { ("signal", "signal") };
        config.feed(&format!("{name}-{n}"), &station.url(n), profile);
    }
    config
}

/// What the service took, over the time.
#[derive(Default)]
struct Seen {
    /// Hours, and MiB.
    memory: Vec<(f64, f64)>,
    /// The same without recognisers.
    memory_root: Vec<(f64, f64)>,
    /// Hours, and how many.
    files: Vec<(f64, f64)>,
    n_processes: Vec<usize>,
    cpu_secs: f64,
}

impl Seen {
    fn look(&mut self, service: &mut Service, at: Duration) {
        let taken = service.taken();
        let hours = at.as_secs_f64() / 3_600.0;
        self.memory.push((hours, taken.memory / MIB));
        self.memory_root.push((hours, taken.memory_root / MIB));
        self.files.push((hours, taken.n_files as f64));
        self.n_processes.push(taken.n_processes);
        self.cpu_secs = taken.cpu_secs;
        if self.memory.len().is_multiple_of(12) {
            let (secs, all, root) = (at.as_secs_f64(), taken.memory / MIB, taken.memory_root / MIB);
            println!(
                "  {secs:5.0} s: {all:.1} MiB, {root:.1} without recognisers; {} descriptors",
                taken.n_files
            );
        }
    }

    fn tell(&self, station: &Station, visits: &Visits, length: Duration) {
        println!(
            "  {:.2} cores; {} connections of feeds; {} visits of readers, {} events; {} to {} processes",
            self.cpu_secs / length.as_secs_f64(),
            station.n_listeners(),
            visits.n_visits.load(Ordering::Relaxed),
            visits.n_events.load(Ordering::Relaxed),
            self.n_processes.iter().min().unwrap_or(&0),
            self.n_processes.iter().max().unwrap_or(&0),
        );
    }

    fn bars(&self, length: Duration) -> Vec<Bar> {
        let warm_up = (length / 3).min(WARM_UP_MAX).as_secs_f64() / 3_600.0;
        let warm = |points: &[(f64, f64)]| {
            let warm: Vec<_> = points.iter().filter(|(hours, _)| *hours >= warm_up).copied().collect();
            Trend::of(&warm)
        };
        let (memory, root, files) = (warm(&self.memory), warm(&self.memory_root), warm(&self.files));
        let is_known = memory.slope.is_finite() && memory.error.is_finite();
        let told = |trend: Trend| format!("{} +- {}", short(trend.slope), short(trend.error));
        let grown = |trend: Trend, unit: &str| format!("{:+.1} {unit} over the run", trend.growth);
        println!(
            "  memory {}, without recognisers {} ({} MiB/h), descriptors {}",
            grown(memory, "MiB"),
            grown(root, "MiB"),
            told(root),
            grown(files, "of them")
        );
        let slope = Bar::new(
            "memory slope",
            format!("{} MiB/h", told(memory)),
            format!("<= {SLOPE_MAX} MiB/h, where it grew by > {GROWTH_MAX} MiB"),
            is_known && !memory.rises(SLOPE_MAX, GROWTH_MAX),
        );
        let growth =
            Bar::most("memory growth after a third of the run", root.growth, SHORT_GROWTH_MAX, "MiB");
        vec![
            if length >= LONG { slope } else { growth },
            Bar::new(
                "descriptors slope",
                format!("{} /h", told(files)),
                format!("0, where there are > {FILES_GROWTH_MAX} more"),
                is_known && !files.rises(0.0, FILES_GROWTH_MAX),
            ),
        ]
    }
}

/// How the journal fares at the end.
struct Journal {
    waiting: f64,
    dropped: f64,
    visible_secs: [f64; 2],
}

impl Journal {
    fn of(service: &Service) -> Self {
        let visible = |q| service.metric(&format!("aircheck_journal_visible_seconds{{quantile=\"{q}\"}}"));
        Self {
            waiting: service.metric("aircheck_journal_waiting_events"),
            dropped: service.metric("aircheck_journal_dropped_events_total"),
            visible_secs: [visible("0.5"), visible("0.99")],
        }
    }

    fn bars(&self) -> [Bar; 2] {
        let [p50, p99] = self.visible_secs.map(|secs| secs * 1e3);
        println!("  journal: visible after p50 {p50:.0} ms, p99 {p99:.0} ms");
        [
            Bar::most("events that wait for the journal at the end", self.waiting, WAITING_MAX, ""),
            Bar::most("events that the journal dropped", self.dropped, 0.0, ""),
        ]
    }
}

fn line(feed: &Value) -> String {
    let status = &feed["status"];
    let (received, in_gaps) = (&status["received_secs"], &status["in_gaps_secs"]);
    let reason = status["reason"].as_str().unwrap_or("");
    let secs = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let (received, in_gaps) = (secs(received), secs(in_gaps));
    let name = feed["name"].as_str().unwrap_or("?");
    format!(
        "{name:<10} {:<12} {received:8.1} s received, {in_gaps:7.1} s in gaps  {reason}",
        status["state"].as_str().unwrap_or("?")
    )
}

/// What was received was analysed, or is in a gap: to the frame, as far as seconds tell.
fn conserved(feeds: &[Value]) -> Bar {
    let is_wrong = |feed: &&Value| {
        let value = |key: &str| feed["status"][key].as_f64().unwrap_or(f64::NAN);
        let analysed = value("received_secs") * value("coverage");
        let frame = 1.0 / value("rate_hz");
        // A feed that was never let in has no rate.
        let is_empty = value("received_secs") == 0.0;
        let rest = value("received_secs") - analysed - value("in_gaps_secs");
        !is_empty && (rest.abs() > frame / 2.0 || rest.is_nan())
    };
    let n_wrong = feeds.iter().filter(is_wrong).count();
    let n_played = feeds.iter().filter(|feed| feed["status"]["received_secs"].as_f64() > Some(0.0)).count();
    let measured = format!("{n_wrong} of {n_played}");
    Bar::new("feeds with frames neither analysed nor in gaps", measured, "0", n_wrong == 0 && n_played > 0)
}

/// What readers saw.
#[derive(Default)]
struct Visits {
    n_visits: AtomicU64,
    n_refused: AtomicU64,
    n_events: AtomicU64,
    /// Durable events that were not the next one of their feed.
    holes: Mutex<Vec<String>>,
}

impl Visits {
    fn bar(&self) -> Bar {
        let holes = self.holes.lock().unwrap();
        holes.iter().take(5).for_each(|hole| println!("  {hole}"));
        let n_refused = self.n_refused.load(Ordering::Relaxed);
        let measured = format!("{} ({n_refused} refused)", holes.len());
        Bar::new("holes that readers saw who came back", measured, "0", holes.is_empty() && n_refused == 0)
    }
}

/// Reads for a while, goes, and comes back to where it was, again and again.
fn come_and_go(mut follow: Follow, mut dice: Dice, is_over: &AtomicBool, visits: &Visits) {
    let mut last = BTreeMap::new();
    while !is_over.load(Ordering::Relaxed) {
        let leave_at = Instant::now() + Duration::from_secs_f64(dice.between(VISIT_SECS.0, VISIT_SECS.1));
        let is_leaving = AtomicBool::new(false);
        let mut after = follow.after.clone();
        let ended = follow.read(&is_leaving, |came| {
            is_leaving
                .store(Instant::now() >= leave_at || is_over.load(Ordering::Relaxed), Ordering::Relaxed);
            visits.n_events.fetch_add(1, Ordering::Relaxed);
            after = came.id.map(str::to_owned).or(after.take());
            visits.holes.lock().unwrap().extend(hole(&mut last, &came));
        });
        visits.n_visits.fetch_add(1, Ordering::Relaxed);
        follow.after = after;
        if ended == Ended::Refused {
            visits.n_refused.fetch_add(1, Ordering::Relaxed);
            wait::until(Instant::now() + Duration::from_secs(1));
        }
    }
}

/// An event that is not the next one of its feed and epoch; with the first one of either anything may begin.
fn hole(last: &mut BTreeMap<(String, u64), u64>, came: &Came<'_>) -> Option<String> {
    let sequence: u64 = came.event.sequence.as_ref()?.parse().ok()?;
    let data = &came.event.data;
    let before = last.insert((data.feed.to_string(), data.epoch), sequence)?;
    (sequence != before + 1).then(|| format!("{}: {sequence} after {before}", data.feed))
}

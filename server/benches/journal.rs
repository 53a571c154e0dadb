//! The journal beside its bar: 500 events a second of 50 feeds, open loop. `cargo bench --bench journal -- 600` runs for
//! ten minutes. Then as fast as it goes, beside SQLite with one event a transaction.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot measure has to stop")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::bounded;
use engine::event::{Body, Event, SpokenWord, Transcript};
use engine::time::{MediaTime, Span};
use hdrhistogram::Histogram;
use rusqlite::Connection;
use server::journal::{Journal, JournalConfig, JournalSink, Range, Reader, Search};
use server::publish::{FeedIdentity, Hub, Now, Passage, Recorder, Sink, WallClock};

const FEEDS: usize = 50;
const RATE: u64 = 500;
/// Bar of issue C.
const COMMIT_MS_MAX: u128 = 50;
const TEXT: &str = "and the old bridge across the river is closed until further notice because of the storm";
/// How long each of the two that go as fast as they can are let to.
const FLAT_OUT: Duration = Duration::from_secs(5);

fn main() {
    let secs = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(20);
    let folder = tempfile::tempdir_in(std::env::var_os("AIRCHECK_BENCH_DIR").unwrap_or(".".into())).unwrap();
    println!("journal: {RATE} events a second of {FEEDS} feeds for {secs} s, in {}", folder.path().display());
    open_loop(&folder.path().join("paced.db"), secs);
    let ours = flat_out(&folder.path().join("flat.db"));
    let plain = one_by_one(&folder.path().join("plain.db"));
    println!("as fast as it goes: {ours:.0} events/s; SQLite, one event a transaction: {plain:.0} events/s");
}

/// A feed that says the same again and again.
struct Feed {
    recorder: Recorder,
    sink: JournalSink,
    n: u64,
}

impl Feed {
    fn all(journal: &Journal) -> Vec<Self> {
        let feed = |idx: usize| {
            let name = format!("feed-{idx}");
            let sink = journal.sink(&name, 1);
            let recorder = Recorder::new(FeedIdentity { name, epoch: 1 }, WallClock::file());
            Self { recorder, sink, n: 0 }
        };
        (0..FEEDS).map(feed).collect()
    }

    fn say(&mut self) {
        self.n += 1;
        let start = self.n * 6_000;
        let at = |idx: u64| MediaTime::from_millis(start + idx * 350);
        let words = TEXT.split(' ').zip(0..).map(|(text, idx)| SpokenWord {
            text: text.to_owned(),
            span: Span::new(at(idx), at(idx + 1)),
            confidence: 0.93,
        });
        let transcript = Transcript {
            utterance: self.n,
            text: TEXT.into(),
            stable_bytes: TEXT.len(),
            language: "en".into(),
            confidence: 0.91,
            words: words.collect(),
            degraded: 0,
            model: "tiny.en-q8_0".into(),
        };
        let end = at(TEXT.split(' ').count() as u64);
        let event = Event::new(Span::new(at(0), end), end, Body::Final(transcript));
        let record = self.recorder.record(event, Passage::direct(Instant::now()), Now::read());
        self.sink.take(&record).unwrap();
    }
}

fn open_loop(path: &Path, secs: u64) {
    let hub = Arc::new(Hub::default());
    let mut shown = hub.subscribe();
    let (journal, _) = Journal::open(JournalConfig::new(path), hub).unwrap();
    let mut feeds = Feed::all(&journal);
    let n_events = secs * RATE;
    let (posted, due) = bounded::<Instant>(100_000);
    // Latency counts from when the event was due: a poster that is held up does not hide it.
    let watcher = std::thread::Builder::new().name("watcher".into()).spawn(move || {
        let mut tenths: Vec<Histogram<u64>> = (0..10).map(|_| histogram()).collect();
        for n in 0..n_events {
            let event = shown.blocking_recv().unwrap();
            assert_eq!(event.cursor, Some(n + 1));
            let waited = due.recv().unwrap().elapsed();
            tenths[usize::try_from(n * 10 / n_events).unwrap()].saturating_record(waited.as_micros() as u64);
        }
        tenths
    });
    let (start, cpu) = (Instant::now(), cpu_secs());
    for n in 0..n_events {
        let at = start + Duration::from_micros(n * 1_000_000 / RATE);
        while let Some(early) = at.checked_duration_since(Instant::now()).filter(|early| !early.is_zero()) {
            std::thread::park_timeout(early);
        }
        posted.send(at).unwrap();
        feeds[usize::try_from(n).unwrap() % FEEDS].say();
    }
    let tenths = watcher.unwrap().join().unwrap();
    let cpu = (cpu_secs() - cpu) / start.elapsed().as_secs_f64();
    let state = journal.state();
    journal.close();
    let bytes = fs::metadata(path).unwrap().len() / n_events;
    let ms = |us: u64| us as f64 / 1e3;
    let verdict = if state.commit.p99.as_millis() <= COMMIT_MS_MAX { "kept" } else { "MISSED" };
    println!(
        "  commit p50 {:?}, p99 {:?}, max {:?} (bar: p99 {COMMIT_MS_MAX} ms, {verdict}); {:.1} events a commit",
        state.commit.p50,
        state.commit.p99,
        state.commit.max,
        state.events as f64 / state.commits as f64
    );
    let mut all = histogram();
    tenths.iter().for_each(|tenth| all.add(tenth).unwrap());
    let quantiles = |h: &Histogram<u64>| {
        format!("{:.1}/{:.1}/{:.1}", ms(h.value_at_quantile(0.5)), ms(h.value_at_quantile(0.99)), ms(h.max()))
    };
    println!("  due to shown p50/p99/max {} ms", quantiles(&all));
    let tenths: Vec<String> = tenths.iter().map(quantiles).collect();
    println!("  the same in each tenth of the time: {}", tenths.join(", "));
    println!("  {:.0} % of a core, recording included; {bytes} bytes an event", cpu * 100.0);
}

/// Events a second where they come faster than they can be written.
fn flat_out(path: &Path) -> f64 {
    let config = JournalConfig { waiting_max: 1_000_000, ..JournalConfig::new(path) };
    let (journal, _) = Journal::open(config, Arc::default()).unwrap();
    let mut feeds = Feed::all(&journal);
    let start = Instant::now();
    while start.elapsed() < FLAT_OUT {
        feeds.iter_mut().for_each(Feed::say);
        if journal.state().waiting > 5_000 {
            assert!(journal.barrier(Duration::from_secs(60)));
        }
    }
    assert!(journal.barrier(Duration::from_secs(60)));
    let (state, took) = (journal.state(), start.elapsed());
    assert_eq!(state.dropped, 0);
    questions(&journal);
    state.events as f64 / took.as_secs_f64()
}

/// Events a second of the simplest way that keeps the promise.
fn one_by_one(path: &Path) -> f64 {
    let conn = Connection::open(path).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.pragma_update(None, "synchronous", "FULL").unwrap();
    conn.execute_batch("CREATE TABLE events (cursor INTEGER PRIMARY KEY, feed TEXT, line TEXT)").unwrap();
    let line = TEXT.repeat(15);
    let (start, mut n) = (Instant::now(), 0_u32);
    while start.elapsed() < FLAT_OUT {
        conn.execute("INSERT INTO events (feed, line) VALUES (?, ?)", ("feed", &line)).unwrap();
        n += 1;
    }
    f64::from(n) / start.elapsed().as_secs_f64()
}

/// How long questions take that people ask: a common word, a rare one, a page of a minute, a page of one feed.
fn questions(journal: &Journal) {
    let mut reader = journal.reader().unwrap();
    let newest = reader.newest().unwrap();
    let from = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(1);
    let mut ask = |what: &str, question: &mut dyn FnMut(&mut Reader) -> usize| {
        let start = Instant::now();
        let n = question(&mut reader);
        println!("  {what}: {n} of {newest} events in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    };
    let search = |text: &str| Search { text: text.into(), limit: 20, ..Search::default() };
    ask("a common word", &mut |reader| reader.search(&search("bridge")).unwrap().len());
    ask("a word that was never said", &mut |reader| reader.search(&search("xylophone")).unwrap().len());
    let range = Range { limit: 1_000, ..Range::default() };
    let minute = Range { from: Some(from), ..range.clone() };
    ask("a page of the last minute", &mut |reader| reader.range(&minute).unwrap().len());
    let feed = Range { feeds: vec!["feed-7".into()], ..range };
    ask("a page of one feed", &mut |reader| reader.range(&feed).unwrap().len());
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000, 3).unwrap()
}

/// Processor time of this process, s (Linux: clock ticks of 10 ms).
fn cpu_secs() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

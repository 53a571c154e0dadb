//! What the feeds get: delays of words and finals, gaps, processor time.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use engine::event::Body;
use engine::time::MediaTime;
use server::publish::{Record, Sink, Tally};

/// Of the kernel's times, a second.
const CLOCK_TICKS: f64 = 100.0;

/// Collects from all feeds.
#[derive(Default)]
pub(crate) struct Probe {
    is_over: Arc<AtomicBool>,
    began: Arc<OnceLock<Instant>>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// From the end of a word to the first event that shows it, s.
    words: Vec<f64>,
    /// From the endpoint's last sample to the final, s.
    finals: Vec<f64>,
    /// Of what needs no recognition, from the proof to the event, s.
    signals: Vec<f64>,
    n_partials: u64,
}

impl Probe {
    pub(crate) fn begin(&self, at: Instant) {
        self.began.set(at).expect("begun once");
    }

    /// No more audio comes.
    pub(crate) fn over(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    pub(crate) fn sink(&self) -> Box<dyn Sink> {
        let (began, seen) = (Arc::clone(&self.began), Arc::clone(&self.seen));
        Box::new(FeedSink { is_over: Arc::clone(&self.is_over), began, seen, shown: BTreeMap::new() })
    }

    pub(crate) fn figures(
        &self,
        n_feeds: usize,
        length: Duration,
        cpu: Cpu,
        memory: Memory,
        tallies: Vec<Tally>,
    ) -> Figures {
        let mut seen = std::mem::take(&mut *self.seen.lock().unwrap());
        let secs = length.as_secs_f64();
        let lost: f64 = tallies.iter().map(|tally| tally.gaps.1.as_secs_f64()).sum();
        let conserved = tallies.iter().all(|tally| {
            let c = &tally.conservation;
            c.received == c.analysed + c.in_gaps
        });
        Figures {
            n_feeds,
            words: quantiles(&mut seen.words),
            finals: quantiles(&mut seen.finals),
            signals: quantiles(&mut seen.signals)[2],
            n_words: tallies.iter().map(|tally| tally.n_words).sum(),
            n_partials: seen.n_partials,
            n_gaps: tallies.iter().map(|tally| tally.gaps.0).sum(),
            lost: lost / secs / n_feeds as f64,
            conserved,
            cores: cpu.all / secs,
            beside: (cpu.all - cpu.recognise) / cpu.all,
            memory,
        }
    }
}

struct FeedSink {
    is_over: Arc<AtomicBool>,
    began: Arc<OnceLock<Instant>>,
    seen: Arc<Mutex<Seen>>,
    /// End of the last word shown, by utterance.
    shown: BTreeMap<u64, MediaTime>,
}

impl Sink for FeedSink {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        let now = self.began.get().map_or(Duration::ZERO, Instant::elapsed).as_secs_f64();
        let mut seen = self.seen.lock().unwrap();
        let is_over = self.is_over.load(Ordering::Acquire);
        let (transcript, is_final) = match &record.envelope.data.body {
            Body::Partial(transcript) => (transcript, false),
            Body::Final(transcript) => (transcript, true),
            // The feeds are ended one after the other: what that makes known is late.
            Body::Segment(_) | Body::Alert(_) | Body::LoudnessReport(_) if is_over => return Ok(()),
            Body::Segment(_) | Body::Alert(_) | Body::LoudnessReport(_) => {
                seen.signals.extend(record.total.map(|total| total.as_secs_f64()));
                return Ok(());
            }
            _ => return Ok(()),
        };
        let shown = self.shown.entry(transcript.utterance).or_default();
        for word in &transcript.words {
            if word.span.end > *shown {
                seen.words.push(now - word.span.end.as_secs_f64());
            }
        }
        *shown = transcript.words.last().map_or(*shown, |word| word.span.end.max(*shown));
        if is_final {
            self.shown.remove(&transcript.utterance);
            seen.finals.extend(record.total.map(|total| total.as_secs_f64()));
        } else {
            seen.n_partials += 1;
        }
        Ok(())
    }
}

/// Processor time of this process, s: all of it, and that of the recognisers' threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    all: f64,
    recognise: f64,
}

impl Cpu {
    pub(crate) fn now() -> Self {
        let (mut all, mut recognise) = (0.0, 0.0);
        for task in fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok) {
            let Ok(stat) = fs::read_to_string(task.path().join("stat")) else { continue };
            let Some((name, rest)) = stat.rsplit_once(") ") else { continue };
            let ticks =
                |at: usize| rest.split(' ').nth(at).and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
            let secs = (ticks(11) + ticks(12)) / CLOCK_TICKS;
            all += secs;
            if name.contains("(recognise-") {
                recognise += secs;
            }
        }
        Self { all, recognise }
    }

    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self { all: self.all - earlier.all, recognise: self.recognise - earlier.recognise }
    }
}

/// Resident memory of this process, kB: all of it, and what came since an earlier look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    all: u64,
    more: u64,
}

impl Memory {
    pub(crate) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("");
        let all = line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or(0);
        Self { all, more: 0 }
    }

    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self { all: self.all, more: self.all.saturating_sub(earlier.all) }
    }
}

fn quantiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |q: f64| values.get(((values.len() as f64 * q) as usize).min(values.len().saturating_sub(1)));
    [0.5, 0.95, 0.99].map(|q| at(q).copied().unwrap_or(f64::NAN))
}

/// One line of the table.
pub(crate) struct Figures {
    n_feeds: usize,
    words: [f64; 3],
    finals: [f64; 3],
    signals: f64,
    n_words: u64,
    n_partials: u64,
    n_gaps: u64,
    lost: f64,
    conserved: bool,
    cores: f64,
    beside: f64,
    memory: Memory,
}

impl Figures {
    pub(crate) const HEADER: &str = "feeds  word first seen p50/p95/p99, s  final p50/p95/p99, s  signals p99, s  words  partials  gaps  in gaps  cores  a feed  beside recognition  memory  more for a feed";
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let three = |v: &[f64; 3]| format!("{:.2} / {:.2} / {:.2}", v[0], v[1], v[2]);
        write!(
            f,
            "{:>5}  {:>30}  {:>20}  {:>14.3}  {:>5}  {:>8}  {:>4}  {:>5.2} %  {:>5.2}  {:>6.3}  {:>16.1} %  {:>3} MB  {:>12} kB{}",
            self.n_feeds,
            three(&self.words),
            three(&self.finals),
            self.signals,
            self.n_words,
            self.n_partials,
            self.n_gaps,
            self.lost * 100.0,
            self.cores,
            self.cores / self.n_feeds as f64,
            self.beside * 100.0,
            self.memory.all / 1_024,
            self.memory.more / self.n_feeds as u64,
            if self.conserved { "" } else { "  FRAMES LOST WITHOUT A GAP" }
        )
    }
}

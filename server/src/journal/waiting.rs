//! Events between the feeds and the disk: a bounded ring that never makes a feed wait. Full: the oldest give way, and
//! what was lost of each feed is known.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::queue::ArrayQueue;
use crossbeam::sync::Unparker;
use engine::pulse::Pulse;
use engine::time::Span;

use crate::publish::Record;

/// A durable event on its way to the disk.
#[derive(Debug)]
pub(super) struct Posted {
    /// As its feed numbered it.
    pub(super) record: Record,
    /// Its number.
    pub(super) sequence: u64,
    /// When it was handed over.
    pub(super) at: Instant,
}

/// Feed and epoch.
pub(super) type Run = (String, u64);

/// Events of one feed and epoch that were lost one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    /// Number of the first.
    pub(super) first: u64,
    /// Number of the last.
    pub(super) last: u64,
    /// How many.
    pub(super) n: u64,
    /// From the earliest start to the latest end, media time.
    pub(super) span: Span,
    /// Event time of the first.
    pub(super) time: String,
}

/// The ring and what fell out of it.
#[derive(Debug)]
pub(super) struct Waiting {
    queue: ArrayQueue<Posted>,
    lost: Mutex<BTreeMap<Run, VecDeque<Lost>>>,
    n_dropped: AtomicU64,
    n_posted: AtomicU64,
    n_settled: Mutex<u64>,
    settled: Condvar,
    closing: AtomicBool,
    writer: Unparker,
    /// Of the writer.
    pub(super) pulse: Pulse,
}

impl Waiting {
    /// Room for `n` events, at least one; `writer` is woken when something comes.
    pub(super) fn new(n: usize, writer: Unparker) -> Self {
        Self {
            queue: ArrayQueue::new(n.max(1)),
            lost: Mutex::default(),
            n_dropped: AtomicU64::new(0),
            n_posted: AtomicU64::new(0),
            n_settled: Mutex::default(),
            settled: Condvar::new(),
            closing: AtomicBool::new(false),
            writer,
            pulse: Pulse::default(),
        }
    }

    /// Asks the writer for a sign of life.
    pub(super) fn ask(&self) {
        self.pulse.ask();
        self.writer.unpark();
    }

    /// Takes an event. Never waits for the disk. `false`: the journal is closed.
    pub(super) fn post(&self, posted: Posted) -> bool {
        if self.is_closing() {
            return false;
        }
        self.n_posted.fetch_add(1, Ordering::SeqCst);
        if let Err(posted) = self.queue.push(posted) {
            // Whoever has taken an event out holds the lock until it is noted: the writer sees both or neither.
            let mut lost = lock(&self.lost);
            if let Some(oldest) = self.queue.force_push(posted) {
                self.n_dropped.fetch_add(1, Ordering::SeqCst);
                note(&mut lost, &oldest);
            }
        }
        self.writer.unpark();
        true
    }

    /// The oldest.
    pub(super) fn take(&self) -> Option<Posted> {
        self.queue.pop()
    }

    /// Events that wait.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// What was lost of `run` before its event number `before`.
    pub(super) fn lost_before(&self, run: &Run, before: u64) -> Vec<Lost> {
        let mut all = lock(&self.lost);
        let Some(lost) = all.get_mut(run) else { return Vec::new() };
        let n_before = lost.iter().take_while(|lost| lost.last < before).count();
        let taken = lost.drain(..n_before).collect();
        if lost.is_empty() {
            all.remove(run);
        }
        taken
    }

    /// Everything lost of feeds of which nothing more waits.
    pub(super) fn lost_at_rest(&self) -> Vec<(Run, Lost)> {
        let mut all = lock(&self.lost);
        if all.is_empty() || !self.queue.is_empty() {
            return Vec::new();
        }
        let runs = std::mem::take(&mut *all).into_iter();
        runs.flat_map(|(run, lost)| lost.into_iter().map(move |lost| (run.clone(), lost))).collect()
    }

    /// Events lost so far.
    pub(super) fn n_dropped(&self) -> u64 {
        self.n_dropped.load(Ordering::SeqCst)
    }

    /// The writer has nothing in hand and has shown `n_shown` of what was posted.
    pub(super) fn settle(&self, n_shown: u64) {
        *lock(&self.n_settled) = n_shown.saturating_add(self.n_dropped());
        self.settled.notify_all();
    }

    /// Waits until everything posted before is shown or lost. `false`: it took longer than `patience`.
    pub(super) fn barrier(&self, patience: Duration) -> bool {
        let n_posted = self.n_posted.load(Ordering::SeqCst);
        let settled = lock(&self.n_settled);
        let waits = |n_settled: &mut u64| *n_settled < n_posted;
        match self.settled.wait_timeout_while(settled, patience, waits) {
            Ok((_, timeout)) => !timeout.timed_out(),
            Err(_) => false,
        }
    }

    /// Nothing more is taken.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.writer.unpark();
    }

    /// Whether it is closed.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }
}

fn note(all: &mut BTreeMap<Run, VecDeque<Lost>>, posted: &Posted) {
    let data = &posted.record.envelope.data;
    let lost = all.entry((data.feed.clone(), data.epoch)).or_default();
    let sequence = posted.sequence;
    match lost.back_mut() {
        Some(run) if run.last.checked_add(1) == Some(sequence) => run.extend(sequence, data.span),
        _ => lost.push_back(Lost {
            first: sequence,
            last: sequence,
            n: 1,
            span: data.span,
            time: posted.record.envelope.time.clone(),
        }),
    }
}

impl Lost {
    fn extend(&mut self, sequence: u64, span: Span) {
        self.last = sequence;
        self.n += 1;
        self.span = Span::new(self.span.start.min(span.start), self.span.end.max(span.end));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

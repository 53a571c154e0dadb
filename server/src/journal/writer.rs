//! The writer: one thread that commits what waits and shows it then. Sleeps while nothing is to be done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam::sync::Parker;
use jiff::Timestamp;

use super::Retention;
use super::keep::Keeper;
use super::number::{Hand, Moment, Prepared};
use super::row::EventRow;
use super::stamp::{Recent, Stamp, complete, complete_record};
use super::state::{Health, Status};
use super::store::{Store, Writing};
use super::waiting::{Posted, Waiting};
use crate::publish::{Hub, Published};

/// Most events in one commit: about 1 MB, 20 ms of work.
const BATCH_MAX: usize = 512;
/// A stamp that no commit takes along within this time is written by itself.
const STAMP_AFTER: Duration = Duration::from_millis(20);
/// Pages of the log (4 KiB each) above which they are moved into the file although events come.
const LOG_PAGES_MAX: i64 = 1_000;
/// Without events for this long, everything is moved into the file.
const QUIET: Duration = Duration::from_secs(1);
/// First and longest wait before a commit that failed is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// How long a journal that is closed goes on trying.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// Why events were lost where nothing failed.
const TOO_FAST: &str = "they came faster than they could be written";

/// What the thread works with.
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) waiting: Arc<Waiting>,
    pub(super) parker: Parker,
    pub(super) hub: Arc<Hub>,
    pub(super) recent: Arc<Recent>,
    pub(super) status: Arc<Status>,
    pub(super) commit_window: Duration,
    keeper: Keeper,
    work: Work,
}

/// Where its work stands.
struct Work {
    origin: Instant,
    origin_us: i64,
    hand: Hand,
    /// An event of a stream that could not be looked up.
    stuck: Option<Posted>,
    unstamped: Vec<(i64, Stamp)>,
    /// Whether it was tried to write them by themselves.
    has_stamped: bool,
    committed_at: Option<Instant>,
    /// When the log was written to last. `None`: all of it is in the file.
    logged_at: Option<Instant>,
    n_shown: u64,
    why_lost: String,
}

impl Writer {
    pub(super) fn new(
        store: Store,
        waiting: Arc<Waiting>,
        parker: Parker,
        hub: Arc<Hub>,
        (recent, status): (Arc<Recent>, Arc<Status>),
        (commit_window, retention): (Duration, Retention),
    ) -> Self {
        let work = Work {
            origin: Instant::now(),
            origin_us: Timestamp::now().as_microsecond(),
            hand: Hand::default(),
            stuck: None,
            unstamped: Vec::new(),
            has_stamped: false,
            committed_at: None,
            logged_at: Some(Instant::now()),
            n_shown: 0,
            why_lost: TOO_FAST.to_owned(),
        };
        let keeper = Keeper::new(retention, Instant::now());
        Self { store, waiting, parker, hub, recent, status, commit_window, keeper, work }
    }

    /// Works until the journal is closed and everything is written.
    pub(super) fn run(mut self) {
        loop {
            self.waiting.pulse.answer();
            let is_closing = self.waiting.is_closing();
            self.gather();
            if !self.work.hand.events.is_empty() {
                self.wait_for_company();
                if !self.commit() {
                    break;
                }
            } else if is_closing {
                break;
            } else if self.work.stuck.is_some() {
                self.pause(RETRY.1);
            } else {
                self.rest();
            }
        }
        self.finish();
    }

    /// Takes what waits into the hand.
    fn gather(&mut self) {
        while self.work.hand.events.len() < BATCH_MAX {
            let Some(posted) = self.work.stuck.take().or_else(|| self.waiting.take()) else { break };
            let data = &posted.record.envelope.data;
            if let Err(error) = self.store.look_up(&(data.feed.clone(), data.epoch)) {
                self.degrade(&error);
                self.work.stuck = Some(posted);
                break;
            }
            let moment = Moment { run_us: self.work.run_us(posted.at), why: &self.work.why_lost };
            self.work.hand.take(posted, moment, &mut self.store, &self.waiting);
        }
        self.gather_lost();
        self.status.lock().in_hand = self.work.hand.n_posted + u64::from(self.work.stuck.is_some());
    }

    /// Takes what says what was lost of feeds of which nothing waits.
    fn gather_lost(&mut self) {
        if self.work.stuck.is_some() {
            return;
        }
        for (run, lost) in self.waiting.lost_at_rest() {
            // What cannot be looked up cannot be written either: it counts as lost with the next event of the feed.
            if self.store.look_up(&run).is_ok() {
                let moment = Moment { run_us: self.work.run_us(Instant::now()), why: &self.work.why_lost };
                self.work.hand.take_lost(&run, &lost, moment, &mut self.store);
            }
        }
    }

    /// Commits are at least a window apart: what comes meanwhile shares the next one.
    fn wait_for_company(&mut self) {
        let Some(until) = self.work.committed_at.map(|at| at + self.commit_window) else { return };
        while Instant::now() < until
            && !self.waiting.is_closing()
            && self.work.hand.events.len() + self.waiting.len() < BATCH_MAX
        {
            self.parker.park_deadline(until);
        }
        self.gather();
    }

    /// Writes what is in hand, trying until it succeeds, and shows it. `false`: the journal was closed meanwhile, and
    /// time is up.
    fn commit(&mut self) -> bool {
        let mut pause = RETRY.0;
        let mut give_up_at = None;
        loop {
            let begun = Instant::now();
            let rows: Vec<&EventRow> = self.work.hand.events.iter().map(|prepared| &prepared.row).collect();
            let writing =
                Writing { streams: &self.work.hand.streams, events: &rows, stamps: &self.work.unstamped };
            match self.store.write(&writing) {
                Ok(()) => {
                    self.show(begun);
                    return true;
                }
                Err(error) => self.degrade(&error),
            }
            if self.waiting.is_closing() {
                let give_up_at = *give_up_at.get_or_insert(Instant::now() + CLOSE_PATIENCE);
                if Instant::now() >= give_up_at {
                    return false;
                }
            }
            self.pause(pause);
            pause = (pause * 2).min(RETRY.1);
        }
    }

    fn degrade(&mut self, error: &rusqlite::Error) {
        let reason = format!("{}: {error}", self.store.path().display());
        self.work.why_lost = format!("the journal could not be written: {error}");
        let mut counts = self.status.lock();
        let since = match &counts.health {
            Health::Fine => Timestamp::now(),
            Health::Degraded { since, .. } => *since,
        };
        counts.health = Health::Degraded { since, reason };
    }

    /// Waits, whatever comes, unless the journal is being closed.
    fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let was_closing = self.waiting.is_closing();
        while Instant::now() < until && self.waiting.is_closing() == was_closing {
            // A disk that is full is no reason to lose what waits for it.
            self.waiting.pulse.answer();
            self.parker.park_deadline(until);
        }
    }

    /// What is in hand is on disk, written since `begun`: stamps and shows it.
    fn show(&mut self, begun: Instant) {
        let now = Instant::now();
        let stamp = Stamp { run_us: self.work.run_us(now), wall_ms: Timestamp::now().as_millisecond() };
        let batch = self.store.next_batch;
        self.store.next_batch += 1;
        self.recent.add(batch, stamp);
        self.work.unstamped.clear();
        self.work.unstamped.push((batch, stamp));
        self.work.has_stamped = false;
        self.work.committed_at = Some(now);
        self.work.logged_at = Some(now);
        let Hand { events, n_posted, .. } = std::mem::take(&mut self.work.hand);
        self.work.n_shown += n_posted;
        {
            let mut counts = self.status.lock();
            counts.health = Health::Fine;
            counts.committed(now - begun, events.iter().map(|event| event.row.hand_over.wait(stamp)));
        }
        events.into_iter().for_each(|event| self.hub.publish(Arc::new(published(event, stamp))));
        if self.waiting.len() == 0 {
            TOO_FAST.clone_into(&mut self.work.why_lost);
        }
        self.waiting.settle(self.work.n_shown);
        self.store.forget_streams();
        self.keeper.step(&self.store, Instant::now(), stamp.wall_ms);
        self.bound_log();
    }

    /// Moves the log into the file where it has become long. A failure leaves the log, which is as good; the next
    /// commit says what is wrong.
    fn bound_log(&mut self) {
        if self.store.log_pages().is_ok_and(|pages| pages >= LOG_PAGES_MAX) {
            let _ = self.store.checkpoint("PASSIVE");
        }
    }

    /// Nothing waits: does what is due and sleeps until something is.
    fn rest(&mut self) {
        self.waiting.settle(self.work.n_shown);
        let now = Instant::now();
        let Chores { stamp_at, keep_at, quiet_at } = self.chores();
        if stamp_at.is_some_and(|at| at <= now) {
            self.stamp();
        }
        if keep_at.is_some_and(|at| at <= now)
            && self.keeper.step(&self.store, now, Timestamp::now().as_millisecond())
        {
            self.work.logged_at = Some(now);
        }
        if quiet_at.is_some_and(|at| at <= now) {
            self.work.logged_at = None;
            // What stays in the log is as good there.
            let _ = self.store.checkpoint("PASSIVE");
        }
        let Chores { stamp_at, keep_at, quiet_at } = self.chores();
        match [stamp_at, keep_at, quiet_at].into_iter().flatten().min() {
            Some(at) => self.parker.park_deadline(at),
            None => self.parker.park(),
        }
    }

    fn chores(&self) -> Chores {
        let work = &self.work;
        let is_bare = !work.unstamped.is_empty() && !work.has_stamped;
        Chores {
            stamp_at: work.committed_at.filter(|_| is_bare).map(|at| at + STAMP_AFTER),
            keep_at: self.keeper.due_at(),
            quiet_at: work.logged_at.map(|at| at + QUIET),
        }
    }

    /// Writes stamps by themselves, once. A failure leaves them for the next commit.
    fn stamp(&mut self) {
        self.work.has_stamped = true;
        let writing = Writing { stamps: &self.work.unstamped, ..Writing::default() };
        if self.store.write_soon(&writing).is_ok() {
            self.work.unstamped.clear();
        }
    }

    fn finish(&mut self) {
        let writing = Writing { stamps: &self.work.unstamped, ..Writing::default() };
        if !self.work.unstamped.is_empty() && self.store.write(&writing).is_ok() {
            self.work.unstamped.clear();
        }
        // What stays in the log is found there when the journal is opened again.
        let _ = self.store.checkpoint("TRUNCATE");
        self.waiting.settle(self.work.n_shown);
    }
}

/// When what is to be done next, where nothing waits.
struct Chores {
    stamp_at: Option<Instant>,
    keep_at: Option<Instant>,
    quiet_at: Option<Instant>,
}

impl Work {
    /// By the run's own clock, us: wall time at its start, monotonic since.
    fn run_us(&self, at: Instant) -> i64 {
        let since = at.saturating_duration_since(self.origin);
        self.origin_us.saturating_add(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

fn published(Prepared { row, mut record }: Prepared, stamp: Stamp) -> Published {
    complete_record(&mut record, row.hand_over, stamp);
    let line = complete(&row.line, row.hand_over, stamp).map(String::into_bytes);
    // A stripped line can always be completed; the record says the same.
    let line = line.or_else(|| serde_json::to_vec(&record.envelope).ok()).unwrap_or_default();
    Published { cursor: u64::try_from(row.cursor).ok(), record, line: Bytes::from(line) }
}

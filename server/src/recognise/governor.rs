//! The governor of the recognisers: adds up what the feeds ask for, judges once a second what each is given, and admits
//! or refuses new ones. The way of a job touches atomics only; a lock is taken where feeds come and once a second.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use engine::lane::WhenFull;
use engine::time::MediaTime;
use thiserror::Error;

use super::cost::{FINALS_A_SECOND, PARTIALS_A_SECOND, Price};
use super::ladder::{Demand, Ladder, PLANNED, Step};
use super::mailbox::Due;

/// Between two judgements, microseconds.
const PERIOD: Due = 1_000_000;
/// Time over which demand is averaged: for what is given now, and for what more feeds would find.
const MEMORY: Duration = Duration::from_secs(8);
const LONG_MEMORY: Duration = Duration::from_secs(300);
/// Partials may come this much more rarely than asked for before a feed is refused.
const STRETCH_ADMITTED: f64 = 2.0;
/// Share of what a feed of continuous speech asks for finals that a new one counts for in the ladder: what it must at
/// least ask for, without what is decoded ahead. Nothing is shed on a guess alone.
const NEW_FEED: f64 = 0.67;
/// A feed that asks for no partials at present would ask for this many times what its finals take at most.
const PARTIALS_PER_FINAL: f64 = 3.0;

/// How a feed comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What comes first when there is not enough for all; feeds of one priority in the order in which they came.
    pub priority: u8,
    /// Whether it may be refused.
    pub admission: Admission,
}

/// Whether a feed that does not fit comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is refused, unless it fits when feeds of lower priority do not count.
    IfItFits,
    /// It comes in, and somebody goes without.
    Always,
    /// As [`Self::IfItFits`]; and what it asks for is done only while nothing of another feed waits, never by all
    /// recognisers at once where there are several. It waits for that as long as it takes: its requests are never late,
    /// and it gives nothing up. For recordings beside live feeds.
    AsThereIsRoom,
}

/// A feed that does not fit. Shares are of one recogniser.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error(
    "a feed of continuous speech takes {needed:.2} of a recogniser; {taken:.2} of {room:.2} that may be planned are \
     taken by {n_feeds} feeds"
)]
pub struct Refused {
    /// What it would take.
    pub needed: f64,
    /// What others take.
    pub taken: f64,
    /// What may be planned for.
    pub room: f64,
    /// How many others there are.
    pub n_feeds: usize,
}

/// A feed's place among those that share the recognisers; given up when dropped.
#[derive(Debug)]
pub struct Seat {
    rank: (Reverse<u8>, u64),
    admission: Admission,
    /// Time between partials. `None`: there are none.
    pub(super) partial: Option<MediaTime>,
    /// Up to where partials were counted, flicks of the feed's time.
    counted_to: AtomicU64,
    /// Work asked for since the last judgement.
    finals: AtomicU64,
    partials: AtomicU64,
    step: AtomicU8,
}

impl Seat {
    /// What the feed has given up.
    #[must_use]
    pub fn step(&self) -> Step {
        let step = usize::from(self.step.load(Ordering::Acquire));
        Step::LADDER.get(step).copied().unwrap_or(Step::NoSpeech)
    }

    /// What comes first.
    pub(super) fn priority(&self) -> u8 {
        self.rank.0.0
    }

    /// Whether it is served only with what other feeds leave: see [`Admission::AsThereIsRoom`].
    #[must_use]
    pub fn takes_what_is_left(&self) -> bool {
        self.admission == Admission::AsThereIsRoom
    }

    /// A final was asked for.
    pub(super) fn asked_final(&self, work: u64) {
        self.finals.fetch_add(work, Ordering::Relaxed);
    }

    /// A partial of audio up to `proof` was asked for. One that only brings a waiting one up to date does not count.
    pub(super) fn asked_partial(&self, work: u64, proof: MediaTime) {
        let (interval, now) = (self.partial.map_or(0, MediaTime::flicks), proof.flicks());
        let counted_to = self.counted_to.load(Ordering::Relaxed);
        if now >= counted_to.saturating_add(interval) || now < counted_to {
            self.counted_to.store(now, Ordering::Relaxed);
            self.partials.fetch_add(work, Ordering::Relaxed);
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Governor {
    pub(super) price: Price,
    n_recognisers: usize,
    /// Recognisers that take jobs, and those that would fail.
    n_awake: AtomicUsize,
    n_resting: AtomicUsize,
    judged_at: AtomicU64,
    /// Where feeds wait there is no overload.
    when_full: WhenFull,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Most important first.
    rows: Vec<Row>,
    n_joined: u64,
    ladder: Ladder,
}

#[derive(Debug)]
struct Row {
    rank: (Reverse<u8>, u64),
    seat: Weak<Seat>,
    /// What it asks for, averaged over a short and a long time.
    now: Work,
    usual: Work,
}

/// Work asked for a second.
#[derive(Clone, Copy, Debug)]
struct Work {
    finals: f64,
    partials: f64,
}

impl Governor {
    /// Of `n_recognisers`, at least one.
    pub(super) fn new(n_recognisers: usize, price: Price, when_full: WhenFull) -> Self {
        let n_recognisers = n_recognisers.max(1);
        Self {
            price,
            n_recognisers,
            n_awake: AtomicUsize::new(n_recognisers),
            n_resting: AtomicUsize::new(0),
            judged_at: AtomicU64::new(0),
            when_full,
            table: Mutex::default(),
        }
    }

    /// What is left behind by a panic are numbers like any others.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a feed with partials this often.
    pub(super) fn join(&self, entry: Entry, partial: Option<MediaTime>) -> Result<Arc<Seat>, Refused> {
        let expected = expected(partial);
        let mut table = self.table();
        table.rows.retain(|row| row.seat.strong_count() > 0);
        if entry.admission != Admission::Always && self.sheds() {
            table.check(&entry, expected, &self.price, PLANNED * self.n_recognisers as f64)?;
        }
        table.n_joined += 1;
        let rank = (Reverse(entry.priority), table.n_joined);
        let seat = Arc::new(Seat {
            rank,
            admission: entry.admission,
            partial,
            counted_to: AtomicU64::new(0),
            finals: AtomicU64::new(0),
            partials: AtomicU64::new(0),
            step: AtomicU8::new(Step::All as u8),
        });
        // It asks for as much as there is: to count that would take it from the others.
        if seat.takes_what_is_left() {
            return Ok(seat);
        }
        let row = Row {
            rank,
            seat: Arc::downgrade(&seat),
            now: Work { finals: NEW_FEED * expected.finals, ..expected },
            usual: expected,
        };
        let at = table.rows.partition_point(|other| other.rank < rank);
        table.rows.insert(at, row);
        if self.sheds() {
            table.tell(&self.price, self.n_working());
        }
        Ok(seat)
    }

    /// Judges, when it is time to.
    pub(super) fn tick(&self, now: Due) {
        let since = self.judged_at.load(Ordering::Acquire);
        let elapsed = now.saturating_sub(since);
        let is_mine = elapsed >= PERIOD
            && self.sheds()
            && self.judged_at.compare_exchange(since, now, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if is_mine {
            let elapsed = Duration::from_micros(elapsed);
            let mut table = self.table();
            table.rows.retain_mut(|row| row.measure(elapsed));
            table.tell(&self.price, self.n_working());
        }
    }

    fn sheds(&self) -> bool {
        self.when_full != WhenFull::Wait
    }

    /// Recognisers that would not fail.
    fn n_working(&self) -> usize {
        self.n_recognisers.saturating_sub(self.n_resting.load(Ordering::Acquire))
    }

    /// Recognisers that may be at work at a time for feeds that take what is left: one is for the others, where there
    /// is another one.
    pub(super) fn left_max(&self) -> usize {
        self.n_awake.load(Ordering::Acquire).saturating_sub(1).max(1)
    }

    /// A recogniser would fail from now on.
    pub(super) fn rest_begins(&self) {
        self.n_resting.fetch_add(1, Ordering::AcqRel);
    }

    /// It would no longer.
    pub(super) fn rest_ends(&self) {
        self.n_resting.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether the calling recogniser, which would fail, may leave the jobs to others: when it is not the last one. It
    /// must [`Self::come_back`].
    pub(super) fn leave(&self) -> bool {
        let leave = |n: usize| (n > 1).then(|| n - 1);
        self.n_awake.fetch_update(Ordering::AcqRel, Ordering::Acquire, leave).is_ok()
    }

    /// See [`Self::leave`].
    pub(super) fn come_back(&self) {
        self.n_awake.fetch_add(1, Ordering::AcqRel);
    }
}

/// Work a second that a feed of continuous speech will ask for.
fn expected(partial: Option<MediaTime>) -> Work {
    let partials = partial.map_or(0.0, |time| PARTIALS_A_SECOND / time.as_secs_f64().max(0.1));
    Work { finals: FINALS_A_SECOND, partials }
}

impl Work {
    /// In recognisers at work.
    fn demand(self, price: &Price) -> Demand {
        let recognisers = |work: f64| work * price.of(1_000).as_secs_f64() / 1e3;
        Demand { finals: recognisers(self.finals), partials: recognisers(self.partials) }
    }

    /// What is planned for it, in recognisers at work.
    fn planned(self, price: &Price) -> f64 {
        let Demand { finals, partials } = self.demand(price);
        finals + partials / STRETCH_ADMITTED
    }
}

/// Feeds of continuous speech with partials this often that `n_recognisers` let in, where [`super::measure`] says
/// `measured`.
#[must_use]
pub fn feeds_admitted(measured: Duration, n_recognisers: usize, partial: Option<MediaTime>) -> u64 {
    let needed = expected(partial).planned(&Price::new(Some(measured)));
    (PLANNED * n_recognisers as f64 / needed.max(1e-6)) as u64
}

impl Table {
    /// Whether another feed fits.
    fn check(&self, entry: &Entry, expected: Work, price: &Price, room: f64) -> Result<(), Refused> {
        let counts = |row: &&Row| row.rank.0.0 >= entry.priority;
        let taken: f64 = self.rows.iter().filter(counts).map(|row| row.usual.planned(price)).sum();
        let needed = expected.planned(price);
        // The first feed of a slow machine comes in, and has what there is.
        if taken > 0.0 && taken + needed > room {
            let n_feeds = self.rows.iter().filter(counts).count();
            return Err(Refused { needed, taken, room, n_feeds });
        }
        Ok(())
    }

    /// Judges, and tells each feed.
    fn tell(&mut self, price: &Price, n_recognisers: usize) {
        let demands: Vec<Demand> = self.rows.iter().map(|row| row.now.demand(price)).collect();
        let steps = self.ladder.judge(&demands, n_recognisers);
        for (row, step) in self.rows.iter().zip(steps) {
            if let Some(seat) = row.seat.upgrade() {
                seat.step.store(step as u8, Ordering::Release);
            }
        }
    }
}

impl Row {
    /// Takes what was asked for in the last `elapsed`. `false`: the feed is over.
    fn measure(&mut self, elapsed: Duration) -> bool {
        let Some(seat) = self.seat.upgrade() else { return false };
        let a_second = |work: &AtomicU64| work.swap(0, Ordering::Relaxed) as f64 / elapsed.as_secs_f64();
        let (finals, partials, step) = (a_second(&seat.finals), a_second(&seat.partials), seat.step());
        for (demand, memory) in [(&mut self.now, MEMORY), (&mut self.usual, LONG_MEMORY)] {
            let weight = 1.0 - (-elapsed.as_secs_f64() / memory.as_secs_f64()).exp();
            demand.finals += weight * (finals - demand.finals);
            if step == Step::All {
                demand.partials += weight * (partials - demand.partials);
            }
            demand.partials = demand.partials.min(PARTIALS_PER_FINAL * demand.finals);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECOND: Due = 1_000_000;

    /// Of two recognisers, where a unit of work takes 0.4 ms.
    fn governor() -> Governor {
        Governor::new(2, Price::new(None), WhenFull::ShedAfter(Duration::ZERO))
    }

    fn entry(priority: u8) -> Entry {
        Entry { priority, admission: Admission::IfItFits }
    }

    const PARTIAL: Option<MediaTime> = Some(MediaTime::from_secs(1));

    #[test]
    fn feeds_come_in_until_no_more_fit_and_the_reason_has_the_figures() {
        let governor = governor();
        let joined: Vec<_> = (0..40).map_while(|_| governor.join(entry(0), PARTIAL).ok()).collect();
        assert_eq!(joined.len(), 15, "0.12 each of 1.84");
        assert_eq!(
            feeds_admitted(Duration::from_millis(384 * 4 / 10), 2, PARTIAL),
            15,
            "as it was said before"
        );
        let refused = governor.join(entry(0), PARTIAL).unwrap_err();
        let expected = "a feed of continuous speech takes 0.12 of a recogniser; 1.80 of 1.84 that may be planned are \
                        taken by 15 feeds";
        assert_eq!(refused.to_string(), expected);
        assert!(governor.join(entry(1), PARTIAL).is_ok(), "a more important one does");
        assert!(governor.join(Entry { admission: Admission::Always, ..entry(0) }, PARTIAL).is_ok());
        drop(joined);
        assert!(governor.join(entry(0), PARTIAL).is_ok(), "there is room again");
    }

    #[test]
    fn a_feed_that_says_little_makes_room_and_one_that_says_much_loses_what_the_ladder_takes() {
        let governor = governor();
        let seats: Vec<_> = (0..15).map(|_| governor.join(entry(0), PARTIAL).unwrap()).collect();
        let mut now = 0;
        let mut seconds = |n: u64, work: u64| {
            for _ in 0..n {
                seats.iter().for_each(|seat| seat.asked_final(work));
                now += SECOND;
                governor.tick(now);
            }
        };
        seconds(60, 1_000);
        assert_eq!(seats[0].step(), Step::OnceOnly);
        let n_shed = seats.iter().filter(|seat| seat.step() == Step::OthersFirst).count();
        assert_eq!(n_shed, 11, "four times 0.4 of 1.84 are done");
        assert!(seats[..4].iter().all(|seat| seat.step() == Step::OnceOnly), "the first who came");
        seconds(30, 10);
        assert!(seats.iter().all(|seat| seat.step() == Step::All), "all of it is back within 30 s");
        seconds(600, 10);
        assert!(governor.join(entry(0), PARTIAL).is_ok());
    }

    #[test]
    fn what_takes_what_is_left_comes_in_where_there_is_room_and_counts_for_nobody() {
        let governor = governor();
        let left = Entry { admission: Admission::AsThereIsRoom, ..entry(0) };
        let recordings: Vec<_> = (0..40).map(|_| governor.join(left, None).unwrap()).collect();
        let live: Vec<_> = (0..40).map_while(|_| governor.join(entry(0), PARTIAL).ok()).collect();
        assert_eq!(live.len(), 15, "as many as without recordings");
        assert!(governor.join(left, PARTIAL).is_err(), "there is no room for another one now");
        for second in 1..20 {
            recordings.iter().for_each(|seat| seat.asked_final(100_000));
            governor.tick(second * SECOND);
        }
        assert!(live.iter().all(|seat| seat.step() == Step::All), "nothing is given up for recordings");
    }

    #[test]
    fn bringing_a_waiting_partial_up_to_date_is_not_another_one() {
        let governor = governor();
        let seat = governor.join(entry(0), PARTIAL).unwrap();
        for ms in [1_000, 1_300, 1_600, 1_900, 2_000, 2_300] {
            seat.asked_partial(100, MediaTime::from_millis(ms));
        }
        assert_eq!(seat.partials.load(Ordering::Relaxed), 200);
    }

    #[test]
    fn where_feeds_wait_nobody_gives_anything_up() {
        let governor = Governor::new(1, Price::new(None), WhenFull::Wait);
        let seats: Vec<_> = (0..40).map(|_| governor.join(entry(0), None).unwrap()).collect();
        (1..20).for_each(|second| {
            seats.iter().for_each(|seat| seat.asked_final(10_000));
            governor.tick(second * SECOND);
        });
        assert!(seats.iter().all(|seat| seat.step() == Step::All));
    }
}

//! The feeds as one recogniser sees them, and which job it takes next. No thread, no clock.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam::queue::SegQueue;

use super::job::{Feed, Job};
use super::mailbox::{Due, Offer};

/// What a recogniser may expect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    pub(super) now: Due,
    /// Time that a usual final and a usual partial take, microseconds.
    pub(super) final_takes: Due,
    pub(super) partial_takes: Due,
    /// Recognisers that may be at work at a time for feeds that take what is left.
    pub(super) left_max: usize,
}

/// Recognisers at work for feeds that take what is left. All desks of a pool share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Leftovers(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Leftovers {
    /// `None`: there are `n_max` already.
    fn place(&self, n_max: usize) -> Option<Place> {
        let more = |n: usize| (n < n_max).then_some(n + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Place(Arc::clone(&self.0)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What comes first among finals, or among partials: what would be late before the rest, and of that the more important
/// feed; then what is due first.
type Rank = (Lateness, Reverse<u8>, Due);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lateness {
    Late,
    InTime,
}

/// A job that could be taken, and what comes first.
type Candidate<'a> = (Rank, Offer, &'a Arc<Feed>);

impl Outlook {
    fn rank(&self, offer: &Offer, feed: &Feed) -> Rank {
        let takes = if offer.is_partial { self.partial_takes } else { self.final_takes };
        if self.now + takes > offer.due {
            (Lateness::Late, Reverse(feed.priority), offer.due)
        } else {
            (Lateness::InTime, Reverse(0), offer.due)
        }
    }

    /// What is due first of a final, with others behind it, and a partial; but the final unless all of them are in time
    /// all the same: partials have what time finals leave.
    fn first<'a>(
        &self,
        said: Option<Candidate<'a>>,
        n_finals: Due,
        growing: Option<Candidate<'a>>,
    ) -> Option<Candidate<'a>> {
        match (said, growing) {
            (Some(said), Some(growing)) => {
                let ends = self.now + self.partial_takes + n_finals * self.final_takes;
                let is_partial_first = growing.0 < said.0 && ends <= said.1.due;
                Some(if is_partial_first { growing } else { said })
            }
            (said, growing) => said.or(growing),
        }
    }
}

/// One recogniser's view.
pub(super) struct Desk {
    /// Feeds that are new.
    inbox: Arc<SegQueue<Arc<Feed>>>,
    feeds: Vec<Arc<Feed>>,
    leftovers: Leftovers,
}

/// What could be taken, of each kind the first.
#[derive(Default)]
struct Choice<'a> {
    said: Option<Candidate<'a>>,
    growing: Option<Candidate<'a>>,
    left: Option<Candidate<'a>>,
    /// Finals of feeds that do not take what is left.
    n_finals: Due,
}

impl<'a> Choice<'a> {
    fn of(feeds: &'a [Arc<Feed>], outlook: &Outlook) -> Self {
        let mut choice = Self::default();
        for feed in feeds {
            let is_busy = feed.has_partial.load(Ordering::Acquire);
            for offer in feed.mailbox.offers().filter(|offer| !(offer.is_partial && is_busy)) {
                let best = match (feed.takes_what_is_left, offer.is_partial) {
                    (true, _) => &mut choice.left,
                    (false, true) => &mut choice.growing,
                    (false, false) => {
                        choice.n_finals += 1;
                        &mut choice.said
                    }
                };
                let rank = outlook.rank(&offer, feed);
                if best.is_none_or(|(other, ..)| rank < other) {
                    *best = Some((rank, offer, feed));
                }
            }
        }
        choice
    }
}

impl Desk {
    /// New feeds come in through `inbox`.
    pub(super) fn new(inbox: Arc<SegQueue<Arc<Feed>>>, leftovers: Leftovers) -> Self {
        Self { inbox, feeds: Vec::new(), leftovers }
    }

    /// Takes the job that comes first. Forgets feeds that are over.
    pub(super) fn next(&mut self, outlook: &Outlook) -> Option<Box<Job>> {
        while let Some(feed) = self.inbox.pop() {
            self.feeds.push(feed);
        }
        // Closed is read before the jobs: what was put in before it was closed is seen.
        self.feeds.retain(|feed| !feed.is_closed.load(Ordering::Acquire) || !feed.mailbox.is_empty());
        loop {
            let Choice { said, growing, left, n_finals } = Choice::of(&self.feeds, outlook);
            let ((_, offer, feed), place) = match outlook.first(said, n_finals, growing) {
                Some(first) => (first, None),
                None => (left?, Some(self.leftovers.place(outlook.left_max)?)),
            };
            // Two recognisers may want the same one, or partials of the same feed.
            if offer.is_partial && feed.has_partial.swap(true, Ordering::AcqRel) {
                continue;
            }
            match feed.mailbox.take(offer) {
                Some(mut job) => {
                    feed.room.unpark();
                    job.place = place;
                    return Some(job);
                }
                None if offer.is_partial => feed.has_partial.store(false, Ordering::Release),
                None => {}
            }
        }
    }

    /// Whether no feed is left.
    pub(super) fn is_empty(&self) -> bool {
        self.feeds.is_empty() && self.inbox.is_empty()
    }
}

//! The feeds as one recogniser sees them, and which job it takes next. No thread, no clock.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
}

impl Desk {
    /// New feeds come in through `inbox`.
    pub(super) fn new(inbox: Arc<SegQueue<Arc<Feed>>>) -> Self {
        Self { inbox, feeds: Vec::new() }
    }

    /// Takes the job that comes first. Forgets feeds that are over.
    pub(super) fn next(&mut self, outlook: &Outlook) -> Option<Box<Job>> {
        while let Some(feed) = self.inbox.pop() {
            self.feeds.push(feed);
        }
        // Closed is read before the jobs: what was put in before it was closed is seen.
        self.feeds.retain(|feed| !feed.is_closed.load(Ordering::Acquire) || !feed.mailbox.is_empty());
        loop {
            let [mut best_final, mut best_partial]: [Option<Candidate>; 2] = [None; 2];
            let mut n_finals = 0;
            for feed in &self.feeds {
                let is_busy = feed.has_partial.load(Ordering::Acquire);
                for offer in feed.mailbox.offers().filter(|offer| !(offer.is_partial && is_busy)) {
                    n_finals += Due::from(!offer.is_partial);
                    let best = if offer.is_partial { &mut best_partial } else { &mut best_final };
                    let rank = outlook.rank(&offer, feed);
                    if best.is_none_or(|(other, ..)| rank < other) {
                        *best = Some((rank, offer, feed));
                    }
                }
            }
            let (_, offer, feed) = outlook.first(best_final, n_finals, best_partial)?;
            // Two recognisers may want the same one, or partials of the same feed.
            if offer.is_partial && feed.has_partial.swap(true, Ordering::AcqRel) {
                continue;
            }
            match feed.mailbox.take(offer) {
                Some(job) => {
                    feed.room.unpark();
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

//! The feeds as one recogniser sees them, and which job it takes next. No thread, no clock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam::queue::SegQueue;

use super::job::{Feed, Job};
use super::mailbox::{Due, Offer};

/// Partials that are late by this much, microseconds, wait for everything else: they would hardly be read.
const HOPELESS: Due = 2_000_000;

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

    /// Takes the job that is due first; partials that are long late anyway come last. Forgets feeds that are over.
    pub(super) fn next(&mut self, now: Due) -> Option<Box<Job>> {
        while let Some(feed) = self.inbox.pop() {
            self.feeds.push(feed);
        }
        // Closed is read before the jobs: what was put in before it was closed is seen.
        self.feeds.retain(|feed| !feed.is_closed.load(Ordering::Acquire) || !feed.mailbox.is_empty());
        let rank = |offer: &Offer| (offer.is_partial && offer.due + HOPELESS < now, offer.due);
        loop {
            let mut best: Option<(Offer, &Arc<Feed>)> = None;
            for feed in &self.feeds {
                let first = feed.mailbox.offers().min_by_key(rank);
                if let Some(offer) = first
                    && best.is_none_or(|(other, _)| rank(&offer) < rank(&other))
                {
                    best = Some((offer, feed));
                }
            }
            let (offer, feed) = best?;
            if let Some(job) = feed.mailbox.take(offer) {
                feed.room.unpark();
                return Some(job);
            }
        }
    }

    /// Whether no feed is left.
    pub(super) fn is_empty(&self) -> bool {
        self.feeds.is_empty() && self.inbox.is_empty()
    }
}

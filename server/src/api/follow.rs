//! Events in their order, from any place in the journal on to what becomes visible now, without a hole between them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use engine::event::EventKind;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::problem::Problem;
use super::readers::Readers;
use crate::journal::{Range, Stored};
use crate::publish::Published;

/// Events that are read from the journal at a time.
const PAGE: usize = 500;

/// Which events.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// Of these feeds; of all when there are none.
    pub(super) feeds: BTreeSet<String>,
    /// Of these types; of all when there are none.
    pub(super) kinds: BTreeSet<EventKind>,
}

impl Filter {
    fn takes(&self, published: &Published) -> bool {
        let data = &published.record.envelope.data;
        (self.feeds.is_empty() || self.feeds.contains(&data.feed))
            && (self.kinds.is_empty() || self.kinds.contains(&data.body.kind()))
    }

    /// A page of the journal after `position`.
    pub(super) fn page(&self, position: u64, limit: usize) -> Range {
        Range {
            feeds: self.feeds.iter().cloned().collect(),
            kinds: self.kinds.iter().copied().collect(),
            after: Some(position),
            limit,
            ..Range::default()
        }
    }
}

/// An event on its way to a reader.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// Its place in the journal. `None`: ephemeral.
    pub(super) cursor: Option<u64>,
    /// The line.
    pub(super) line: Bytes,
}

impl From<Stored> for Shown {
    fn from(stored: Stored) -> Self {
        Self { cursor: Some(stored.cursor), line: stored.line }
    }
}

/// Why there is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The reader is too slow; it resumes after `resume`.
    Cut {
        /// The last place that it was shown.
        resume: u64,
    },
    /// The service ends.
    Ending,
    /// The journal cannot be read.
    Failed(String),
}

/// See the module.
pub(super) struct Follow {
    filter: Filter,
    readers: Arc<Readers>,
    live: Receiver<Arc<Published>>,
    ending: watch::Receiver<bool>,
    /// Everything up to here was shown, or is not asked for.
    position: u64,
    /// Read from the journal, to be shown.
    page: VecDeque<Stored>,
    is_live: bool,
    /// One of the clients that may follow at a time.
    _place: OwnedSemaphorePermit,
}

impl Follow {
    /// Shows what comes after `position`.
    pub(super) fn new(
        filter: Filter,
        readers: Arc<Readers>,
        live: Receiver<Arc<Published>>,
        ending: watch::Receiver<bool>,
        position: u64,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { filter, readers, live, ending, position, page: VecDeque::new(), is_live: false, _place: place }
    }

    /// The next event.
    pub(super) async fn next(&mut self) -> Result<Shown, End> {
        loop {
            if let Some(stored) = self.page.pop_front() {
                self.position = stored.cursor;
                return Ok(stored.into());
            }
            if !self.is_live {
                self.turn_page().await.map_err(|problem| End::Failed(problem.detail))?;
                continue;
            }
            let next = tokio::select! {
                next = self.live.recv() => next,
                _ = self.ending.wait_for(|ending| *ending) => return Err(End::Ending),
            };
            match next {
                Ok(published) => {
                    if let Some(shown) = self.take(&published) {
                        return Ok(shown);
                    }
                }
                Err(RecvError::Lagged(_)) => return Err(End::Cut { resume: self.position }),
                Err(RecvError::Closed) => return Err(End::Ending),
            }
        }
    }

    /// Reads on in the journal. At its end what is live follows; meanwhile nothing live is waited for, which would run away
    /// from a reader with much to read.
    async fn turn_page(&mut self) -> Result<(), Problem> {
        let live = self.live.resubscribe();
        let range = self.filter.page(self.position, PAGE);
        self.page = self.readers.read(move |reader| reader.range(&range)).await?.into();
        self.live = live;
        self.is_live = self.page.is_empty();
        Ok(())
    }

    fn take(&mut self, published: &Published) -> Option<Shown> {
        if published.cursor.is_some_and(|cursor| cursor <= self.position) {
            return None;
        }
        self.position = published.cursor.unwrap_or(self.position);
        self.filter.takes(published).then(|| Shown { cursor: published.cursor, line: published.line.clone() })
    }
}

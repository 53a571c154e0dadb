//! Which mounts there are: where encoders bring their audio.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::FeedName;
use crate::ingest::Dock;

/// Docks by the path of their mount.
#[derive(Debug, Default)]
pub struct Docks(Mutex<BTreeMap<String, (FeedName, Dock)>>);

impl Docks {
    /// The feed that is fed at `path`, and where.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<(FeedName, Dock)> {
        self.lock().get(path).cloned()
    }

    /// Opens a dock at `path`, in place of one that was there.
    pub fn open(&self, path: &str, feed: FeedName, dock: Dock) {
        self.lock().insert(path.to_owned(), (feed, dock));
    }

    /// Closes what `feed` has at `path`.
    pub fn close(&self, path: &str, feed: &FeedName) {
        let mut docks = self.lock();
        if docks.get(path).is_some_and(|(owner, _)| owner == feed) {
            docks.remove(path);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (FeedName, Dock)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

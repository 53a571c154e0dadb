//! Which mounts there are: where encoders bring their audio.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::config::FeedName;
use crate::ingest::Dock;

/// Docks by the path of their mount. A mount is there for as long as its feed is to run; it is open while that runs.
#[derive(Debug, Default)]
pub struct Docks {
    mounts: Mutex<BTreeMap<String, Mount>>,
    opened: Notify,
}

#[derive(Debug)]
struct Mount {
    owner: FeedName,
    /// `None`: the feed is starting, or failed and is about to be started again.
    dock: Option<Dock>,
}

/// What is at a path.
#[derive(Debug)]
pub enum Berth {
    /// No feed takes its audio from there.
    Nothing,
    /// A feed does, but is not running yet.
    Starting,
    /// There.
    Open(Dock),
}

impl Docks {
    /// What is at `path` now.
    #[must_use]
    pub fn at(&self, path: &str) -> Berth {
        match self.lock().get(path) {
            None => Berth::Nothing,
            Some(Mount { dock: None, .. }) => Berth::Starting,
            Some(Mount { dock: Some(dock), .. }) => Berth::Open(dock.clone()),
        }
    }

    /// What is at `path` once nothing is starting there, or `patience` is over.
    pub async fn settled_at(&self, path: &str, patience: impl Future<Output = ()>) -> Berth {
        tokio::pin!(patience);
        loop {
            let opened = self.opened.notified();
            match self.at(path) {
                Berth::Starting => {}
                berth => return berth,
            }
            tokio::select! {
                () = opened => {}
                () = &mut patience => return self.at(path),
            }
        }
    }

    /// `owner` will open a dock at `path`.
    pub fn announce(&self, path: &str, owner: FeedName) {
        self.lock().insert(path.to_owned(), Mount { owner, dock: None });
    }

    /// Opens a dock at `path`.
    pub fn open(&self, path: &str, owner: FeedName, dock: Dock) {
        self.lock().insert(path.to_owned(), Mount { owner, dock: Some(dock) });
        self.opened.notify_waiters();
    }

    /// Closes what `owner` has at `path`; it may open again.
    pub fn close(&self, path: &str, owner: &FeedName) {
        if let Some(mount) = self.lock().get_mut(path).filter(|mount| mount.owner == *owner) {
            mount.dock = None;
        }
    }

    /// `owner` takes nothing at `path` any more.
    pub fn remove(&self, path: &str, owner: &FeedName) {
        let mut mounts = self.lock();
        if mounts.get(path).is_some_and(|mount| mount.owner == *owner) {
            mounts.remove(path);
        }
        drop(mounts);
        self.opened.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Mount>> {
        self.mounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::future::{pending, ready};

    use tokio::runtime::Builder;

    use super::*;
    use crate::ingest::{Audio, LiveConfig};

    #[test]
    fn a_mount_that_is_starting_is_waited_for() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (_audio, dock) = Audio::from_dock("mount:/a", LiveConfig::default(), runtime.handle()).unwrap();
        let (docks, feed): (Docks, FeedName) = (Docks::default(), "a".parse().unwrap());
        docks.announce("/a", feed.clone());
        docks.announce("/b", feed.clone());
        runtime.block_on(async {
            // The visitor is there first.
            let opening = async { docks.open("/a", feed.clone(), dock) };
            let (berth, ()) = tokio::join!(docks.settled_at("/a", pending()), opening);
            assert!(matches!(berth, Berth::Open(_)), "{berth:?}");
            let removing = async { docks.remove("/b", &feed) };
            let (berth, ()) = tokio::join!(docks.settled_at("/b", pending()), removing);
            assert!(matches!(berth, Berth::Nothing), "{berth:?}");
            docks.close("/a", &feed);
            let berth = docks.settled_at("/a", ready(())).await;
            assert!(matches!(berth, Berth::Starting), "not for ever: {berth:?}");
            let berth = docks.settled_at("/c", pending()).await;
            assert!(matches!(berth, Berth::Nothing), "{berth:?}");
        });
    }
}

//! Signs of life: every 5 s each running feed is asked for one, from a thread of its own.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::sync::{Parker, Unparker};

use crate::publish::{Item, Post};

/// Time between signs of life.
const HEARTBEAT: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Shared {
    posts: Mutex<BTreeMap<String, Post>>,
    is_over: std::sync::atomic::AtomicBool,
}

/// See the module. Ends when it is dropped.
pub(super) struct Beats {
    shared: Arc<Shared>,
    unparker: Unparker,
    thread: Option<JoinHandle<()>>,
}

impl Beats {
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let parker = Parker::new();
        let unparker = parker.unparker().clone();
        let beating = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("beat".into()).spawn(move || beat(&beating, &parker))?;
        Ok(Self { shared, unparker, thread: Some(thread) })
    }

    /// A feed lives.
    pub(super) fn join(&self, feed: &str, post: Post) {
        self.shared.posts().insert(feed.to_owned(), post);
    }

    /// It does not any more: its post is let go of.
    pub(super) fn leave(&self, feed: &str) {
        self.shared.posts().remove(feed);
    }
}

impl Shared {
    fn posts(&self) -> MutexGuard<'_, BTreeMap<String, Post>> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Beats {
    fn drop(&mut self) {
        self.shared.is_over.store(true, std::sync::atomic::Ordering::Release);
        self.unparker.unpark();
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

fn beat(shared: &Shared, parker: &Parker) {
    let mut due = Instant::now() + HEARTBEAT;
    while !shared.is_over.load(std::sync::atomic::Ordering::Acquire) {
        let now = Instant::now();
        if now < due {
            parker.park_deadline(due);
            continue;
        }
        due = now + HEARTBEAT;
        shared.posts().retain(|_, post| post.send(Item::Heartbeat { now }));
    }
}

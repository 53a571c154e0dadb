//! What the feeds of a process share: worker threads, one a core, and the recognisers.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::worker::Worker;
use models::Recognizer;

use crate::recognise::{PoolConfig, RecogniserPool};

/// Workers and recognisers. Runs hold it in an `Arc`; the last one to let go of it waits for them.
pub struct Host {
    workers: Vec<Worker>,
    next_worker: AtomicUsize,
    /// After the workers: it may go when no feed asks any more.
    pool: Option<RecogniserPool>,
}

impl Host {
    /// Starts `n_workers` workers and a thread for each recogniser; without one nothing is recognised.
    pub fn start(
        n_workers: NonZeroUsize,
        recognizers: Vec<Box<dyn Recognizer>>,
        config: PoolConfig,
    ) -> io::Result<Self> {
        let worker = |idx: usize| Worker::spawn(&format!("analyse-{idx}"));
        let workers = (0..n_workers.get()).map(worker).collect::<io::Result<_>>()?;
        let pool = match recognizers {
            none if none.is_empty() => None,
            some => Some(RecogniserPool::start(some, config)?),
        };
        Ok(Self { workers, next_worker: AtomicUsize::new(0), pool })
    }

    /// The worker of the next feed: each in turn.
    pub(crate) fn worker(&self) -> Option<&Worker> {
        let idx = self.next_worker.fetch_add(1, Ordering::Relaxed) % self.workers.len().max(1);
        self.workers.get(idx)
    }

    /// Asks each worker for a sign of life. Waits for nothing.
    pub fn ask(&self) {
        self.workers.iter().for_each(Worker::ask);
    }

    /// Whether all of them came round since.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.workers.iter().all(Worker::has_answered)
    }

    /// The recognisers.
    pub(crate) const fn pool(&self) -> Option<&RecogniserPool> {
        self.pool.as_ref()
    }
}

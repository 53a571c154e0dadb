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
    /// Of feeds that take what others leave: it waits for recognisers, and no live feed must wait with it.
    patient: Worker,
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
        let patient = Worker::spawn("analyse-patient")?;
        let pool = match recognizers {
            none if none.is_empty() => None,
            some => Some(RecogniserPool::start(some, config)?),
        };
        Ok(Self { workers, patient, next_worker: AtomicUsize::new(0), pool })
    }

    /// The worker of the next feed: each in turn.
    pub(crate) fn worker(&self) -> Option<&Worker> {
        let idx = self.next_worker.fetch_add(1, Ordering::Relaxed) % self.workers.len().max(1);
        self.workers.get(idx)
    }

    /// The worker of feeds that take what others leave.
    pub(crate) const fn patient_worker(&self) -> &Worker {
        &self.patient
    }

    /// The recognisers.
    pub(crate) const fn pool(&self) -> Option<&RecogniserPool> {
        self.pool.as_ref()
    }
}

//! Where everything that became visible is handed to those who watch. Keeps nothing, waits for nobody.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::broadcast;

use super::Record;

/// An event that became visible.
#[derive(Debug)]
pub struct Published {
    /// Its place in the journal, rising over all feeds. `None`: ephemeral.
    pub cursor: Option<u64>,
    /// The event.
    pub record: Record,
    /// The same as one line of JSON, without its end.
    pub line: Bytes,
}

/// Sees everything that becomes visible, at once, in the thread that made it so: must be quick.
pub trait Witness: Send + Sync {
    /// Takes note of an event.
    fn saw(&self, published: &Published);

    /// Takes every lock that [`Self::saw`] takes, for a moment.
    fn probe(&self) {}
}

/// See the module. Called by the journal after a commit, and by feeds for what is ephemeral.
pub struct Hub {
    readers: broadcast::Sender<Arc<Published>>,
    witnesses: Vec<Arc<dyn Witness>>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("n_readers", &self.readers.receiver_count()).finish_non_exhaustive()
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new(1_000, Vec::new())
    }
}

impl Hub {
    /// A hub that shows everything to `witnesses` first. A reader may be `behind_max` events behind, which are held once
    /// for all of them; then it is cut off and has to resume from the journal.
    #[must_use]
    pub fn new(behind_max: usize, witnesses: Vec<Arc<dyn Witness>>) -> Self {
        Self { readers: broadcast::Sender::new(behind_max.max(1)), witnesses }
    }

    /// Shows an event to all readers.
    pub fn publish(&self, published: Arc<Published>) {
        self.witnesses.iter().for_each(|witness| witness.saw(&published));
        // Nobody watches: nothing is lost, it is in the journal.
        let _ = self.readers.send(published);
    }

    /// Takes every lock that publishing takes, for a moment: returns where events can be shown.
    pub fn probe(&self) {
        self.witnesses.iter().for_each(|witness| witness.probe());
        drop(self.subscribe());
    }

    /// Everything published from now on. A reader that is too far behind gets `Lagged`.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Published>> {
        self.readers.subscribe()
    }
}

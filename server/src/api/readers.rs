//! Reading the journal from tasks: connections of its readers, kept for the next one.

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

use super::problem::Problem;
use crate::journal::{Journal, JournalError, Reader};

/// Connections that are kept while nobody reads.
const IDLE_MAX: usize = 8;

/// See the module.
pub struct Readers {
    journal: Arc<Journal>,
    idle: ArrayQueue<Reader>,
}

impl Readers {
    /// Readers of `journal`.
    #[must_use]
    pub fn new(journal: Arc<Journal>) -> Self {
        Self { journal, idle: ArrayQueue::new(IDLE_MAX) }
    }

    /// Reads on a thread that may wait.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&mut Reader) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, Problem> {
        let readers = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let mut reader = match readers.idle.pop() {
                Some(reader) => reader,
                None => readers.journal.reader()?,
            };
            let read = read(&mut reader)?;
            // A reader too many is closed.
            let _ = readers.idle.push(reader);
            Ok::<T, JournalError>(read)
        });
        let failed = |error| Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, format!("{error}"));
        reading.await.map_err(failed)?.map_err(Problem::from)
    }
}

//! Looks at what the first look at a long file left out, while the journal is in use, and gives way to everything else.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rusqlite::{Connection, InterruptHandle};

use super::check::{Objection, Seen, examine_rest};
use super::error::JournalError;
use super::state::Status;
use super::store::{beside, connect_to_read};

/// Lowest priority: it uses what is left over.
const NICE: i32 = 19;

/// The running look. Stops when it is dropped.
pub(super) struct Background {
    stop: Arc<AtomicBool>,
    statement: InterruptHandle,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts to look at what is not in `seen`. What is found is in the `status`, and at the next start.
    pub(super) fn start(path: &Path, seen: Seen, status: Arc<Status>) -> Result<Self, JournalError> {
        let conn = connect_to_read(path).map_err(JournalError::storage(path))?;
        let statement = conn.get_interrupt_handle();
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, path) = (Arc::clone(&stop), path.to_owned());
        let look = move || look(&path, seen, &conn, &stopped, &status);
        let thread = std::thread::Builder::new().name("journal-check".into()).spawn(look);
        Ok(Self { stop, statement, thread: Some(thread.map_err(JournalError::Thread)?) })
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.statement.interrupt();
        if let Some(thread) = self.thread.take() {
            // A panic was printed when it happened.
            let _ = thread.join();
        }
    }
}

fn look(path: &Path, seen: Seen, conn: &Connection, stop: &AtomicBool, status: &Status) {
    // Of this thread alone (Linux: the process number 0 is the calling thread). Without it, it is only less polite.
    let _ = rustix::process::setpriority_process(None, NICE);
    let stop = || stop.load(Ordering::SeqCst);
    if let Err(Objection::Damaged(reason)) = examine_rest(path, seen, conn, &stop) {
        // Where this cannot be written the next start has to find the damage again.
        let _ = fs::write(beside(path, ".damaged"), &reason);
        status.lock().damage = Some(reason);
    }
}

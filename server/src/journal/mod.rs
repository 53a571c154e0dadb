//! The journal: every durable event on disk before anybody sees it. SQLite, one writer, group commit
//! (`docs/adr/0008-journal.md`). Knows no network, and decides nothing about events but their place.

mod aside;
mod background;
mod check;
mod error;
mod finals;
mod keep;
mod lock;
mod number;
mod reader;
mod row;
mod runs;
mod search;
mod sink;
mod stamp;
mod state;
mod store;
mod waiting;
mod writer;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::sync::Parker;
use jiff::Timestamp;

pub use error::JournalError;
pub use finals::{Said, SaidWord, said};
pub use reader::{Range, Reader, Stored};
pub use runs::LastRun;
pub use search::{Hit, Mark, QUERY_CHARS_MAX, Search};
pub use sink::JournalSink;
pub use state::{Health, JournalState, Quantiles};

use crate::publish::Hub;
use background::Background;
use check::{Objection, Seen};
use lock::Lock;
use stamp::Recent;
use state::Status;
use store::Store;
use waiting::Waiting;
use writer::Writer;

/// Where a journal lies and how it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// The file. SQLite keeps two more beside it (`-wal`, `-shm`), and the lock lies there (`.lock`).
    pub path: PathBuf,
    /// What is kept.
    pub retention: Retention,
    /// Shortest time between two commits: what comes meanwhile shares one wait for the disk. An event that comes
    /// later than that after the last commit is committed at once.
    pub commit_window: Duration,
    /// Events that may wait in memory while the disk does not take them, over all feeds; then the oldest give way.
    pub waiting_max: usize,
}

/// How long events are kept: what is older or more goes, the oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Since they became visible. `None`: for ever.
    pub age: Option<Duration>,
    /// Size of the file, bytes. `None`: as the disk allows.
    pub bytes: Option<u64>,
}

impl JournalConfig {
    /// A journal at `path` that keeps everything.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            retention: Retention::default(),
            commit_window: Duration::from_millis(10),
            // 100 s of 500 events a second; about 100 MB of transcripts at worst.
            waiting_max: 50_000,
        }
    }
}

/// What was found where a journal was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Nothing: it is new.
    Fresh,
    /// The events of earlier runs.
    Resumed {
        /// How many.
        n_events: u64,
    },
    /// A file that cannot be trusted. It was moved aside and a new one begun.
    Damaged {
        /// Where it is now.
        moved_to: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// A journal that is open. Closed when it is dropped.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    waiting: Arc<Waiting>,
    hub: Arc<Hub>,
    recent: Arc<Recent>,
    status: Arc<Status>,
    rest: Option<Background>,
    thread: Option<JoinHandle<()>>,
    _lock: Lock,
}

impl Journal {
    /// Opens or makes the journal of `config` and starts its writer. What becomes visible is shown through `hub`.
    pub fn open(config: JournalConfig, hub: Arc<Hub>) -> Result<(Self, Opening), JournalError> {
        let JournalConfig { path, retention, commit_window, waiting_max } = config;
        store::make_folder(&path)?;
        let lock = Lock::take(&path)?;
        let (opening, seen) = prepare(&path)?;
        let mut store = Store::open(&path)?;
        store.heal(seen.log_written_us)?;
        let parker = Parker::new();
        let waiting = Arc::new(Waiting::new(waiting_max, parker.unparker().clone()));
        let (recent, status) = (Arc::new(Recent::default()), Arc::new(Status::default()));
        let shared = (Arc::clone(&recent), Arc::clone(&status));
        let pace = (commit_window, retention);
        let writer = Writer::new(store, Arc::clone(&waiting), parker, Arc::clone(&hub), shared, pace);
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || writer.run());
        let thread = Some(thread.map_err(JournalError::Thread)?);
        let rest = seen.events.filter(|seen| !seen.is_all);
        let rest = rest.map(|seen| Background::start(&path, seen, Arc::clone(&status))).transpose()?;
        Ok((Self { path, waiting, hub, recent, status, rest, thread, _lock: lock }, opening))
    }

    /// Where the records of `feed` go in `epoch`.
    #[must_use]
    pub fn sink(&self, feed: &str, epoch: u64) -> JournalSink {
        JournalSink::new(Arc::clone(&self.waiting), Arc::clone(&self.hub), feed, epoch)
    }

    /// A reader with a connection of its own.
    pub fn reader(&self) -> Result<Reader, JournalError> {
        Reader::open(&self.path, Arc::clone(&self.recent))
    }

    /// The newest epoch of `feed`. `None`: the feed was never heard of. Events in memory do not count.
    pub fn last_run(&self, feed: &str) -> Result<Option<LastRun>, JournalError> {
        self.reader()?.last_run(feed)
    }

    /// How it fares.
    #[must_use]
    pub fn state(&self) -> JournalState {
        self.status.state(self.waiting.len(), self.waiting.n_dropped(), size(&self.path))
    }

    /// Waits until everything posted before is visible or lost. `false`: `patience` ran out.
    pub fn barrier(&self, patience: Duration) -> bool {
        self.waiting.barrier(patience)
    }

    /// Asks its writer for a sign of life. Waits for nothing.
    pub fn ask(&self) {
        self.waiting.ask();
    }

    /// Whether the writer came round since it was asked. It does while the disk refuses; not while it waits for a disk that
    /// neither takes nor refuses, nor for whoever it shows events to.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.waiting.pulse.is_answered()
    }

    /// Bytes that the disk still has for it. `None`: nobody can say.
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.path).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Takes nothing more, writes what waits, and ends. Takes 5 s at most where the disk does not take it.
    pub fn close(self) {}
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.rest = None;
        self.waiting.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the writer was printed when it happened.
            let _ = thread.join();
        }
    }
}

/// What is known of a file before it is used.
struct Before {
    /// When its log was written last, us since 1970.
    log_written_us: Option<i64>,
    /// What was looked at.
    events: Option<Seen>,
}

/// Looks at what lies at `path`, and puts a new file there where there is none that can be trusted.
fn prepare(path: &Path) -> Result<(Opening, Before), JournalError> {
    let log = store::beside(path, "-wal");
    let written = fs::metadata(&log).and_then(|log| log.modified()).ok();
    let written = written.and_then(|written| Timestamp::try_from(written).ok());
    let log_written_us = written.map(Timestamp::as_microsecond);
    let looked = match path.try_exists().map_err(JournalError::file(path))? {
        true => check::examine(path, check::AT_ONCE_BYTES),
        false if log.exists() => Err(Objection::Damaged("the file of its log is missing".to_owned())),
        false => {
            Store::create(path)?;
            return Ok((Opening::Fresh, Before { log_written_us: None, events: None }));
        }
    };
    match looked {
        Ok(seen) => {
            let opening = Opening::Resumed { n_events: store::n_events(path)? };
            Ok((opening, Before { log_written_us, events: Some(seen) }))
        }
        Err(Objection::Unusable(error)) => Err(error),
        Err(Objection::Damaged(reason)) => {
            let moved_to = aside::move_aside(path, Timestamp::now())?;
            Store::create(path)?;
            Ok((Opening::Damaged { moved_to, reason }, Before { log_written_us: None, events: None }))
        }
    }
}

/// Bytes of the file and its log.
fn size(path: &Path) -> u64 {
    let bytes = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    bytes(path) + bytes(&store::beside(path, "-wal"))
}

/// `None` where SQLite found no row.
fn absent<T>(found: rusqlite::Result<T>) -> rusqlite::Result<Option<T>> {
    match found {
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
        found => found.map(Some),
    }
}

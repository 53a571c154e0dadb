//! Whether what lies in a file is what was written: looked at before anything of it is served. What a quick look does
//! not reach is looked at later, in the background.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, ffi};

use super::error::JournalError;
use super::reader::select;
use super::row::{EventRow, N_EVENT_COLUMNS, number, read_stamp};
use super::stamp::complete;
use super::store::{
    APPLICATION_ID, ID, SCHEMA_VERSION, all_streams, beside, compare_words, connect_to_read, make_schema,
    setting,
};

/// Up to this size a file is looked at wholly before it is used: at most about a second. Of a longer one so much of
/// the newest, bytes.
pub(super) const AT_ONCE_BYTES: u64 = 24 << 20;
/// Rows that the background looks at between two looks at whether it should stop.
const SLICE: usize = 2_000;

/// Why a file is not used.
pub(super) enum Objection {
    /// What is in it is not what was written.
    Damaged(String),
    /// It cannot be looked at, or must not be touched.
    Unusable(JournalError),
}

impl From<JournalError> for Objection {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Damaged { row, what, .. } => Self::Damaged(format!("{row}: {what}")),
            JournalError::Storage { cause, .. } if is_damage(&cause) => Self::Damaged(cause.to_string()),
            error => Self::Unusable(error),
        }
    }
}

impl Objection {
    fn about(self, what: &str) -> Self {
        match self {
            Self::Damaged(reason) => Self::Damaged(format!("{what}: {reason}")),
            unusable => unusable,
        }
    }
}

/// How far the first look got: what lies before `unseen` is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Place of the oldest event that was looked at.
    pub(super) oldest: i64,
    /// Whether all was looked at.
    pub(super) is_all: bool,
}

/// Looks at the file: wholly where it has at most `at_once` bytes, else at its frame and its newest events.
pub(super) fn examine(path: &Path, at_once: u64) -> Result<Seen, Objection> {
    let marker = beside(path, ".damaged");
    if let Ok(reason) = std::fs::read_to_string(&marker) {
        return Err(Objection::Damaged(format!("an earlier look found: {reason}")));
    }
    let bytes = std::fs::metadata(path).map_err(JournalError::file(path)).map_err(Objection::Unusable)?.len();
    if bytes == 0 {
        return Err(Objection::Damaged("it is empty".to_owned()));
    }
    let failed = JournalError::storage(path);
    let conn = connect_to_read(path).map_err(&failed)?;
    frame(&conn, path)?;
    let is_all = bytes <= at_once;
    let (oldest, reached_all) =
        events(&conn, path, i64::MAX, if is_all { u64::MAX } else { at_once }, usize::MAX)?;
    if is_all {
        structure(&conn, path)?;
        compare_words(path).map_err(|cause| Objection::from(failed(cause)).about("the index of words"))?;
    }
    Ok(Seen { oldest, is_all: is_all && reached_all })
}

/// Looks at what a first look left out. `stop` is asked between slices; `Ok` where it says so.
pub(super) fn examine_rest(
    path: &Path,
    seen: Seen,
    conn: &Connection,
    stop: &dyn Fn() -> bool,
) -> Result<(), Objection> {
    let mut oldest = seen.oldest;
    loop {
        if stop() {
            return Ok(());
        }
        let (next, is_all) = events(conn, path, oldest, u64::MAX, SLICE)?;
        oldest = next;
        if is_all {
            break;
        }
    }
    structure(conn, path)
}

/// What kind of file it is, and whether its tables are those of a journal.
fn frame(conn: &Connection, path: &Path) -> Result<(), Objection> {
    let failed = JournalError::storage(path);
    let pragma = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) =
        (pragma("application_id").map_err(&failed)?, pragma("user_version").map_err(&failed)?);
    if application != APPLICATION_ID {
        return Err(Objection::Damaged(format!("application id {application}, expected {APPLICATION_ID}")));
    }
    let own = Connection::open_in_memory().and_then(|own| make_schema(&own).and_then(|()| schema(&own)));
    let (own, found) = (own.map_err(&failed)?, schema(conn).map_err(&failed)?);
    let stated = setting(conn, path, "schema").ok().flatten();
    let is_newer = version > SCHEMA_VERSION && stated == Some(version.to_string());
    if is_newer {
        let (path, expected) = (path.to_owned(), SCHEMA_VERSION);
        return Err(Objection::Unusable(JournalError::Newer { path, expected, actual: version }));
    }
    if version != SCHEMA_VERSION || stated != Some(SCHEMA_VERSION.to_string()) || found != own {
        return Err(Objection::Damaged("its tables are not those of a journal".to_owned()));
    }
    let id = setting(conn, path, ID)?;
    id.map(|_| ()).ok_or_else(|| Objection::Damaged("its identity is missing".to_owned()))
}

/// All tables, indices and views.
fn schema(conn: &Connection) -> rusqlite::Result<Vec<[Option<String>; 4]>> {
    let mut statement =
        conn.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")?;
    let rows = statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
    rows.collect()
}

/// Whether SQLite's own structures hold together, and sequences and places have no holes.
fn structure(conn: &Connection, path: &Path) -> Result<(), Objection> {
    let failed = JournalError::storage(path);
    // One state of the file for all that follows, whatever is written meanwhile.
    let _state = conn.unchecked_transaction().map_err(&failed)?;
    let verdict: String =
        conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(&failed)?;
    if verdict != "ok" {
        return Err(Objection::Damaged(verdict));
    }
    let sql = "SELECT count(*), min(sequence), max(sequence) FROM events WHERE stream = ?";
    let mut sequences = conn.prepare(sql).map_err(&failed)?;
    let mut n_events = 0;
    for stream in all_streams(conn, path)? {
        let range = sequences.query_row([stream.stream], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, Option<i64>>(2)?))
        });
        let (n, first, last) = range.map_err(&failed)?;
        n_events += n;
        let is_gapless =
            first.zip(last).is_none_or(|(first, last)| first == stream.gone + 1 && last - first + 1 == n);
        if !is_gapless {
            let (feed, epoch) = (stream.feed, stream.epoch);
            return Err(Objection::Damaged(format!("the sequence of {feed}, epoch {epoch} has a hole")));
        }
    }
    let sql = "SELECT (SELECT count(*) FROM events), (SELECT max(cursor) FROM events), \
               (SELECT seq FROM sqlite_sequence WHERE name = 'events')";
    let counts = conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let (n, last, given): (i64, Option<i64>, Option<i64>) = counts.map_err(&failed)?;
    if n != n_events || last.is_some_and(|last| given != Some(last)) {
        return Err(Objection::Damaged("events are missing, or are of no feed".to_owned()));
    }
    Ok(())
}

/// Looks at events before place `before`, the newest first: up to `n` of them, or `bytes` of their lines. Where it got,
/// and whether that is the oldest of all.
fn events(
    conn: &Connection,
    path: &Path,
    before: i64,
    bytes: u64,
    n: usize,
) -> Result<(i64, bool), Objection> {
    let failed = JournalError::storage(path);
    let sql = select(&format!("e.cursor < {before}"), "ORDER BY e.cursor DESC");
    let mut statement = conn.prepare(&sql).map_err(&failed)?;
    let mut rows = statement.query([]).map_err(&failed)?;
    let (mut oldest, mut n_bytes, mut newest_batch) = (before, 0, None);
    for _ in 0..n {
        let Some(row) = rows.next().map_err(&failed)? else { return Ok((oldest, true)) };
        let cursor = number(row, 0).map_err(Objection::Damaged)?;
        let damaged = |what| Objection::Damaged(format!("event {cursor}: {what}"));
        let event = EventRow::read(row).map_err(damaged)?;
        if oldest != i64::MAX && cursor != oldest - 1 {
            return Err(damaged(format!("the one before {oldest} is missing")));
        }
        let stamp = read_stamp(row, N_EVENT_COLUMNS, event.batch).map_err(damaged)?;
        // Only the batch that was written last may lack its stamp: the next one would have brought it.
        let is_newest = before == i64::MAX && *newest_batch.get_or_insert(event.batch) == event.batch;
        let is_whole = stamp.is_none_or(|stamp| complete(&event.line, event.hand_over, stamp).is_some());
        if !is_whole || stamp.is_none() && !is_newest {
            return Err(damaged("it does not say when it became visible".to_owned()));
        }
        oldest = cursor;
        n_bytes += event.line.len() as u64;
        if n_bytes > bytes {
            break;
        }
    }
    Ok((oldest, false))
}

/// Whether SQLite complains of what is in the file, rather than of the disk, the folder or the caller.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(error, _) => match error.code {
            ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::TypeMismatch
            | ErrorCode::TooBig => true,
            ErrorCode::SystemIoFailure => error.extended_code == ffi::SQLITE_IOERR_SHORT_READ,
            ErrorCode::Unknown => true,
            _ => false,
        },
        rusqlite::Error::SqliteSingleThreadedMode | rusqlite::Error::InvalidPath(_) => false,
        // What was asked for is there in every journal, and has its type.
        _ => true,
    }
}

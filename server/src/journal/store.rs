//! The file: its schema, its connections, and transactions of the writer. Knows no threads and no clock.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params};

use super::error::JournalError;
use super::row::{EventRow, STREAM_COLUMNS, StreamRow, read_setting, setting_crc, stamp_crc};
use super::stamp::Stamp;
use super::waiting::Run;

/// `PRAGMA application_id`: "Airc".
pub(super) const APPLICATION_ID: i64 = 0x4169_7263;
/// `PRAGMA user_version`, and the setting `schema`.
pub(super) const SCHEMA_VERSION: i64 = 1;
/// Name of the setting that identifies a journal: it goes into resume cursors.
pub(super) const ID: &str = "id";
/// Streams that a writer knows of at a time.
const STREAMS_KNOWN_MAX: usize = 4_096;
/// Longest that the last commit before a crash is believed to have taken, us.
const LAST_COMMIT_US_MAX: i64 = 1_000_000;

/// Every table, index and view, as SQLite remembers them: a file with other words in it is not served.
const SCHEMA: &[&str] = &[
    "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE streams (stream INTEGER PRIMARY KEY, feed TEXT NOT NULL, epoch INTEGER NOT NULL, \
     gone INTEGER NOT NULL, last_time_ms INTEGER, last_end_ms INTEGER, has_ended INTEGER, \
     crc INTEGER NOT NULL, UNIQUE (feed, epoch))",
    "CREATE TABLE batches (batch INTEGER PRIMARY KEY, run_us INTEGER NOT NULL, wall_ms INTEGER NOT NULL, \
     crc INTEGER NOT NULL)",
    "CREATE TABLE events (cursor INTEGER PRIMARY KEY AUTOINCREMENT, stream INTEGER NOT NULL, \
     sequence INTEGER NOT NULL, kind TEXT NOT NULL, batch INTEGER NOT NULL, time_ms INTEGER NOT NULL, \
     end_ms INTEGER NOT NULL, handed_us INTEGER NOT NULL, total_us INTEGER, line TEXT NOT NULL, \
     crc INTEGER NOT NULL, UNIQUE (stream, sequence))",
    "CREATE INDEX events_by_time ON events (time_ms)",
    "CREATE INDEX finals_by_time ON events (stream, time_ms) WHERE kind = 'transcript.final'",
    "CREATE VIEW finals AS SELECT cursor, json_extract(line, '$.data.text') AS text FROM events \
     WHERE kind = 'transcript.final'",
    "CREATE VIRTUAL TABLE said USING fts5(text, content='finals', content_rowid='cursor', \
     tokenize='unicode61 remove_diacritics 2')",
];

/// The writer's connection, and what it knows of the file.
#[derive(Debug)]
pub(super) struct Store {
    conn: Connection,
    path: PathBuf,
    /// Streams that events are written to.
    pub(super) streams: HashMap<Run, Stream>,
    /// The next event's.
    pub(super) next_cursor: i64,
    /// The next transaction's.
    pub(super) next_batch: i64,
    /// The next stream's.
    pub(super) next_stream: i64,
}

/// A stream that events are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    /// Its number.
    pub(super) stream: i64,
    /// Number of the next event, as stored.
    pub(super) next: i64,
    /// Number that its feed gives the next event. `None`: the feed has not been heard of in this run.
    pub(super) expected: Option<u64>,
}

/// What one transaction writes.
#[derive(Debug, Default)]
pub(super) struct Writing<'a> {
    /// Streams that are new.
    pub(super) streams: &'a [StreamRow],
    /// Events in order.
    pub(super) events: &'a [&'a EventRow],
    /// Stamps of earlier batches.
    pub(super) stamps: &'a [(i64, Stamp)],
}

impl Store {
    /// Makes a new file at `path`, whole or not at all.
    pub(super) fn create(path: &Path) -> Result<(), JournalError> {
        let new = beside(path, ".new");
        for left in [beside(&new, "-wal"), beside(&new, "-shm"), new.clone()] {
            match fs::remove_file(&left) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(JournalError::file(&left)(error));
                }
                _ => {}
            }
        }
        make_private(&new)?;
        connect(&new).and_then(|conn| create(&conn)).map_err(JournalError::storage(&new))?;
        fs::rename(&new, path).map_err(JournalError::file(path))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(JournalError::file(folder))
    }

    /// Opens the file for writing and reads what a writer has to know. It must have been checked.
    pub(super) fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = JournalError::storage(path);
        let conn = connect(path).map_err(&failed)?;
        let next = |sql: &str| -> rusqlite::Result<i64> {
            super::absent(conn.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)))
                .map(|newest| newest.flatten().unwrap_or(0) + 1)
        };
        let next_cursor = next("SELECT seq FROM sqlite_sequence WHERE name = 'events'").map_err(&failed)?;
        let next_stream = next("SELECT max(stream) FROM streams").map_err(&failed)?;
        let of_events = next("SELECT batch FROM events ORDER BY cursor DESC LIMIT 1").map_err(&failed)?;
        let of_batches = next("SELECT max(batch) FROM batches").map_err(&failed)?;
        let next_batch = of_events.max(of_batches);
        let streams = HashMap::new();
        Ok(Self { conn, path: path.to_owned(), streams, next_cursor, next_batch, next_stream })
    }

    /// Knows afterwards what was stored of `run`, if anything.
    pub(super) fn look_up(&mut self, run: &Run) -> rusqlite::Result<()> {
        if self.streams.contains_key(run) {
            return Ok(());
        }
        let sql = "SELECT s.stream, max(s.gone, coalesce((SELECT max(sequence) FROM events e \
                   WHERE e.stream = s.stream), 0)) FROM streams s WHERE s.feed = ? AND s.epoch = ?";
        let mut known = self.conn.prepare_cached(sql)?;
        let stored =
            known.query_row(params![run.0, wire(run.1)], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)));
        let Some((stream, last)) = super::absent(stored)? else { return Ok(()) };
        self.streams.insert(run.clone(), Stream { stream, next: last + 1, expected: None });
        Ok(())
    }

    /// Forgets what it knows of streams where that has become much. Nothing may be in hand.
    pub(super) fn forget_streams(&mut self) {
        if self.streams.len() > STREAMS_KNOWN_MAX {
            self.streams.clear();
        }
    }

    /// Gives a stamp to the batch that was written last, if a crash came before its own: no event is without.
    /// `log_written` is when the log was written last, us since 1970, which was for that batch.
    pub(super) fn heal(&mut self, log_written_us: Option<i64>) -> Result<(), JournalError> {
        let sql = "SELECT e.batch, e.handed_us FROM events e WHERE e.cursor = (SELECT max(cursor) FROM events) \
                   AND NOT EXISTS (SELECT 1 FROM batches b WHERE b.batch = e.batch)";
        let bare = self.conn.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
        let failed = JournalError::storage(&self.path);
        let Some((batch, handed_us)) = super::absent(bare).map_err(&failed)? else { return Ok(()) };
        let latest_us = handed_us.saturating_add(LAST_COMMIT_US_MAX);
        let run_us = log_written_us.unwrap_or(handed_us).clamp(handed_us, latest_us);
        let stamps = [(batch, Stamp { run_us, wall_ms: run_us / 1_000 })];
        self.write(&Writing { stamps: &stamps, ..Writing::default() }).map_err(&failed)
    }

    /// Commits, on disk when it returns.
    pub(super) fn write(&self, writing: &Writing<'_>) -> rusqlite::Result<()> {
        self.transaction(|conn| insert(conn, writing))
    }

    /// Commits without waiting for the disk: it survives the end of the process, but not a loss of power.
    pub(super) fn write_soon(&self, writing: &Writing<'_>) -> rusqlite::Result<()> {
        self.lazily(|conn| insert(conn, writing))
    }

    /// Runs `work` in a transaction that does not wait for the disk.
    pub(super) fn lazily<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.conn.pragma_update(None, "synchronous", "NORMAL")?;
        let done = self.transaction(work);
        self.conn.pragma_update(None, "synchronous", "FULL")?;
        done
    }

    fn transaction<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        let done = work(&self.conn).and_then(|done| self.conn.execute_batch("COMMIT").map(|()| done));
        if done.is_err() && !self.conn.is_autocommit() {
            // SQLite has rolled back, or does so when the next transaction begins: the first error is what counts.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        done
    }

    /// Pages of the write-ahead log that are not in the file yet.
    pub(super) fn log_pages(&self) -> rusqlite::Result<i64> {
        self.checkpoint("NOOP")
    }

    /// Moves pages of the log into the file, in `mode`; what is left to move.
    pub(super) fn checkpoint(&self, mode: &str) -> rusqlite::Result<i64> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        self.conn.query_row(&sql, [], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))
    }

    /// The connection.
    pub(super) fn connection(&self) -> &Connection {
        &self.conn
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn insert(conn: &Connection, writing: &Writing<'_>) -> rusqlite::Result<()> {
    for stream in writing.streams {
        put_stream(conn, stream)?;
    }
    let mut batch = conn.prepare_cached("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?)")?;
    for (number, stamp) in writing.stamps {
        batch.execute(params![number, stamp.run_us, stamp.wall_ms, stamp_crc(*number, *stamp)])?;
    }
    let mut event = conn.prepare_cached("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    let mut said = conn
        .prepare_cached("INSERT INTO said (rowid, text) SELECT cursor, text FROM finals WHERE cursor = ?")?;
    for row in writing.events {
        event.execute(params![
            row.cursor,
            row.stream,
            row.sequence,
            row.kind.name(),
            row.batch,
            row.time_ms,
            row.end_ms,
            row.hand_over.run_us,
            row.hand_over.total_us,
            row.line,
            row.crc()
        ])?;
        if row.kind == engine::event::EventKind::TranscriptFinal {
            said.execute([row.cursor])?;
        }
    }
    Ok(())
}

/// Writes a stream, new or changed.
pub(super) fn put_stream(conn: &Connection, row: &StreamRow) -> rusqlite::Result<()> {
    let mut put = conn.prepare_cached("INSERT OR REPLACE INTO streams VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?;
    let last = row.last;
    put.execute(params![
        row.stream,
        row.feed,
        row.epoch,
        row.gone,
        last.map(|last| last.time_ms),
        last.map(|last| last.end_ms),
        last.map(|last| last.has_ended),
        row.crc()
    ])?;
    Ok(())
}

/// All streams, each checked.
pub(super) fn all_streams(conn: &Connection, path: &Path) -> Result<Vec<StreamRow>, JournalError> {
    streams(conn, path, "TRUE", [])
}

/// The streams of `feed` by epoch, each checked.
pub(super) fn streams_of(conn: &Connection, path: &Path, feed: &str) -> Result<Vec<StreamRow>, JournalError> {
    streams(conn, path, "feed = ? ORDER BY epoch", [feed])
}

fn streams(
    conn: &Connection,
    path: &Path,
    condition: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<StreamRow>, JournalError> {
    let failed = JournalError::storage(path);
    let sql = format!("SELECT {STREAM_COLUMNS} FROM streams WHERE {condition}");
    let mut statement = conn.prepare_cached(&sql).map_err(&failed)?;
    let mut rows = statement.query(values).map_err(&failed)?;
    let mut streams = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        let number = streams.len() + 1;
        let damaged = |what| JournalError::damaged(path, format!("stream number {number}"), what);
        streams.push(StreamRow::read(row).map_err(damaged)?);
    }
    Ok(streams)
}

/// A setting, checked.
pub(super) fn setting(conn: &Connection, path: &Path, key: &str) -> Result<Option<String>, JournalError> {
    let failed = JournalError::storage(path);
    let mut statement =
        conn.prepare_cached("SELECT value, crc FROM settings WHERE key = ?").map_err(&failed)?;
    let mut rows = statement.query([key]).map_err(&failed)?;
    match rows.next().map_err(&failed)? {
        None => Ok(None),
        Some(row) => read_setting(row, key)
            .map(Some)
            .map_err(|what| JournalError::damaged(path, format!("setting {key}"), what)),
    }
}

/// A number as SQLite has it.
pub(super) fn wire(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Writes a setting.
fn set(conn: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    let row = params![key, value, setting_crc(key, value)];
    conn.execute("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", row).map(|_| ())
}

/// A connection for writing.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    // Nobody else should write. Who does is waited for as for a full disk: by trying again.
    conn.busy_timeout(Duration::from_millis(200))?;
    conn.set_prepared_statement_cache_capacity(32);
    // Before the first table is made, or never: https://sqlite.org/pragma.html#pragma_auto_vacuum
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // Checkpoints are made between commits, never within one.
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    conn.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES_KEPT, |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    strict(&conn)?;
    Ok(conn)
}

/// Bytes of the log that are kept when it begins anew; what is more was a backlog.
const LOG_BYTES_KEPT: i64 = 16 << 20;

/// Compares the index of words with what was said. Nothing is written, and the log is left as it is.
pub(super) fn compare_words(path: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    strict(&conn)?;
    // https://sqlite.org/fts5.html#the_integrity_check_command
    conn.execute_batch("INSERT INTO said (said, rank) VALUES ('integrity-check', 1)")
}

/// Events in the file.
pub(super) fn n_events(path: &Path) -> Result<u64, JournalError> {
    let failed = JournalError::storage(path);
    let conn = connect_to_read(path).map_err(&failed)?;
    // Places are taken one after the other and given up from the oldest on: no need to count.
    let sql = "SELECT max(cursor), min(cursor) FROM events";
    let range = conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
    let (last, first): (Option<i64>, Option<i64>) = range.map_err(failed)?;
    Ok(last.zip(first).and_then(|(last, first)| u64::try_from(last - first + 1).ok()).unwrap_or(0))
}

/// A connection for reading.
pub(super) fn connect_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    strict(&conn)?;
    Ok(conn)
}

/// Nothing that a damaged file says is believed where SQLite can check it.
fn strict(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "cell_size_check", "ON")?;
    conn.pragma_update(None, "trusted_schema", "OFF")?;
    conn.pragma_update(None, "temp_store", "MEMORY")
}

/// Makes the tables, indices and views.
pub(super) fn make_schema(conn: &Connection) -> rusqlite::Result<()> {
    SCHEMA.iter().try_for_each(|sql| conn.execute_batch(sql))
}

fn create(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    make_schema(conn)?;
    let id: String = conn.query_row("SELECT lower(hex(randomblob(16)))", [], |row| row.get(0))?;
    set(conn, ID, &id)?;
    set(conn, "schema", &SCHEMA_VERSION.to_string())?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    conn.execute_batch("COMMIT")
}

/// Makes the folders on the way to the file, for this user only.
pub(super) fn make_folder(path: &Path) -> Result<(), JournalError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(JournalError::file(folder))?;
    }
    Ok(())
}

/// A file beside the journal.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Makes an empty file, for this user only.
fn make_private(path: &Path) -> Result<(), JournalError> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    file.map_err(JournalError::file(path))?;
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(path, private).map_err(JournalError::file(path))
}

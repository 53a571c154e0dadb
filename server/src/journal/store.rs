//! The file: its schema, its connections, and transactions of the writer. Knows no threads and no clock.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

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
/// Name of the setting that says that damage was found.
pub(super) const DAMAGE: &str = "damage";

/// Every table, index and view, as SQLite remembers them: a file with other words in it is not served.
pub(super) const SCHEMA: &[&str] = &[
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
    "CREATE VIEW finals AS SELECT cursor, json_extract(line, '$.data.text') AS text FROM events",
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
    /// Opens the file for writing, or makes it, and reads what a writer has to know. It must have been checked.
    pub(super) fn open(path: &Path) -> Result<Self, JournalError> {
        create_private(path)?;
        let failed = JournalError::storage(path);
        let conn = connect(path).map_err(&failed)?;
        let is_new: bool = conn
            .query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
            .map_err(&failed)?;
        if is_new {
            create(&conn).map_err(&failed)?;
        }
        conn.pragma_update(None, "synchronous", "FULL").map_err(&failed)?;
        let mut store = Self {
            conn,
            path: path.to_owned(),
            streams: HashMap::new(),
            next_cursor: 1,
            next_batch: 1,
            next_stream: 1,
        };
        store.learn()?;
        Ok(store)
    }

    fn learn(&mut self) -> Result<(), JournalError> {
        let failed = JournalError::storage(&self.path);
        let next = |sql: &str| -> rusqlite::Result<i64> {
            self.conn.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).map(|max| max.unwrap_or(0) + 1)
        };
        let next_cursor =
            next("SELECT max(seq) FROM sqlite_sequence WHERE name = 'events'").map_err(&failed)?;
        let next_stream = next("SELECT max(stream) FROM streams").map_err(&failed)?;
        let of_events = next("SELECT batch FROM events ORDER BY cursor DESC LIMIT 1");
        let of_events = super::absent(of_events).map_err(&failed)?.unwrap_or(1);
        let of_batches = next("SELECT max(batch) FROM batches").map_err(&failed)?;
        let streams = self.streams_now()?;
        self.streams = streams;
        (self.next_cursor, self.next_batch, self.next_stream) =
            (next_cursor, of_events.max(of_batches), next_stream);
        Ok(())
    }

    fn streams_now(&self) -> Result<HashMap<Run, Stream>, JournalError> {
        let failed = JournalError::storage(&self.path);
        let mut newest =
            self.conn.prepare("SELECT max(sequence) FROM events WHERE stream = ?").map_err(&failed)?;
        let mut streams = HashMap::new();
        for stored in all_streams(&self.conn, &self.path)? {
            let last: Option<i64> = newest.query_row([stored.stream], |row| row.get(0)).map_err(&failed)?;
            let next = last.unwrap_or(stored.gone).max(stored.gone) + 1;
            let stream = Stream { stream: stored.stream, next, expected: None };
            streams.insert((stored.feed, u64::try_from(stored.epoch).unwrap_or(0)), stream);
        }
        Ok(streams)
    }

    /// Events in the file.
    pub(super) fn n_events(&self) -> Result<u64, JournalError> {
        // Places are taken one after the other and given up from the oldest on: no need to count.
        let sql = "SELECT max(cursor), min(cursor) FROM events";
        let range = self.conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
        let (last, first): (Option<i64>, Option<i64>) = range.map_err(JournalError::storage(&self.path))?;
        Ok(last.zip(first).and_then(|(last, first)| u64::try_from(last - first + 1).ok()).unwrap_or(0))
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
    let failed = JournalError::storage(path);
    let sql = format!("SELECT {STREAM_COLUMNS} FROM streams ORDER BY stream");
    let mut statement = conn.prepare_cached(&sql).map_err(&failed)?;
    let mut rows = statement.query([]).map_err(&failed)?;
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

/// Writes a setting.
pub(super) fn set(conn: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    let row = params![key, value, setting_crc(key, value)];
    conn.execute("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", row).map(|_| ())
}

/// A connection for writing.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.set_prepared_statement_cache_capacity(32);
    // Before the first table is made, or never: https://sqlite.org/pragma.html#pragma_auto_vacuum
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // Checkpoints are made between commits, never within one.
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    conn.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES_KEPT, |_| Ok(()))?;
    strict(&conn)?;
    Ok(conn)
}

/// Bytes of the log that are kept when it begins anew; what is more was a backlog.
const LOG_BYTES_KEPT: i64 = 16 << 20;

/// A connection for reading.
pub(super) fn connect_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    strict(&conn)?;
    Ok(conn)
}

/// Nothing that a damaged file says is believed where SQLite can check it.
fn strict(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "cell_size_check", "ON")?;
    conn.pragma_update(None, "trusted_schema", "OFF")?;
    conn.pragma_update(None, "temp_store", "MEMORY")
}

fn create(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    SCHEMA.iter().try_for_each(|sql| conn.execute_batch(sql))?;
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

/// Makes the file where it is missing, for this user only.
fn create_private(path: &Path) -> Result<(), JournalError> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    file.map_err(JournalError::file(path))?;
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(path, private).map_err(JournalError::file(path))
}

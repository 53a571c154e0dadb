//! Reading: a connection of its own, which never waits for the writer nor makes it wait. Every row is checked before
//! it is served; what is not visible yet is not there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use engine::event::EventKind;
use jiff::Timestamp;
use rusqlite::Connection;

use super::error::JournalError;
use super::row::{EVENT_COLUMNS, EventRow, N_EVENT_COLUMNS, read_stamp};
use super::stamp::{Recent, Stamp, complete};
use super::store::{ID, connect_to_read, setting, streams_of};

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Of these feeds; all where it is empty.
    pub feeds: Vec<String>,
    /// Of these types; all where it is empty.
    pub kinds: Vec<EventKind>,
    /// After this place in the journal, exclusive.
    pub after: Option<u64>,
    /// That happened at this time or later.
    pub from: Option<Timestamp>,
    /// That happened before this time.
    pub to: Option<Timestamp>,
    /// At most so many.
    pub limit: usize,
}

/// An event as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the journal.
    pub cursor: u64,
    /// One line of JSON, without its end: byte for byte what was published.
    pub line: Bytes,
}

/// Reads a journal. Sees what had become visible when it is asked.
#[derive(Debug)]
pub struct Reader {
    pub(super) conn: Connection,
    pub(super) path: PathBuf,
    recent: Arc<Recent>,
    id: String,
}

impl Reader {
    pub(super) fn open(path: &Path, recent: Arc<Recent>) -> Result<Self, JournalError> {
        let conn = connect_to_read(path).map_err(JournalError::storage(path))?;
        let id = setting(&conn, path, ID)?
            .ok_or_else(|| JournalError::damaged(path, "setting id", "it is missing"))?;
        Ok(Self { conn, path: path.to_owned(), recent, id })
    }

    /// Identity of this journal: a cursor means nothing in another one.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Place of the newest visible event; 0: there is none.
    pub fn newest(&mut self) -> Result<u64, JournalError> {
        let sql = select("1", "ORDER BY e.cursor DESC LIMIT 1024");
        let newest = self.rows(&sql, 1, Unseen::Skipped, |event, _| Ok(Some(event.cursor)))?;
        Ok(newest.first().copied().and_then(|cursor| u64::try_from(cursor).ok()).unwrap_or(0))
    }

    /// The events of `query` in order.
    pub fn range(&mut self, query: &Range) -> Result<Vec<Stored>, JournalError> {
        if query.limit == 0 {
            return Ok(Vec::new());
        }
        let sql = select(&self.condition(query)?, &format!("ORDER BY e.cursor LIMIT {}", query.limit));
        self.rows(&sql, query.limit, Unseen::End, |event, line| Ok(Some(stored(&event, line))))
    }

    /// The condition of `query`: numbers and names of types only, nothing of the caller's text.
    fn condition(&self, query: &Range) -> Result<String, JournalError> {
        let mut all = vec![format!("e.cursor > {}", query.after.unwrap_or(0).min(i64::MAX as u64))];
        if !query.feeds.is_empty() {
            all.push(format!("e.stream IN ({})", self.streams_of(&query.feeds)?));
        }
        if !query.kinds.is_empty() {
            let names: Vec<String> = query.kinds.iter().map(|kind| format!("'{}'", kind.name())).collect();
            all.push(format!("e.kind IN ({})", names.join(",")));
        }
        let times = [query.from.map(|from| from_ms(from, ">=")), query.to.map(|to| from_ms(to, "<"))];
        let times: Vec<String> = times.into_iter().flatten().collect();
        if !times.is_empty() {
            let times = times.join(" AND ");
            all.push(format!(
                "e.cursor IN (SELECT cursor FROM events INDEXED BY events_by_time WHERE {times})"
            ));
        }
        Ok(all.join(" AND "))
    }

    /// Numbers of the streams of `feeds`, for a list.
    pub(super) fn streams_of(&self, feeds: &[String]) -> Result<String, JournalError> {
        let mut numbers = Vec::new();
        for feed in feeds {
            numbers.extend(
                streams_of(&self.conn, &self.path, feed)?.iter().map(|stream| stream.stream.to_string()),
            );
        }
        Ok(numbers.join(","))
    }

    /// The events of `sql`, which is made by [`select`], in its order, up to `n`: each checked, completed, and left out
    /// where `take` says so.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        n: usize,
        unseen: Unseen,
        mut take: impl FnMut(EventRow, String) -> Result<Option<T>, JournalError>,
    ) -> Result<Vec<T>, JournalError> {
        let failed = JournalError::storage(&self.path);
        let mut statement = self.conn.prepare_cached(sql).map_err(&failed)?;
        let mut rows = statement.query([]).map_err(&failed)?;
        let mut taken = Vec::new();
        while taken.len() < n
            && let Some(row) = rows.next().map_err(&failed)?
        {
            let cursor = row.get::<_, i64>(0).map_or_else(|_| "?".to_owned(), |cursor| cursor.to_string());
            let damaged = |what: String| JournalError::damaged(&self.path, format!("event {cursor}"), what);
            let event = EventRow::read(row).map_err(damaged)?;
            let stamp = read_stamp(row, N_EVENT_COLUMNS, event.batch).map_err(damaged)?;
            let Some(stamp) = stamp.or_else(|| self.recent.of(event.batch)) else {
                match unseen {
                    Unseen::End => break,
                    Unseen::Skipped => continue,
                }
            };
            let line = self.completed(&event, stamp)?;
            taken.extend(take(event, line)?);
        }
        Ok(taken)
    }

    fn completed(&self, event: &EventRow, stamp: Stamp) -> Result<String, JournalError> {
        complete(&event.line, event.hand_over, stamp).ok_or_else(|| {
            JournalError::damaged(&self.path, format!("event {}", event.cursor), "its line is not an event")
        })
    }
}

/// What is done about an event that is not visible yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unseen {
    /// Nothing after it is there either: who goes on reading later misses nothing.
    End,
    /// It is passed over.
    Skipped,
}

/// Rows for [`Reader::rows`].
pub(super) fn select(condition: &str, order: &str) -> String {
    select_from("events e", condition, order)
}

/// The same where `tables`, with `events e` among them, say in which order to look.
pub(super) fn select_from(tables: &str, condition: &str, order: &str) -> String {
    format!(
        "SELECT {EVENT_COLUMNS}, b.run_us, b.wall_ms, b.crc FROM {tables} LEFT JOIN batches b ON b.batch = e.batch \
         WHERE {condition} {order}"
    )
}

fn stored(event: &EventRow, line: String) -> Stored {
    Stored { cursor: u64::try_from(event.cursor).unwrap_or(0), line: Bytes::from(line) }
}

/// A limit on the time of events, whole milliseconds.
pub(super) fn from_ms(time: Timestamp, relation: &str) -> String {
    format!("time_ms {relation} {}", time.as_millisecond())
}

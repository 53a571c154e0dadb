//! Retention: what is too old or too much goes, the oldest first, in steps so small that no commit waits for them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine::event::EventKind;
use rusqlite::{Connection, params};

use super::Retention;
use super::row::{Last, STREAM_COLUMNS, StreamRow};
use super::store::{Store, put_stream};

/// Most events that one step takes: 1 - 2 ms.
const STEP_EVENTS: i64 = 64;
/// Pages that one step gives back to the disk.
const STEP_PAGES: i64 = 32;
/// Free pages that stay: they are used again at once.
const FREE_PAGES_MAX: i64 = 256;
/// How often it is looked whether something has to go.
const INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Keeper {
    retention: Retention,
    due_at: Instant,
}

/// An event that goes.
struct Going {
    cursor: i64,
    stream: i64,
    sequence: i64,
    kind: String,
    batch: i64,
    time_ms: i64,
    end_ms: i64,
    wall_ms: i64,
}

impl Keeper {
    pub(super) fn new(retention: Retention, now: Instant) -> Self {
        Self { retention, due_at: now }
    }

    /// When [`Self::step`] wants to be called next. `None`: never.
    pub(super) fn due_at(&self) -> Option<Instant> {
        (self.retention != Retention::default()).then_some(self.due_at)
    }

    /// Does a little, if it is time to: `wall_ms` is now. Whether there was anything to do. A failure is left to the next
    /// step.
    pub(super) fn step(&mut self, store: &Store, now: Instant, wall_ms: i64) -> bool {
        if self.due_at().is_none_or(|due_at| now < due_at) {
            return false;
        }
        let has_more = self.take_oldest(store, wall_ms).unwrap_or(false) || give_back(store).unwrap_or(false);
        self.due_at = if has_more { now } else { now + INTERVAL };
        has_more
    }

    /// Whether there may be more.
    fn take_oldest(&self, store: &Store, wall_ms: i64) -> rusqlite::Result<bool> {
        let is_too_much = match self.retention.bytes {
            None => false,
            Some(max) => used_bytes(store.connection())? > max,
        };
        let age_ms = self.retention.age.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let oldest_ms = age_ms.map_or(i64::MIN, |age_ms| wall_ms.saturating_sub(age_ms));
        let going = going(store.connection(), |event| is_too_much || event.wall_ms < oldest_ms)?;
        let Some(newest) = going.last() else { return Ok(false) };
        store.lazily(|conn| {
            for event in going.iter().filter(|event| event.kind == EventKind::TranscriptFinal.name()) {
                // Takes the text from the event, which therefore goes after it.
                conn.prepare_cached("DELETE FROM said WHERE rowid = ?")?.execute([event.cursor])?;
            }
            conn.prepare_cached("DELETE FROM events WHERE cursor <= ?")?.execute([newest.cursor])?;
            conn.prepare_cached("DELETE FROM batches WHERE batch < ?")?.execute([newest.batch])?;
            remember(conn, &going)
        })?;
        Ok(true)
    }
}

/// The oldest events, as long as `goes` says so. The newest event of all stays.
fn going(conn: &Connection, goes: impl Fn(&Going) -> bool) -> rusqlite::Result<Vec<Going>> {
    let mut statement = conn.prepare_cached(
        "SELECT e.cursor, e.stream, e.sequence, e.kind, e.batch, e.time_ms, e.end_ms, b.wall_ms \
         FROM events e JOIN batches b ON b.batch = e.batch \
         WHERE e.cursor < (SELECT max(cursor) FROM events) ORDER BY e.cursor LIMIT ?",
    )?;
    let rows = statement.query_map([STEP_EVENTS], |row| {
        Ok(Going {
            cursor: row.get(0)?,
            stream: row.get(1)?,
            sequence: row.get(2)?,
            kind: row.get(3)?,
            batch: row.get(4)?,
            time_ms: row.get(5)?,
            end_ms: row.get(6)?,
            wall_ms: row.get(7)?,
        })
    })?;
    let mut going = Vec::new();
    for event in rows {
        let event = event?;
        if !goes(&event) {
            break;
        }
        going.push(event);
    }
    Ok(going)
}

/// Keeps of each stream what a later run wants to know, and forgets streams that have gone wholly and are not the
/// newest of their feed.
fn remember(conn: &Connection, going: &[Going]) -> rusqlite::Result<()> {
    let mut by_stream: BTreeMap<i64, Vec<&Going>> = BTreeMap::new();
    going.iter().for_each(|event| by_stream.entry(event.stream).or_default().push(event));
    for (stream, events) in by_stream {
        let sql = format!("SELECT {STREAM_COLUMNS} FROM streams WHERE stream = ?");
        let row = conn.prepare_cached(&sql)?.query_row([stream], |row| Ok(StreamRow::read(row)))?;
        // Of a damaged row nothing can be kept: it stays as it is, for the next look at the file.
        let Ok(mut row) = row else { continue };
        events.iter().for_each(|event| row.forget(event));
        put_stream(conn, &row)?;
        let sql = "DELETE FROM streams WHERE stream = ?1 AND NOT EXISTS (SELECT 1 FROM events WHERE stream = ?1) \
                   AND EXISTS (SELECT 1 FROM streams newer WHERE newer.feed = ?2 AND newer.epoch > ?3)";
        conn.prepare_cached(sql)?.execute(params![stream, row.feed, row.epoch])?;
    }
    Ok(())
}

impl StreamRow {
    fn forget(&mut self, event: &Going) {
        self.gone = event.sequence;
        let known = self.last.unwrap_or(Last { time_ms: 0, end_ms: 0, has_ended: false });
        let kind = EventKind::ALL.into_iter().find(|kind| kind.name() == event.kind);
        self.last = Some(Last {
            time_ms: event.time_ms,
            end_ms: known.end_ms.max(event.end_ms),
            has_ended: kind.and_then(super::runs::says_ended).unwrap_or(known.has_ended),
        });
    }
}

/// Gives free pages back, some at a time. Whether there are more.
fn give_back(store: &Store) -> rusqlite::Result<bool> {
    if pragma(store.connection(), "freelist_count")? <= FREE_PAGES_MAX {
        return Ok(false);
    }
    store.lazily(|conn| {
        // One page is freed a row.
        let mut vacuum = conn.prepare_cached(&format!("PRAGMA incremental_vacuum({STEP_PAGES})"))?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        Ok(true)
    })
}

fn used_bytes(conn: &Connection) -> rusqlite::Result<u64> {
    let pages = pragma(conn, "page_count")?.saturating_sub(pragma(conn, "freelist_count")?);
    Ok(u64::try_from(pages.saturating_mul(pragma(conn, "page_size")?)).unwrap_or(0))
}

fn pragma(conn: &Connection, name: &str) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, name, |row| row.get(0))
}

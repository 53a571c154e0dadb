//! Rows as they lie in the file, each with a checksum over all of it. A row that fails it is never used.

use crc32fast::Hasher;
use engine::event::EventKind;
use rusqlite::types::ValueRef;

use super::stamp::{HandOver, Stamp};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventRow {
    /// Place in the journal.
    pub(super) cursor: i64,
    /// Which feed and epoch: a row of `streams`.
    pub(super) stream: i64,
    /// Place in the stream, from 1, gapless.
    pub(super) sequence: i64,
    /// Type of the event.
    pub(super) kind: EventKind,
    /// What it was committed with.
    pub(super) batch: i64,
    /// When the fact happened in the audio, ms since 1970.
    pub(super) time_ms: i64,
    /// Where the fact ends, media time, ms.
    pub(super) end_ms: i64,
    /// How it came.
    pub(super) hand_over: HandOver,
    /// The envelope without what a stamp adds.
    pub(super) line: String,
}

/// Columns of an event, in the order that [`EventRow::read`] expects; the table is named `e`.
pub(super) const EVENT_COLUMNS: &str = "e.cursor, e.stream, e.sequence, e.kind, e.batch, e.time_ms, e.end_ms, \
     e.handed_us, e.total_us, e.line, e.crc";
/// Number of [`EVENT_COLUMNS`].
pub(super) const N_EVENT_COLUMNS: usize = 11;

impl EventRow {
    /// Over everything in the row.
    pub(super) fn crc(&self) -> i64 {
        let mut crc = Checksum::new("event");
        [
            self.cursor,
            self.stream,
            self.sequence,
            self.batch,
            self.time_ms,
            self.end_ms,
            self.hand_over.run_us,
        ]
        .into_iter()
        .for_each(|number| crc.number(number));
        crc.optional(self.hand_over.total_us);
        crc.text(self.kind.name());
        crc.text(&self.line);
        crc.finish()
    }

    /// An event and its checksum from [`EVENT_COLUMNS`]. The error says what is wrong with it.
    pub(super) fn read(row: &rusqlite::Row<'_>) -> Result<Self, String> {
        let number = |idx| number(row, idx);
        let kind = text(row, 3)?;
        let kind = EventKind::ALL.into_iter().find(|known| known.name() == kind);
        let event = Self {
            cursor: number(0)?,
            stream: number(1)?,
            sequence: number(2)?,
            kind: kind.ok_or("unknown type of event")?,
            batch: number(4)?,
            time_ms: number(5)?,
            end_ms: number(6)?,
            hand_over: HandOver { run_us: number(7)?, total_us: optional(row, 8)? },
            line: text(row, 9)?.to_owned(),
        };
        checked(event.crc(), number(10)?)?;
        Ok(event)
    }
}

/// When a batch became visible, with a checksum.
pub(super) fn stamp_crc(batch: i64, stamp: Stamp) -> i64 {
    let mut crc = Checksum::new("batch");
    [batch, stamp.run_us, stamp.wall_ms].into_iter().for_each(|number| crc.number(number));
    crc.finish()
}

/// The stamp of `batch` from columns `run_us, wall_ms, crc` that begin at `first`. `None`: there is no such row.
pub(super) fn read_stamp(row: &rusqlite::Row<'_>, first: usize, batch: i64) -> Result<Option<Stamp>, String> {
    let (Some(run_us), Some(wall_ms)) = (optional(row, first)?, optional(row, first + 1)?) else {
        return Ok(None);
    };
    let stamp = Stamp { run_us, wall_ms };
    checked(stamp_crc(batch, stamp), number(row, first + 2)?)?;
    Ok(Some(stamp))
}

/// What is kept of a stream when its events are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamRow {
    /// Its number.
    pub(super) stream: i64,
    /// Name of the feed.
    pub(super) feed: String,
    /// Epoch of the feed.
    pub(super) epoch: i64,
    /// Sequence of the newest event that retention took.
    pub(super) gone: i64,
    /// What is known of that event.
    pub(super) last: Option<Last>,
}

/// What a later run wants to know of the last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Last {
    /// When it happened, ms since 1970.
    pub(super) time_ms: i64,
    /// Where it ends, media time, ms.
    pub(super) end_ms: i64,
    /// Whether the feed had ended in order.
    pub(super) has_ended: bool,
}

/// Columns of a stream, in the order that [`StreamRow::read`] expects.
pub(super) const STREAM_COLUMNS: &str =
    "stream, feed, epoch, gone, last_time_ms, last_end_ms, has_ended, crc";

impl StreamRow {
    /// Over everything in the row.
    pub(super) fn crc(&self) -> i64 {
        let mut crc = Checksum::new("stream");
        [self.stream, self.epoch, self.gone].into_iter().for_each(|number| crc.number(number));
        crc.text(&self.feed);
        crc.optional(self.last.map(|last| last.time_ms));
        crc.optional(self.last.map(|last| last.end_ms));
        crc.optional(self.last.map(|last| i64::from(last.has_ended)));
        crc.finish()
    }

    /// A stream and its checksum from [`STREAM_COLUMNS`].
    pub(super) fn read(row: &rusqlite::Row<'_>) -> Result<Self, String> {
        let last = match (optional(row, 4)?, optional(row, 5)?, optional(row, 6)?) {
            (Some(time_ms), Some(end_ms), Some(ended)) => {
                Some(Last { time_ms, end_ms, has_ended: ended == 1 })
            }
            _ => None,
        };
        let feed = text(row, 1)?.to_owned();
        let stream =
            Self { stream: number(row, 0)?, feed, epoch: number(row, 2)?, gone: number(row, 3)?, last };
        checked(stream.crc(), number(row, 7)?)?;
        Ok(stream)
    }
}

/// Checksum of a setting.
pub(super) fn setting_crc(key: &str, value: &str) -> i64 {
    let mut crc = Checksum::new("setting");
    crc.text(key);
    crc.text(value);
    crc.finish()
}

/// A setting from columns `value, crc`.
pub(super) fn read_setting(row: &rusqlite::Row<'_>, key: &str) -> Result<String, String> {
    let value = text(row, 0)?;
    checked(setting_crc(key, value), number(row, 1)?)?;
    Ok(value.to_owned())
}

/// CRC-32 over tagged values: no two rows of different meaning have the same bytes.
struct Checksum(Hasher);

impl Checksum {
    fn new(table: &str) -> Self {
        let mut crc = Self(Hasher::new());
        crc.text(table);
        crc
    }

    fn number(&mut self, number: i64) {
        self.0.update(&number.to_le_bytes());
    }

    fn optional(&mut self, number: Option<i64>) {
        self.0.update(&[u8::from(number.is_some())]);
        self.number(number.unwrap_or(0));
    }

    fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn finish(self) -> i64 {
        i64::from(self.0.finalize())
    }
}

fn checked(computed: i64, stored: i64) -> Result<(), String> {
    if computed == stored { Ok(()) } else { Err("its checksum does not fit".to_owned()) }
}

/// A whole number, or nothing.
pub(super) fn optional(row: &rusqlite::Row<'_>, idx: usize) -> Result<Option<i64>, String> {
    match row.get_ref(idx) {
        Ok(ValueRef::Integer(number)) => Ok(Some(number)),
        Ok(ValueRef::Null) => Ok(None),
        other => Err(format!("column {idx}: expected a whole number, found {other:?}")),
    }
}

/// A whole number.
pub(super) fn number(row: &rusqlite::Row<'_>, idx: usize) -> Result<i64, String> {
    optional(row, idx)?.ok_or_else(|| format!("column {idx}: expected a whole number, found none"))
}

fn text<'r>(row: &'r rusqlite::Row<'_>, idx: usize) -> Result<&'r str, String> {
    let value = row.get_ref(idx).map_err(|e| e.to_string())?;
    value.as_str().map_err(|_| format!("column {idx}: expected text"))
}

//! What an earlier run left of a feed: where the next one goes on.

use engine::event::EventKind;
use engine::time::MediaTime;
use jiff::Timestamp;

use super::error::JournalError;
use super::reader::{Reader, Unseen, select};
use super::row::{Last, StreamRow};
use super::stamp::timestamp;
use super::store::streams_of;

/// Events at the end of an epoch among which its `feed.ended` is looked for: finals and reports may follow it.
const ENDING: usize = 64;

/// What is known of the newest epoch of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// Its epoch: the highest that was used.
    pub epoch: u64,
    /// When its last event happened.
    pub time: Timestamp,
    /// Where its last event ends, media time.
    pub end: MediaTime,
    /// Whether the feed had ended in order. Otherwise it was cut off.
    pub has_ended: bool,
}

impl Reader {
    /// The newest epoch of `feed`. `None`: the feed was never heard of.
    pub fn last_run(&mut self, feed: &str) -> Result<Option<LastRun>, JournalError> {
        let newest = streams_of(&self.conn, &self.path, feed)?.pop();
        let Some(stream) = newest else { return Ok(None) };
        let last = self.last(&stream)?.or(stream.last);
        Ok(last.map(|last| LastRun {
            epoch: u64::try_from(stream.epoch).unwrap_or(0),
            time: timestamp(last.time_ms),
            end: MediaTime::from_millis(u64::try_from(last.end_ms).unwrap_or(0)),
            has_ended: last.has_ended,
        }))
    }

    fn last(&self, stream: &StreamRow) -> Result<Option<Last>, JournalError> {
        let condition = format!("e.stream = {}", stream.stream);
        let sql = select(&condition, &format!("ORDER BY e.sequence DESC LIMIT {ENDING}"));
        let facts = self.rows(&sql, ENDING, Unseen::Skipped, |event, _| {
            Ok(Some((event.kind, Last { time_ms: event.time_ms, end_ms: event.end_ms, has_ended: false })))
        })?;
        let before = stream.last.is_some_and(|last| last.has_ended);
        let has_ended = facts.iter().find_map(|(kind, _)| says_ended(*kind)).unwrap_or(before);
        // A late report may end before what was said already.
        let end_ms = facts.iter().map(|(_, last)| last.end_ms).max().unwrap_or(0);
        Ok(facts.first().map(|(_, newest)| Last { time_ms: newest.time_ms, end_ms, has_ended }))
    }
}

/// Whether a feed has ended in order, as far as an event of `kind` says. `None`: it says nothing about it.
pub(super) fn says_ended(kind: EventKind) -> Option<bool> {
    use EventKind as K;
    match kind {
        K::FeedEnded | K::EngineRefused => Some(true),
        K::FeedConnected | K::FeedLive | K::FeedStalled | K::FeedReconnecting => Some(false),
        _ => None,
    }
}

//! What was said, in order: for transcripts and captions of the past.

use engine::event::EventKind;
use jiff::Timestamp;
use serde::Deserialize;

use super::error::JournalError;
use super::reader::{Reader, Unseen, select};
use super::store::streams_of;

/// A final, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Identity of the event.
    pub id: String,
    /// Name of the feed.
    pub feed: String,
    /// Epoch of the feed.
    pub epoch: u64,
    /// Number of the utterance in the epoch.
    pub utterance: u64,
    /// When it began.
    pub time: Timestamp,
    /// Where it begins, media time, ms.
    pub start_ms: u64,
    /// Where it ends, media time, ms.
    pub end_ms: u64,
    /// The whole text.
    pub text: String,
    /// Its words in order.
    pub words: Vec<SaidWord>,
}

/// A word of a final.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SaidWord {
    /// As written, with its punctuation.
    pub text: String,
    /// Where it begins, media time, ms.
    pub start_ms: u64,
    /// Where it ends, media time, ms.
    pub end_ms: u64,
    /// 0..=1.
    pub confidence: f32,
}

impl Reader {
    /// What was said on `feed` in utterances that began in `[from, to)`, in the order in which it was said, up to
    /// `limit` utterances.
    pub fn finals(
        &mut self,
        feed: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Said>, JournalError> {
        let streams = self.streams_of(&[feed.to_owned()])?;
        let ms = |time: Option<Timestamp>, open| time.map_or(open, Timestamp::as_millisecond);
        let condition = format!(
            "e.stream IN ({streams}) AND e.time_ms >= {} AND e.time_ms < {}",
            ms(from, i64::MIN),
            ms(to, i64::MAX)
        );
        self.finals_where(&condition, limit)
    }

    /// What was said on `feed` in `epoch`, or else in its newest one, up to `limit` utterances.
    pub fn finals_of_epoch(
        &mut self,
        feed: &str,
        epoch: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Said>, JournalError> {
        let mut streams = streams_of(&self.conn, &self.path, feed)?;
        let newest = streams.pop();
        let stream = match (epoch, newest) {
            (None, newest) => newest,
            (Some(epoch), newest) => newest
                .into_iter()
                .chain(streams)
                .find(|stream| u64::try_from(stream.epoch).ok() == Some(epoch)),
        };
        let Some(stream) = stream else { return Ok(Vec::new()) };
        self.finals_where(&format!("e.stream = {}", stream.stream), limit)
    }

    fn finals_where(&self, condition: &str, limit: usize) -> Result<Vec<Said>, JournalError> {
        let condition = format!("{condition} AND e.kind = '{}'", EventKind::TranscriptFinal.name());
        let sql = select(&condition, &format!("ORDER BY e.time_ms, e.cursor LIMIT {limit}"));
        self.rows(&sql, limit, Unseen::Skipped, |event, line| {
            let damaged = || {
                JournalError::damaged(
                    &self.path,
                    format!("event {}", event.cursor),
                    "its line is not a final",
                )
            };
            said(&line).map(Some).ok_or_else(damaged)
        })
    }
}

/// The final in the line of an event. `None`: it is none.
#[must_use]
pub fn said(line: &str) -> Option<Said> {
    let Line { id, time, data } = serde_json::from_str(line).ok()?;
    Some(Said {
        id,
        feed: data.feed,
        epoch: data.epoch,
        utterance: data.utterance,
        time,
        start_ms: data.span.start_ms,
        end_ms: data.span.end_ms,
        text: data.text,
        words: data.words,
    })
}

/// What of an envelope is read again.
#[derive(Deserialize)]
struct Line {
    id: String,
    #[serde(deserialize_with = "timestamp")]
    time: Timestamp,
    data: Facts,
}

#[derive(Deserialize)]
struct Facts {
    feed: String,
    epoch: u64,
    span: SpanMs,
    utterance: u64,
    text: String,
    words: Vec<SaidWord>,
}

#[derive(Deserialize)]
struct SpanMs {
    start_ms: u64,
    end_ms: u64,
}

fn timestamp<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

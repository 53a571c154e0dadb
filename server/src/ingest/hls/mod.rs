//! HTTP Live Streaming (RFC 8216): a playlist that is read again and again, and segments of audio that it names.
//!
//! ```text
//! task "receive": playlist -> Follow -> segments ── Part ──> thread "decode": clip -> Player -> frames, gaps, times, marks
//! ```
//!
//! **Media time** is the audio itself: within a stretch segments are joined by their time stamps (see [`joint`]), and one
//! that is not there is a gap of the length that the stamps say. **Wall time** is what `EXT-X-PROGRAM-DATE-TIME` says.
//! **Latency** counts from the arrival of a segment, which is when the whole of it was received: no sample of it was here before.
//!
//! A live playlist is joined three target durations before its end, a recording is heard from its start, at the pace of the
//! world where the feed is live. Not here: encrypted segments, low-latency parts, subtitles, pictures.

mod attributes;
mod clip;
mod follow;
mod fragment;
mod id3;
mod joint;
mod master;
mod play;
mod playlist;
mod ranges;
mod receive;
mod ts;

use std::time::Instant;

use bytes::Bytes;
use engine::event::GapReason;
use engine::time::MediaTime;
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

pub(super) use follow::{Mark, place};
pub(super) use play::{Player, Said, Stop};
use playlist::Wall;
pub(super) use playlist::{BYTES_MAX, ByteRange};
pub(super) use receive::{Listening, Over};

/// What the task that receives has for the thread that decodes.
pub(super) enum Part {
    /// A segment.
    Segment(Box<Sent>),
    /// A segment of about this length is not there.
    Missing { length: MediaTime, is_cut: bool, reason: GapReason, marks: Vec<Mark> },
    /// There was no new segment for too long.
    Quiet,
    /// There will be no more.
    End,
}

/// Where a segment of the source lies, said at its first frames: what ties media time to the source's own clock and numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Its number in the playlist.
    pub number: u64,
    /// Discontinuities before it, as the playlist counts them.
    pub era: u64,
    /// The playlist's target duration: no segment is longer.
    pub target: MediaTime,
    /// How long it lasts, says the playlist.
    pub length: MediaTime,
    /// By how much the audio that follows begins after it, flicks.
    pub lead: i64,
    /// Time stamp of the audio that follows, ticks of 1/90 000 s. `None`: the segment has none.
    pub ticks: Option<u64>,
    /// When it began, says the playlist.
    pub wall: Option<Timestamp>,
}

/// A segment that was received.
pub(super) struct Sent {
    bytes: Bytes,
    /// What belongs before its bytes.
    header: Option<Bytes>,
    /// When the whole of it was here.
    at: Instant,
    wall: Option<Wall>,
    number: u64,
    era: u64,
    target: MediaTime,
    length: MediaTime,
    is_cut: bool,
    marks: Vec<Mark>,
    /// Room for its bytes, which is free again when it was played.
    _room: Option<OwnedSemaphorePermit>,
}

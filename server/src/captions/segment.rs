//! Segments and playlists of captions as text: WebVTT (W3C) with the header that HLS wants, and HLS (RFC 8216). Decides nothing.

use std::fmt::Write;

use bytes::Bytes;
use engine::event::GapReason;
use engine::time::{MediaTime, Span};
use jiff::Timestamp;

use crate::sinks::clock_time;

/// Ticks of the clock of transport streams in a second, and how many there are before it begins again.
const TICKS_PER_SECOND: u64 = 90_000;
const TICKS: u64 = 1 << 33;

/// A segment that was published. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its number in the playlist.
    pub number: u64,
    /// Discontinuities before it.
    pub era: u64,
    /// How long it lasts.
    pub length: MediaTime,
    /// When it begins.
    pub wall: Option<Timestamp>,
    /// WebVTT.
    pub text: Bytes,
}

/// What can be played now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Playlist {
    /// No segment is longer.
    pub target: MediaTime,
    /// In their order, without a hole.
    pub segments: Vec<Segment>,
    /// There will be no more.
    pub is_ended: bool,
    /// Language code of the newest utterance.
    pub language: Option<String>,
}

impl Playlist {
    /// The playlist as HLS writes it; behind the name of each segment stands `query`.
    #[must_use]
    pub fn text(&self, query: &str) -> String {
        let first = self.segments.first();
        let (number, era) = first.map_or((0, 0), |first| (first.number, first.era));
        let longest = self.segments.iter().map(|segment| segment.length).max().unwrap_or_default();
        let target = self.target.max(longest).as_secs_f64().round().max(1.0);
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{number}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:{era}\n"
        );
        let mut before = era;
        for segment in &self.segments {
            if std::mem::replace(&mut before, segment.era) != segment.era {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if let Some(wall) = segment.wall {
                let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{wall:.3}");
            }
            let (length, number) = (segment.length.as_secs_f64(), segment.number);
            let _ = write!(text, "#EXTINF:{length:.6},\n{number}.vtt{query}\n");
        }
        if self.is_ended {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        text
    }
}

/// Stands before a cue that comes later than its segment.
pub(super) const LATE: &str = "NOTE late\n\n";

/// The head of a segment: media time `at` is `ticks` on the clock of the stream. Times in it are media times, which the head
/// maps; `LOCAL` is a whole number of milliseconds.
pub(super) fn head((at, ticks): (MediaTime, u64)) -> String {
    let whole = MediaTime::from_millis(at.as_millis());
    let rest = (at.saturating_sub(whole).as_secs_f64() * TICKS_PER_SECOND as f64).round() as u64;
    let ticks = (ticks % TICKS + TICKS - rest) % TICKS;
    format!("WEBVTT\nX-TIMESTAMP-MAP=LOCAL:{},MPEGTS:{ticks}\n\n", clock_time(whole, '.'))
}

/// A comment that audio is missing.
pub(super) fn gap(span: Span, reason: GapReason) -> String {
    let name = serde_json::to_value(reason).ok();
    let name = name.as_ref().and_then(|name| name.as_str()).unwrap_or("unknown");
    format!("NOTE gap {name} from {} to {}\n\n", clock_time(span.start, '.'), clock_time(span.end, '.'))
}

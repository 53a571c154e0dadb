//! Live captions: what is said on each feed now, in segments that players read beside the stream. Made from what became
//! visible, and from what only the feed knows: its own segments, and how far its transcript is settled. Speaks no protocol.

mod reel;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use engine::continuity::Conservation;
use engine::event::{Body, FeedState};
use engine::time::MediaTime;
use jiff::Timestamp;

use crate::config::CaptionsConfig;
use crate::ingest::Anchor;
use crate::publish::{Published, Record, Sink, Witness};
use crate::sinks::Layout;
use reel::Reel;
pub use segment::{Playlist, Segment};

/// How often a feed tells how far its transcript is settled while nobody speaks.
pub const SETTLE: MediaTime = MediaTime::from_millis(500);

/// How captions are cut and laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Length of a segment, where the source has none of its own.
    pub segment: MediaTime,
    /// Segments in a playlist.
    pub window: usize,
    /// How long after its end a segment waits for what was said in it.
    pub wait: MediaTime,
    /// How cues look.
    pub layout: Layout,
}

impl From<&CaptionsConfig> for Rules {
    fn from(config: &CaptionsConfig) -> Self {
        let layout = Layout {
            line_chars: config.line_chars,
            lines: config.lines,
            cue_min: MediaTime::from_millis(config.cue_ms_min),
            chars_per_sec: config.chars_per_sec,
        };
        Self {
            segment: MediaTime::from_secs(config.segment_secs),
            window: config.window_segments,
            wait: MediaTime::from_secs(config.wait_secs),
            layout,
        }
    }
}

type Shared = Arc<Mutex<Reel>>;

/// The captions of all feeds that have a transcript.
pub struct Captions {
    rules: Rules,
    reels: RwLock<BTreeMap<String, Shared>>,
}

impl Captions {
    /// Of no feed yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules, reels: RwLock::default() }
    }

    /// What goes before `journal` in the sinks of a feed that begins: it passes everything on but what was asked for here.
    #[must_use]
    pub fn sink(&self, feed: &str, epoch: u64, journal: Box<dyn Sink>) -> Box<dyn Sink> {
        let mut reels = self.reels.write().unwrap_or_else(PoisonError::into_inner);
        let reel =
            reels.entry(feed.to_owned()).or_insert_with(|| Arc::new(Mutex::new(Reel::new(self.rules))));
        Box::new(FeedSink { reel: Arc::clone(reel), epoch, journal })
    }

    /// A feed is forgotten.
    pub fn forget(&self, feed: &str) {
        self.reels.write().unwrap_or_else(PoisonError::into_inner).remove(feed);
    }

    /// The playlist of a feed. `None`: it has no transcript.
    #[must_use]
    pub fn playlist(&self, feed: &str) -> Option<Playlist> {
        self.with(feed, |reel| reel.playlist())
    }

    /// A segment that was published, as long as it is kept.
    #[must_use]
    pub fn segment(&self, feed: &str, number: u64) -> Option<Segment> {
        self.with(feed, |reel| reel.segment(number)).flatten()
    }

    fn with<T>(&self, feed: &str, look: impl FnOnce(&mut Reel) -> T) -> Option<T> {
        let reel = self.reels.read().unwrap_or_else(PoisonError::into_inner).get(feed).cloned()?;
        Some(locked(&reel, look))
    }
}

fn locked<T>(reel: &Shared, look: impl FnOnce(&mut Reel) -> T) -> T {
    look(&mut reel.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Witness for Captions {
    fn saw(&self, published: &Published) {
        let envelope = &published.record.envelope;
        let data = &envelope.data;
        // Those that say something about captions, or when they were said.
        if !matches!(data.body, Body::Final(_) | Body::Gap(_) | Body::Feed(_) | Body::Heartbeat(_)) {
            return;
        }
        self.with(&data.feed, |reel| {
            reel.begin(data.epoch);
            if let Ok(wall) = envelope.time.parse::<Timestamp>() {
                reel.heard_at(data.span.start, wall);
            }
            match &data.body {
                Body::Final(transcript) => reel.said(transcript),
                Body::Gap(gap) => reel.missing(data.span, gap.reason),
                Body::Feed(feed) if feed.state == FeedState::Ended => reel.end(data.span.end),
                _ => {}
            }
        });
    }
}

/// What only the feed knows. Nothing of it is an event that others see.
struct FeedSink {
    reel: Shared,
    epoch: u64,
    journal: Box<dyn Sink>,
}

impl Sink for FeedSink {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        match &record.envelope.data.body {
            Body::Settled(settled) => {
                let until = record.envelope.data.span.end;
                locked(&self.reel, |reel| {
                    reel.begin(self.epoch);
                    reel.settled(until, *settled);
                });
                Ok(())
            }
            Body::Onset(_) => Ok(()),
            _ => self.journal.take(record),
        }
    }

    fn counted(&mut self, total: Conservation, end: MediaTime) {
        locked(&self.reel, |reel| {
            reel.begin(self.epoch);
            reel.arrived(end);
        });
        self.journal.counted(total, end);
    }

    fn anchored(&mut self, position: MediaTime, anchor: &Anchor) {
        locked(&self.reel, |reel| {
            reel.begin(self.epoch);
            reel.anchor(position, anchor);
        });
        self.journal.anchored(position, anchor);
    }

    fn flush(&mut self) -> io::Result<()> {
        self.journal.flush()
    }
}

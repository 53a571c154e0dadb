//! The pump: fills a run's blocks with decoded frames, and keeps the position of everything that comes by.

use std::time::Instant;

use engine::audio::Format;
use engine::event::{Event, Feed, FeedState, GapReason, Metadata};
use engine::time::{MediaTime, Span};

use crate::ingest::decode::{Planes, Stream};
use crate::run::{FeedRun, RunError};

/// Where a feed is, and the run that its audio goes to.
pub struct Pump<'a> {
    run: &'a mut FeedRun,
    stream: Option<Stream>,
    /// Start of the present stretch of unbroken audio.
    origin: MediaTime,
    /// Frames of the stretch so far.
    n_frames: u64,
}

impl<'a> Pump<'a> {
    /// A pump at media time zero.
    pub fn new(run: &'a mut FeedRun) -> Self {
        Self { run, stream: None, origin: MediaTime::ZERO, n_frames: 0 }
    }

    /// Media time up to which the feed has come.
    #[must_use]
    pub fn position(&self) -> MediaTime {
        match self.format() {
            Some(format) => self.origin + MediaTime::from_frames(self.n_frames, format.rate()),
            None => self.origin,
        }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &FeedRun {
        self.run
    }

    fn format(&self) -> Option<Format> {
        self.stream.map(|stream| stream.format)
    }

    /// What the frames from here on are. A new stretch begins where the format changes.
    pub fn stream(&mut self, stream: Stream) {
        if self.stream == Some(stream) {
            return;
        }
        self.origin = self.position();
        self.n_frames = 0;
        self.stream = Some(stream);
        self.state(FeedState::Format, None);
    }

    /// A new stretch begins at `origin`, because the source was away.
    pub fn resume_at(&mut self, origin: MediaTime) {
        self.origin = origin.max(self.position());
        self.n_frames = 0;
    }

    /// The feed is in a new state, because of `reason`.
    pub fn state(&self, state: FeedState, reason: Option<String>) {
        let stream = self.stream;
        let feed = Feed {
            state,
            reason,
            codec: stream.map(|s| s.codec.to_owned()),
            rate_hz: stream.map(|s| s.format.rate().hz()),
            channels: stream.map(|s| s.format.n_channels()),
        };
        let here = self.position();
        self.run.state(Event::new(Span::new(here, here), here, feed));
    }

    /// What is playing from here on.
    pub fn metadata(&self, metadata: Metadata) {
        let here = self.position();
        self.run.state(Event::new(Span::new(here, here), here, metadata));
    }

    /// `frames` are missing here.
    pub fn lost(&mut self, frames: u64, reason: GapReason) {
        let start = self.position();
        self.n_frames = self.n_frames.saturating_add(frames);
        self.run.leave_out(Span::new(start, self.position()), frames, reason);
    }

    /// Sends frames on, in blocks; all arrived at `received_at`. Waits or sheds, as the run was told.
    pub fn frames(&mut self, planes: &Planes, received_at: Instant) -> Result<(), RunError> {
        let Some(format) = self.format() else { return Ok(()) };
        let mut at = 0;
        while at < planes.n_frames() {
            let rest = (planes.n_frames() - at) as u64;
            let Some(mut block) = self.run.take(format)? else {
                self.lost(rest, GapReason::Overload);
                return Ok(());
            };
            block.restart(self.origin, self.n_frames, received_at);
            let n = planes.with(at..planes.n_frames(), |slices| block.extend_planar(slices));
            if n == 0 {
                return Ok(());
            }
            at += n;
            self.n_frames += n as u64;
            self.run.send(block);
        }
        Ok(())
    }
}

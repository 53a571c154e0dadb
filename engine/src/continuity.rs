//! Continuity and conservation: turns jumps between blocks into gaps, and counts what was received and analysed.
//! Emits nothing itself.

use crate::audio::Block;
use crate::event::{Event, Gap, GapReason};
use crate::time::{MediaTime, Span};

/// What became of a feed's audio, in frames at its own rate. `received = analysed + in_gaps`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conservation {
    /// Frames that arrived.
    pub received: u64,
    /// Frames that went through the analysis.
    pub analysed: u64,
    /// Frames in `gap` events. Frames that never arrived (a source that was away) are in none of the three.
    pub in_gaps: u64,
}

impl Conservation {
    /// Analysed / received; 1 while nothing was received.
    #[must_use]
    pub fn coverage(self) -> f64 {
        if self.received == 0 { 1.0 } else { self.analysed as f64 / self.received as f64 }
    }

    /// Whether every frame is accounted for.
    #[must_use]
    pub fn holds(self) -> bool {
        self.received == self.analysed + self.in_gaps
    }

    /// Moves frames from analysed to gaps: the analysis turned out not to be complete.
    pub fn take_back(&mut self, frames: u64) {
        let frames = frames.min(self.analysed);
        self.analysed -= frames;
        self.in_gaps += frames;
    }

    /// Adds the frames of another stretch.
    pub fn add(&mut self, other: Self) {
        self.received += other.received;
        self.analysed += other.analysed;
        self.in_gaps += other.in_gaps;
    }
}

/// Watches the positions of a feed's blocks.
#[derive(Debug, Default)]
pub struct Continuity {
    expected: Option<Expected>,
    counts: Conservation,
}

#[derive(Clone, Copy, Debug)]
struct Expected {
    origin: MediaTime,
    frame: u64,
    time: MediaTime,
}

impl Continuity {
    /// Counts `block`, and says what is missing before it: frames of the same stretch that were shed on the way, or
    /// what its receiver says when a new stretch begins. After an answer the
    /// operators must be reset.
    pub fn check(&mut self, block: &Block) -> Option<Event> {
        let gap = self.expected.and_then(|expected| self.missing(expected, block));
        let n_frames = block.n_frames() as u64;
        self.counts.received += n_frames;
        self.counts.analysed += n_frames;
        self.expected = Some(Expected {
            origin: block.origin(),
            frame: block.start_frame() + n_frames,
            time: block.span().end,
        });
        gap
    }

    fn missing(&mut self, expected: Expected, block: &Block) -> Option<Event> {
        let start = block.span().start;
        let gap = if block.origin() != expected.origin {
            block.missing().unwrap_or(Gap { frames: 0, reason: GapReason::Disconnect })
        } else if block.start_frame() > expected.frame {
            Gap { frames: block.start_frame() - expected.frame, reason: GapReason::Overload }
        } else {
            return None;
        };
        self.counts.received += gap.frames;
        self.counts.in_gaps += gap.frames;
        Some(Event::new(Span::new(expected.time, start), block.span().end, gap))
    }

    /// The counts since they were last taken.
    pub fn take_counts(&mut self) -> Conservation {
        std::mem::take(&mut self.counts)
    }

    /// Media time up to which the feed was seen.
    #[must_use]
    pub fn position(&self) -> MediaTime {
        self.expected.map_or(MediaTime::ZERO, |expected| expected.time)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::audio::Format;
    use crate::event::Body;

    fn block(origin_ms: u64, start_frame: u64) -> Block {
        let mut block = Block::new(Format::SPEECH, 160, Instant::now());
        block.restart(MediaTime::from_millis(origin_ms), start_frame, Instant::now());
        block.extend_interleaved(&[0.0; 160]);
        block
    }

    /// Blocks as (origin ms, start frame); expected gaps as (start ms, end ms, frames, reason).
    fn check(blocks: &[(u64, u64)], expected: &[(u64, u64, u64, GapReason)]) -> Conservation {
        let mut continuity = Continuity::default();
        let mut seen = Vec::new();
        for &(origin, frame) in blocks {
            if let Some(Event { span, body: Body::Gap(gap), .. }) = continuity.check(&block(origin, frame)) {
                seen.push((span.start.as_millis(), span.end.as_millis(), gap.frames, gap.reason));
            }
        }
        assert_eq!(seen, expected);
        let counts = continuity.take_counts();
        assert!(counts.holds() && continuity.take_counts() == Conservation::default());
        counts
    }

    #[test]
    fn unbroken_audio_has_no_gap() {
        assert_eq!(check(&[(0, 0), (0, 160), (0, 320)], &[]).coverage(), 1.0);
    }

    #[test]
    fn shed_frames_are_a_gap_of_their_exact_length() {
        let counts = check(&[(0, 0), (0, 480)], &[(10, 30, 320, GapReason::Overload)]);
        assert_eq!(counts, Conservation { received: 640, analysed: 320, in_gaps: 320 });
    }

    #[test]
    fn a_loss_that_the_receiver_explains_is_counted() {
        let mut continuity = Continuity::default();
        assert_eq!(continuity.check(&block(0, 0)), None);
        let mut next = block(50, 0);
        next.explain_missing(Gap { frames: 640, reason: GapReason::Undecodable });
        let gap = continuity.check(&next).map(|event| event.body);
        assert_eq!(gap, Some(Body::from(Gap { frames: 640, reason: GapReason::Undecodable })));
        let counts = continuity.take_counts();
        assert_eq!(counts, Conservation { received: 960, analysed: 320, in_gaps: 640 });
    }

    #[test]
    fn a_source_that_was_away_is_a_gap_in_time() {
        let counts = check(&[(0, 0), (5_000, 0)], &[(10, 5_000, 0, GapReason::Disconnect)]);
        assert_eq!(counts.received, 320);
    }
}

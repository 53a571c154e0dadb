//! Where a feed's media time lies on the clock and in its programme.

use std::time::Instant;

use engine::time::{FLICKS_PER_SECOND, MediaTime};

/// Media time 0 of a feed, as the server counts it: the first sample that it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// When that sample was heard: a live source sends a piece of audio when all of it was.
    pub due: Instant,
    /// Where in the first round of its programme it lies.
    pub position: MediaTime,
    /// Length of the pieces that audio is sent in, counted from media time 0. Zero: each sample for itself.
    pub piece: MediaTime,
    /// Audio that was kept back on purpose (a burst) was due no earlier than it was let go.
    pub held_until: Option<Instant>,
}

impl Anchor {
    /// Audio that is sent sample by sample.
    #[must_use]
    pub const fn new(due: Instant, position: MediaTime) -> Self {
        Self { due, position, piece: MediaTime::ZERO, held_until: None }
    }

    /// When everything before `at`, media time of the feed, was due to be sent: with the end of its piece.
    #[must_use]
    pub fn due(&self, at: MediaTime) -> Instant {
        let piece = self.piece.flicks().max(1);
        let sent_with = MediaTime::from_flicks(at.flicks().div_ceil(piece).saturating_mul(piece));
        let due = self.due + sent_with.to_duration();
        self.held_until.map_or(due, |until| due.max(until))
    }

    /// Media time of the feed that was heard at `at`; 0 before the feed began.
    #[must_use]
    pub fn media(&self, at: Instant) -> MediaTime {
        let nanos = at.saturating_duration_since(self.due).as_nanos();
        let flicks = nanos * u128::from(FLICKS_PER_SECOND) / 1_000_000_000;
        MediaTime::from_flicks(u64::try_from(flicks).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn audio_is_due_with_the_end_of_its_piece_and_not_before_it_is_let_go() {
        let due = Instant::now();
        let mut anchor = Anchor::new(due, MediaTime::ZERO);
        let ms = |anchor: &Anchor, at| anchor.due(MediaTime::from_millis(at)) - due;
        assert_eq!(ms(&anchor, 1_234), Duration::from_millis(1_234));
        anchor.piece = MediaTime::from_millis(50);
        let dues = [0, 1, 50, 51, 100].map(|at| ms(&anchor, at).as_millis());
        assert_eq!(dues, [0, 50, 50, 100, 100]);
        anchor.held_until = Some(due + Duration::from_millis(70));
        assert_eq!([50, 51].map(|at| ms(&anchor, at).as_millis()), [70, 100]);
    }
}

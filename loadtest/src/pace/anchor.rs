//! Where a feed's media time lies on the clock and in its programme.

use std::time::Instant;

use engine::time::MediaTime;

/// Media time 0 of a feed, as the server counts it: the first sample that it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// When that sample was due.
    pub due: Instant,
    /// Where in the first round of its programme it lies.
    pub position: MediaTime,
}

impl Anchor {
    /// When the sample at `at`, media time of the feed, was due.
    #[must_use]
    pub fn due(&self, at: MediaTime) -> Instant {
        self.due + at.to_duration()
    }
}

//! Wall time of media positions. Latency never uses it.

use std::time::{Duration, Instant};

use engine::time::MediaTime;
use jiff::{SignedDuration, Timestamp};

use super::Now;

/// How long an arrival says where the live edge is. A sender's clock may be off by 100 ppm: 30 ms in this time, and four
/// minutes in a month if it were never looked at again.
const WINDOW: Duration = Duration::from_secs(300);
/// A difference between wall and monotonic clock that somebody has set.
const STEP_MIN: SignedDuration = SignedDuration::from_millis(500);

/// Maps media time to wall time.
#[derive(Clone, Copy, Debug)]
pub enum WallClock {
    /// A file: its first sample is heard at the start of the run.
    File {
        /// The start of the run.
        start: Timestamp,
    },
    /// A live feed: the newest sample is heard when it arrives. A burst of old audio moves the start back.
    Live(LiveClock),
}

/// The clock of a live feed.
#[derive(Clone, Copy, Debug)]
pub struct LiveClock {
    /// A wall time and the monotonic time it was read at.
    now: Now,
    /// Earliest wall time of media position zero that an arrival of this window says.
    zero: Option<Timestamp>,
    /// The same of the window before.
    zero_before: Option<Timestamp>,
    /// When this window began.
    began: Instant,
}

impl WallClock {
    /// The clock of a file that starts now.
    #[must_use]
    pub fn file() -> Self {
        Self::File { start: Timestamp::now() }
    }

    /// The clock of a live feed.
    #[must_use]
    pub fn live() -> Self {
        Self::live_at(Now::read())
    }

    /// The clock of a live feed that begins at `now`.
    #[must_use]
    pub const fn live_at(now: Now) -> Self {
        Self::Live(LiveClock { now, zero: None, zero_before: None, began: now.instant })
    }

    /// Audio up to `end` arrived at `at`.
    pub fn arrived(&mut self, end: MediaTime, at: Instant) {
        if let Self::Live(clock) = self {
            clock.arrived(end, at);
        }
    }

    /// Looks at the wall clock. Answers by how much it was set since the last time, if it was.
    pub fn look(&mut self, now: Now) -> Option<SignedDuration> {
        match self {
            Self::File { .. } => None,
            Self::Live(clock) => clock.look(now),
        }
    }

    /// How long before `at` the audio up to `position` was heard, as far as is known. Zero for a file.
    #[must_use]
    pub fn age(&self, position: MediaTime, at: Instant) -> Duration {
        match self {
            Self::File { .. } => Duration::ZERO,
            Self::Live(LiveClock { now, .. }) => {
                let age = shift(now.wall, signed(now.instant, at)).duration_since(self.at(position));
                Duration::try_from(age).unwrap_or(Duration::ZERO)
            }
        }
    }

    /// When `position` was heard.
    #[must_use]
    pub fn at(&self, position: MediaTime) -> Timestamp {
        let zero = match self {
            Self::File { start } => *start,
            Self::Live(clock) => {
                [clock.zero, clock.zero_before].into_iter().flatten().min().unwrap_or(clock.now.wall)
            }
        };
        shift(zero, media(position))
    }
}

impl LiveClock {
    fn arrived(&mut self, end: MediaTime, at: Instant) {
        if at.saturating_duration_since(self.began) >= WINDOW {
            (self.zero_before, self.zero, self.began) = (self.zero, None, at);
        }
        let arrival = shift(self.now.wall, signed(self.now.instant, at));
        let candidate = shift(arrival, -media(end));
        self.zero = Some(self.zero.map_or(candidate, |known| known.min(candidate)));
    }

    fn look(&mut self, now: Now) -> Option<SignedDuration> {
        let expected = shift(self.now.wall, signed(self.now.instant, now.instant));
        let step = expected.duration_until(now.wall);
        self.now = now;
        for zero in [&mut self.zero, &mut self.zero_before].into_iter().flatten() {
            *zero = shift(*zero, step);
        }
        (step.abs() >= STEP_MIN).then_some(step)
    }
}

/// RFC 3339 in UTC with milliseconds.
pub(super) fn rfc3339(timestamp: Timestamp) -> String {
    format!("{timestamp:.3}")
}

fn media(position: MediaTime) -> SignedDuration {
    SignedDuration::try_from(position.to_duration()).unwrap_or(SignedDuration::MAX)
}

fn signed(from: Instant, to: Instant) -> SignedDuration {
    match to.checked_duration_since(from) {
        Some(later) => SignedDuration::try_from(later).unwrap_or(SignedDuration::MAX),
        None => -SignedDuration::try_from(from.duration_since(to)).unwrap_or(SignedDuration::MAX),
    }
}

fn shift(timestamp: Timestamp, by: SignedDuration) -> Timestamp {
    timestamp.saturating_add(by).unwrap_or(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Now {
        Now { instant: Instant::now(), wall: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_burst_of_old_audio_moves_the_start_back() {
        let now = now();
        let mut clock = WallClock::live_at(now);
        clock.arrived(MediaTime::from_secs(1), now.instant + Duration::from_secs(10));
        assert_eq!(rfc3339(clock.at(MediaTime::ZERO)), "1970-01-01T00:00:09.000Z");
        clock.arrived(MediaTime::from_secs(5), now.instant + Duration::from_secs(10));
        clock.arrived(MediaTime::from_secs(6), now.instant + Duration::from_millis(11_200));
        assert_eq!(rfc3339(clock.at(MediaTime::from_millis(500))), "1970-01-01T00:00:05.500Z");
    }

    #[test]
    fn a_sender_that_is_too_slow_is_followed_for_months() {
        let now = now();
        let mut clock = WallClock::live_at(now);
        let month = 30 * 24 * 3_600;
        for secs in (0..=month).step_by(20) {
            // 100 ppm: of a second of wall time it sends 0.9999 s of audio.
            let sent = MediaTime::from_millis(secs * 1_000 - secs / 10);
            clock.arrived(sent, now.instant + Duration::from_secs(secs));
        }
        let end = MediaTime::from_millis(month * 1_000 - month / 10);
        let off = clock.at(end).duration_until(shift(now.wall, SignedDuration::from_secs(month as i64)));
        // Two windows of drift at most.
        assert!(off.abs() <= SignedDuration::from_millis(60), "{off:?}");
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_once_and_followed() {
        let start = now();
        let mut clock = WallClock::live_at(start);
        let mut look = |secs: u64, set: i64| {
            let instant = start.instant + Duration::from_secs(secs);
            clock.arrived(MediaTime::from_secs(secs), instant);
            let wall = shift(start.wall, SignedDuration::from_secs(secs as i64 + set));
            let step = clock.look(Now { instant, wall });
            (step.map(|step| step.as_secs()), clock.at(MediaTime::from_secs(secs)) == wall)
        };
        assert_eq!([(5, 0), (10, 0)].map(|(secs, set)| look(secs, set)), [(None, true); 2]);
        assert_eq!(
            [(15, 3_600), (20, 3_600)].map(|(secs, set)| look(secs, set)),
            [(Some(3_600), true), (None, true)]
        );
        assert_eq!(look(25, -7_200), (Some(-10_800), true));
    }
}

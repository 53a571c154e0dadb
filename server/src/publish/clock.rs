//! Wall time of media positions. Latency never uses it.

use std::time::{Duration, Instant};

use engine::time::MediaTime;
use jiff::{SignedDuration, Timestamp};

/// Maps media time to wall time.
#[derive(Clone, Copy, Debug)]
pub enum WallClock {
    /// A file: its first sample is heard at the start of the run.
    File {
        /// The start of the run.
        start: Timestamp,
    },
    /// A live feed: the newest sample is heard when it arrives. A burst of old audio moves the start back.
    Live {
        /// A wall time and the monotonic time it was read at.
        wall: Timestamp,
        /// See `wall`.
        instant: Instant,
        /// Wall time of media position zero, as far as is known.
        zero: Option<Timestamp>,
    },
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
        Self::Live { wall: Timestamp::now(), instant: Instant::now(), zero: None }
    }

    /// Audio up to `end` arrived at `at`.
    pub fn arrived(&mut self, end: MediaTime, at: Instant) {
        if let Self::Live { wall, instant, zero } = self {
            let arrival = shift(*wall, signed(*instant, at));
            let candidate = shift(arrival, -media(end));
            if zero.is_none_or(|known| candidate < known) {
                *zero = Some(candidate);
            }
        }
    }

    /// How long before `at` the audio up to `position` was heard, as far as is known. Zero for a file.
    #[must_use]
    pub fn age(&self, position: MediaTime, at: Instant) -> Duration {
        match self {
            Self::File { .. } => Duration::ZERO,
            Self::Live { wall, instant, .. } => {
                let age = shift(*wall, signed(*instant, at)).duration_since(self.at(position));
                Duration::try_from(age).unwrap_or(Duration::ZERO)
            }
        }
    }

    /// When `position` was heard.
    #[must_use]
    pub fn at(&self, position: MediaTime) -> Timestamp {
        let zero = match self {
            Self::File { start } => *start,
            Self::Live { wall, zero, .. } => zero.unwrap_or(*wall),
        };
        shift(zero, media(position))
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

    #[test]
    fn a_burst_of_old_audio_moves_the_start_back() {
        let wall: Timestamp = Timestamp::UNIX_EPOCH;
        let instant = Instant::now();
        let mut clock = WallClock::Live { wall, instant, zero: None };
        clock.arrived(MediaTime::from_secs(1), instant + Duration::from_secs(10));
        assert_eq!(rfc3339(clock.at(MediaTime::ZERO)), "1970-01-01T00:00:09.000Z");
        clock.arrived(MediaTime::from_secs(5), instant + Duration::from_secs(10));
        clock.arrived(MediaTime::from_secs(6), instant + Duration::from_millis(11_200));
        assert_eq!(rfc3339(clock.at(MediaTime::from_millis(500))), "1970-01-01T00:00:05.500Z");
    }
}

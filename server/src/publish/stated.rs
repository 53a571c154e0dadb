//! Wall times that a source states for its audio, such as the dates of an HLS playlist. Reads no clock.

use std::collections::VecDeque;

use engine::time::MediaTime;
use jiff::{SignedDuration, Timestamp};

/// Statements that are kept: an hour and more of segments. Events come seconds after their audio.
const KEPT_MAX: usize = 512;
/// A statement that differs by less from what the one before says is the same one. Playlists round to milliseconds.
const SAME: SignedDuration = SignedDuration::from_millis(1);

/// What was stated, in the order of media time.
#[derive(Debug, Default)]
pub(super) struct StatedTimes(VecDeque<(MediaTime, Timestamp)>);

impl StatedTimes {
    /// What follows `position` was heard at `wall`.
    pub(super) fn state(&mut self, position: MediaTime, wall: Timestamp) {
        let known = self.at(position).map(|known| known.duration_until(wall).abs());
        if known.is_some_and(|off| off < SAME) {
            return;
        }
        while self.0.back().is_some_and(|(last, _)| *last >= position) {
            self.0.pop_back();
        }
        if self.0.len() >= KEPT_MAX {
            self.0.pop_front();
        }
        self.0.push_back((position, wall));
    }

    /// When `position` was heard, by the last statement before it, or else the first one after it. `None`: nothing was
    /// stated.
    pub(super) fn at(&self, position: MediaTime) -> Option<Timestamp> {
        let n_before = self.0.partition_point(|(stated, _)| *stated <= position);
        let (stated, wall) = self.0.get(n_before.saturating_sub(1))?;
        let by =
            |length: MediaTime| SignedDuration::try_from(length.to_duration()).unwrap_or(SignedDuration::MAX);
        let by = by(position.saturating_sub(*stated)) - by(stated.saturating_sub(position));
        Some(wall.saturating_add(by).unwrap_or(*wall))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(secs: i64) -> Timestamp {
        Timestamp::from_second(secs).unwrap_or(Timestamp::MAX)
    }

    #[test]
    fn each_position_goes_by_the_statement_before_it() {
        let mut times = StatedTimes::default();
        assert_eq!(times.at(MediaTime::ZERO), None);
        times.state(MediaTime::from_secs(10), wall(1_000));
        times.state(MediaTime::from_secs(16), wall(1_006));
        times.state(MediaTime::from_secs(22), wall(5_000));
        assert_eq!(times.0.len(), 2, "what was known already is not kept");
        let at = |secs| times.at(MediaTime::from_secs(secs));
        assert_eq!(
            [at(10), at(21), at(22), at(30)],
            [1_000, 1_011, 5_000, 5_008].map(|secs| Some(wall(secs)))
        );
        assert_eq!(at(4), Some(wall(994)), "before the first");
    }

    #[test]
    fn what_is_kept_has_a_limit() {
        let mut times = StatedTimes::default();
        (0..2_000).for_each(|n| times.state(MediaTime::from_secs(n), wall(2 * n as i64)));
        assert_eq!((times.0.len(), times.at(MediaTime::from_secs(1_999))), (KEPT_MAX, Some(wall(3_998))));
        times.state(MediaTime::from_secs(3), wall(0));
        assert_eq!(times.at(MediaTime::from_secs(5)), Some(wall(2)));
    }
}

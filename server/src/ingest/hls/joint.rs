//! Where one segment's audio goes on from the one before: by its time stamps, or else by the lengths that playlists state.
//! Knows media time only.
//!
//! Within a stretch the stamps of segments are on one clock. What the next one says is compared with what the last one said, plus
//! the audio that came out of it: so no rounding of a playlist adds up, and what is missing is known to the frame.

use engine::event::GapReason;
use engine::time::{FLICKS_PER_SECOND, MediaTime};

/// Smallest jump that is a gap: as within containers. Encoders place segments some ms off.
const JUMP_MIN: i64 = FLICKS_PER_SECOND as i64 / 25;
/// Largest jump without a missing segment that is believed. A larger one is a new clock that nobody announced.
const JUMP_MAX: i64 = 3_600 * FLICKS_PER_SECOND as i64;
/// By so much a jump may differ from the stated lengths of what is missing, beside half of them.
const SLACK: i64 = 2 * FLICKS_PER_SECOND as i64;

/// A time on the clock of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) at: MediaTime,
    /// Where the clock begins again.
    pub(super) wraps_at: Option<MediaTime>,
}

impl Stamp {
    /// From `other` until here, flicks. `None`: too far to be said.
    pub(super) fn since(self, other: Self) -> Option<i64> {
        let by = i128::from(self.at.flicks()) - i128::from(other.at.flicks());
        let by = match self.wraps_at.map(|at| i128::from(at.flicks())).filter(|&at| at > 0) {
            Some(turn) => (by + turn / 2).rem_euclid(turn) - turn / 2,
            None => by,
        };
        i64::try_from(by).ok()
    }

    /// The same in ticks of the clock of transport streams, which begins again at 2^33.
    pub(super) fn ticks(self) -> u64 {
        let per_second = FLICKS_PER_SECOND / u64::from(super::ts::TICKS_PER_SECOND);
        self.at.flicks() / per_second % super::ts::TICKS
    }

    /// So much later.
    pub(super) fn after(self, length: MediaTime) -> Self {
        Self { at: self.at + length, ..self }
    }
}

/// What is missing before a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) length: MediaTime,
    pub(super) reason: GapReason,
}

/// The end of what was heard.
#[derive(Debug, Default)]
pub(super) struct Joint {
    /// What the next audio would be stamped with.
    expected: Option<Stamp>,
    /// Segments that are not there since.
    missing: Option<Missing>,
    is_cut: bool,
}

impl Joint {
    /// A segment of about `length` is not there.
    pub(super) fn miss(&mut self, length: MediaTime, reason: GapReason) {
        let before = self.missing.map_or(MediaTime::ZERO, |missing| missing.length);
        let reason = self.missing.map_or(reason, |missing| missing.reason);
        self.missing = Some(Missing { length: before + length, reason });
    }

    /// How much is known to be missing.
    pub(super) fn missed(&self) -> MediaTime {
        self.missing.map_or(MediaTime::ZERO, |missing| missing.length)
    }

    /// A new clock begins with the next segment.
    pub(super) fn cut(&mut self) {
        self.is_cut = true;
    }

    /// Whether audio stamped `start` goes on without a break, as far as is known before it is decoded.
    pub(super) fn goes_on(&self, start: Option<Stamp>) -> bool {
        !self.is_cut && self.missing.is_none() && self.jump(start).is_none_or(|jump| jump.abs() < JUMP_MIN)
    }

    /// Audio begins, stamped `start`. Answers with what is missing before it.
    pub(super) fn begin(&mut self, start: Option<Stamp>) -> Option<Missing> {
        let jump = self.jump(start).filter(|_| !self.is_cut);
        let missing = self.missing.take();
        (self.expected, self.is_cut) = (start, false);
        let by_stamp =
            |jump: i64, reason| Missing { length: MediaTime::from_flicks(jump.unsigned_abs()), reason };
        match (missing, jump) {
            (None, Some(jump)) if (JUMP_MIN..JUMP_MAX).contains(&jump) => {
                Some(by_stamp(jump, GapReason::Loss))
            }
            (None, _) => None,
            (Some(missing), Some(jump)) => {
                let stated = i64::try_from(missing.length.flicks()).unwrap_or(i64::MAX);
                let is_like =
                    jump.saturating_sub(stated).saturating_abs() <= SLACK.saturating_add(stated / 2);
                let missing = if is_like { by_stamp(jump.max(0), missing.reason) } else { missing };
                Some(missing)
                    .filter(|missing| missing.length >= MediaTime::from_flicks(JUMP_MIN.unsigned_abs()))
            }
            (Some(missing), None) => Some(missing),
        }
    }

    /// So much audio came.
    pub(super) fn take(&mut self, length: MediaTime) {
        self.expected = self.expected.map(|expected| expected.after(length));
    }

    fn jump(&self, start: Option<Stamp>) -> Option<i64> {
        start?.since(self.expected?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: u64 = 95_443_718;

    fn stamp(millis: u64) -> Option<Stamp> {
        let wraps_at = Some(MediaTime::from_millis(TURN));
        Some(Stamp { at: MediaTime::from_millis(millis), wraps_at })
    }

    /// Six seconds of audio at `first`, segments of `missing` ms, and audio at `second`: the gap, ms.
    fn check(first: u64, missing: &[u64], second: Option<u64>, expected: Option<u64>) {
        let mut joint = Joint::default();
        assert_eq!(joint.begin(stamp(first)), None);
        joint.take(MediaTime::from_secs(6));
        missing.iter().for_each(|&length| joint.miss(MediaTime::from_millis(length), GapReason::Loss));
        let gap = joint.begin(second.and_then(stamp));
        assert_eq!(gap.map(|gap| gap.length.as_millis()), expected, "{first} {missing:?} {second:?}");
    }

    #[test]
    fn audio_goes_on_and_what_is_missing_is_exact() {
        check(1_000, &[], Some(7_000), None);
        check(1_000, &[], Some(7_030), None);
        check(1_000, &[], Some(7_100), Some(100));
        // The playlist says 6 s, the stamps 5.995.
        check(1_000, &[6_000], Some(12_995), Some(5_995));
        check(1_000, &[6_000, 6_000], Some(18_995), Some(11_995));
        check(TURN - 3_000, &[], Some(3_000), None);
        check(TURN - 3_000, &[6_000], Some(8_995), Some(5_995));
    }

    #[test]
    fn stamps_that_make_no_sense_leave_it_to_the_playlist() {
        check(1_000, &[6_000], Some(900_000), Some(6_000));
        check(1_000, &[6_000], None, Some(6_000));
        check(100_000, &[6_000], Some(0), Some(6_000));
        check(100_000, &[], Some(0), None);
        check(1_000, &[], Some(5_000_000), None);
    }

    #[test]
    fn a_cut_begins_a_new_clock() {
        let mut joint = Joint::default();
        joint.begin(stamp(1_000));
        joint.take(MediaTime::from_secs(6));
        assert!(joint.goes_on(stamp(7_000)) && !joint.goes_on(stamp(8_000)));
        joint.cut();
        assert!(!joint.goes_on(stamp(7_000)));
        assert_eq!(joint.begin(stamp(500_000)), None);
        joint.cut();
        joint.miss(MediaTime::from_secs(6), GapReason::Disconnect);
        let missing = Missing { length: MediaTime::from_secs(6), reason: GapReason::Disconnect };
        assert_eq!(joint.begin(stamp(0)), Some(missing));
        assert_eq!(joint.begin(stamp(0)), None, "said once");
    }
}

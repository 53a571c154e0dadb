//! Media time: positions and durations on a feed's own sample clock. Not wall time, not `Instant`.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Flicks a second: every common audio rate divides it (<https://github.com/facebookarchive/Flicks>).
pub const FLICKS_PER_SECOND: u64 = 705_600_000;
const FLICKS_PER_MILLI: u64 = FLICKS_PER_SECOND / 1_000;

/// A position or a length in media time, in flicks (1/705 600 000 s). Covers 828 years; arithmetic saturates.
/// On the wire it is whole milliseconds, rounded down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaTime(u64);

impl MediaTime {
    /// The start of a feed, and the empty length.
    pub const ZERO: Self = Self(0);
    /// The latest position.
    pub const MAX: Self = Self(u64::MAX);

    /// From flicks.
    #[must_use]
    pub const fn from_flicks(flicks: u64) -> Self {
        Self(flicks)
    }

    /// From whole milliseconds; saturates.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(FLICKS_PER_MILLI))
    }

    /// From whole seconds; saturates.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(FLICKS_PER_SECOND))
    }

    /// Position of frame `n_frames` at `rate`: exact where the rate divides the clock, else rounded down
    /// (under 1.5 ns, and it does not accumulate, since positions are always computed from a frame count).
    #[must_use]
    pub fn from_frames(n_frames: u64, rate: SampleRate) -> Self {
        let flicks = u128::from(n_frames) * u128::from(FLICKS_PER_SECOND) / u128::from(rate.hz());
        Self(u64::try_from(flicks).unwrap_or(u64::MAX))
    }

    /// Frames at `rate` nearest to this time.
    #[must_use]
    pub fn to_frames(self, rate: SampleRate) -> u64 {
        let scaled = u128::from(self.0) * u128::from(rate.hz()) + u128::from(FLICKS_PER_SECOND / 2);
        u64::try_from(scaled / u128::from(FLICKS_PER_SECOND)).unwrap_or(u64::MAX)
    }

    /// Flicks.
    #[must_use]
    pub const fn flicks(self) -> u64 {
        self.0
    }

    /// Whole milliseconds, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / FLICKS_PER_MILLI
    }

    /// Seconds, for display and ratios.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / FLICKS_PER_SECOND as f64
    }

    /// The same length as a `Duration`.
    #[must_use]
    pub fn to_duration(self) -> Duration {
        let nanos = u128::from(self.0 % FLICKS_PER_SECOND) * 1_000_000_000 / u128::from(FLICKS_PER_SECOND);
        Duration::new(self.0 / FLICKS_PER_SECOND, u32::try_from(nanos).unwrap_or(0))
    }

    /// `None` past the end of the clock.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// `None` when `other` is later.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The distance from `other`, zero when `other` is later.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Saturates at [`MediaTime::MAX`]: 828 years of audio.
impl Add for MediaTime {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Seconds with milliseconds: `12.345`.
impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.as_millis();
        write!(f, "{}.{:03}", millis / 1_000, millis % 1_000)
    }
}

impl Serialize for MediaTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.as_millis())
    }
}

impl<'de> Deserialize<'de> for MediaTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::from_millis)
    }
}

impl JsonSchema for MediaTime {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MediaTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "description": "media time, milliseconds" })
    }
}

/// A half-open stretch of media time, `[start, end)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// First position.
    #[serde(rename = "start_ms")]
    pub start: MediaTime,
    /// First position after it; not before `start`.
    #[serde(rename = "end_ms")]
    pub end: MediaTime,
}

impl Span {
    /// A span from `start` to `end`; empty at `start` when `end` is earlier.
    #[must_use]
    pub fn new(start: MediaTime, end: MediaTime) -> Self {
        Self { start, end: end.max(start) }
    }

    /// Its length.
    #[must_use]
    pub fn duration(self) -> MediaTime {
        self.end.saturating_sub(self.start)
    }
}

/// A sample rate that Aircheck analyses: 8 000 to 192 000 Hz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(u32);

impl SampleRate {
    /// The rate that speech is analysed at.
    pub const HZ_16000: Self = Self(16_000);
    /// Lowest rate, Hz.
    pub const MIN_HZ: u32 = 8_000;
    /// Highest rate, Hz.
    pub const MAX_HZ: u32 = 192_000;

    /// Checks the range.
    pub fn new(hz: u32) -> Result<Self, SampleRateError> {
        if (Self::MIN_HZ..=Self::MAX_HZ).contains(&hz) {
            Ok(Self(hz))
        } else {
            Err(SampleRateError { actual: hz })
        }
    }

    /// Frames a second.
    #[must_use]
    pub const fn hz(self) -> u32 {
        self.0
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// A sample rate outside the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("sample rate {actual} Hz, expected 8000 to 192000 Hz")]
pub struct SampleRateError {
    /// The rate given, Hz.
    pub actual: u32,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn common_rates_are_exact_and_others_do_not_drift() {
        for hz in [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000] {
            let rate = SampleRate::new(hz).unwrap();
            assert_eq!(
                MediaTime::from_frames(u64::from(hz) * 3_600, rate),
                MediaTime::from_secs(3_600),
                "{hz}"
            );
            assert_eq!(MediaTime::from_frames(1, rate).flicks() * u64::from(hz), FLICKS_PER_SECOND, "{hz}");
        }
        let odd = SampleRate::new(47_999).unwrap();
        let year = 47_999_u64 * 86_400 * 365;
        assert_eq!(MediaTime::from_frames(year, odd), MediaTime::from_secs(86_400 * 365));
        assert_eq!(MediaTime::from_frames(year + 17, odd).to_frames(odd), year + 17);
    }

    #[test]
    fn arithmetic_is_checked_or_saturates() {
        assert_eq!(MediaTime::MAX.checked_add(MediaTime::from_flicks(1)), None);
        assert_eq!(MediaTime::ZERO.checked_sub(MediaTime::from_flicks(1)), None);
        assert_eq!(MediaTime::MAX + MediaTime::from_secs(1), MediaTime::MAX);
        assert_eq!(MediaTime::from_millis(u64::MAX), MediaTime::MAX);
        assert_eq!(MediaTime::from_millis(1_500).to_duration(), Duration::from_millis(1_500));
        assert_eq!(MediaTime::from_millis(61_234).to_string(), "61.234");
    }

    #[test]
    fn rates_outside_the_range_are_named() {
        assert_eq!(
            SampleRate::new(7_999).unwrap_err().to_string(),
            "sample rate 7999 Hz, expected 8000 to 192000 Hz"
        );
        assert!(SampleRate::new(192_001).is_err() && SampleRate::new(192_000).is_ok());
    }
}

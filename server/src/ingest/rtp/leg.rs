//! Where one sender is in its numbers and in its time, and what the next packet says of the time before it.

use std::fmt;
use std::time::{Duration, Instant};

use engine::event::GapReason;
use engine::time::{MediaTime, SampleRate};

use super::order::{Outcome, Piece};
use crate::ingest::decode::Lost;

/// By so much the timestamps may run ahead of the clock that packets arrive by, or fall behind it: packets wait on the
/// way. More is another clock.
const CLOCK_SLACK: Duration = Duration::from_secs(1);
/// Longest that timestamps of packets that follow each other are apart by the sender's rounding.
const ROUNDING: MediaTime = MediaTime::from_millis(20);
/// Packets that come so much too late are late; further back is another count (RFC 3550, appendix A.1, has 100, which
/// is 100 ms of packets of 1 ms).
const LATE_MAX: i16 = 1_024;
/// For so long, and two of its packets, a sender has to be silent before another one takes its place.
const HANDOVER: Duration = Duration::from_millis(5);

/// Why a leg begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is the first one: of this SSRC.
    First(u32),
    /// Of another sender.
    Ssrc { from: u32, to: u32 },
    /// Of another kind.
    PayloadType { from: u8, to: u8 },
    /// The same sender counts anew.
    Anew,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First(ssrc) => write!(f, "SSRC {ssrc:08x}"),
            Self::Ssrc { from, to } => write!(f, "SSRC {to:08x} in place of {from:08x}"),
            Self::PayloadType { from, to } => write!(f, "payload type {to} in place of {from}"),
            Self::Anew => f.write_str("the sender counts anew"),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
    /// The number that comes next.
    pub(super) next: u16,
    /// Packets before the next one are missing.
    pub(super) has_hole: bool,
    /// Packets before the next one held no audio that is any.
    pub(super) is_corrupt: bool,
    /// Arrival of the newest packet.
    pub(super) last_at: Instant,
    rate: SampleRate,
    /// The time that comes next.
    expected: u32,
    /// Length of the newest packet, frames.
    n_frames: u32,
}

impl Leg {
    /// A leg that begins with `piece`.
    pub(super) const fn new(piece: &Piece, at: Instant) -> Self {
        Self {
            ssrc: piece.ssrc,
            payload_type: piece.payload_type,
            next: piece.sequence,
            has_hole: false,
            is_corrupt: false,
            last_at: at,
            rate: piece.rate,
            expected: piece.timestamp,
            n_frames: 0,
        }
    }

    /// Frames from what comes next to `timestamp`; less than 0: that was before.
    fn ahead(&self, timestamp: u32) -> i64 {
        i64::from(timestamp.wrapping_sub(self.expected).cast_signed())
    }

    fn frames(&self, time: Duration) -> i64 {
        i64::try_from(time.as_nanos() * u128::from(self.rate.hz()) / 1_000_000_000).unwrap_or(i64::MAX)
    }

    fn since(&self, at: Instant) -> i64 {
        self.frames(at.saturating_duration_since(self.last_at))
    }

    fn rounding(&self) -> i64 {
        let most = ROUNDING.to_frames(self.rate).min(u64::from(self.n_frames.saturating_sub(1)));
        i64::try_from(most).unwrap_or(0)
    }

    /// Whether a packet of this number's future can have this time.
    pub(super) fn is_plausible(&self, timestamp: u32, at: Instant) -> bool {
        (-self.rounding()..=self.since(at) + self.frames(CLOCK_SLACK)).contains(&self.ahead(timestamp))
    }

    /// Whether another leg may begin with `piece`. The same sender may begin anew at once, and after `window` where its
    /// packets could be late ones as well; another one when this one is silent.
    pub(super) fn is_over(&self, piece: &Piece, at: Instant, window: Duration) -> bool {
        let silence = at.saturating_duration_since(self.last_at);
        if piece.ssrc != self.ssrc {
            let patience = MediaTime::from_frames(u64::from(self.n_frames) * 2, self.rate).to_duration();
            return silence >= patience + HANDOVER;
        }
        !self.is_late(piece.sequence) || silence >= window
    }

    /// Whether the packet of this number was due before.
    pub(super) fn is_late(&self, sequence: u16) -> bool {
        (-LATE_MAX..0).contains(&sequence.wrapping_sub(self.next).cast_signed())
    }

    /// What is to be said before the frames that begin at `timestamp`. They are the next ones then.
    pub(super) fn before(&mut self, timestamp: u32, n_frames: u32, at: Instant) -> Option<Outcome<'static>> {
        let ahead = self.ahead(timestamp);
        let behind_clock = self.since(at) - ahead - i64::from(n_frames);
        let is_long = behind_clock > self.frames(CLOCK_SLACK);
        let frames = u64::try_from(ahead).unwrap_or(0);
        let lost = |reason| (frames > 0).then_some(Outcome::Lost(Lost { frames, reason }));
        let outcome = if is_long {
            // It was silent, and its clock stood still.
            Some(Outcome::Away(self.away(n_frames, at)))
        } else if self.has_hole {
            lost(GapReason::Loss)
        } else if self.is_corrupt {
            lost(GapReason::Undecodable)
        } else {
            (ahead > self.rounding()).then_some(Outcome::Paused { frames, at })
        };
        self.expected = timestamp.wrapping_add(n_frames);
        (self.n_frames, self.has_hole, self.is_corrupt) = (n_frames, false, false);
        self.last_at = self.last_at.max(at);
        outcome
    }

    /// Frames between this leg and one that begins with `piece`, where both have the same clock.
    pub(super) fn jump(&self, piece: &Piece, at: Instant) -> Option<u64> {
        let is_same = piece.ssrc == self.ssrc && piece.rate == self.rate;
        let ahead = self.ahead(piece.timestamp);
        let is_on_time = (ahead - self.since(at)).abs() <= self.frames(CLOCK_SLACK);
        u64::try_from(ahead).ok().filter(|_| is_same && is_on_time)
    }

    /// Why a leg that begins with `piece` is another one.
    pub(super) fn change(&self, piece: &Piece) -> Option<Change> {
        if piece.ssrc != self.ssrc {
            return Some(Change::Ssrc { from: self.ssrc, to: piece.ssrc });
        }
        let is_other = piece.payload_type != self.payload_type;
        is_other.then_some(Change::PayloadType { from: self.payload_type, to: piece.payload_type })
    }

    /// Time without audio before `n_frames` that arrived at `at`, by the clock.
    pub(super) fn away(&self, n_frames: u32, at: Instant) -> Duration {
        let length = MediaTime::from_frames(u64::from(n_frames), self.rate).to_duration();
        at.saturating_duration_since(self.last_at).saturating_sub(length)
    }
}

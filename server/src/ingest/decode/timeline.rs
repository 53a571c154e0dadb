//! What is missing from a stream: jumps of its time stamps, packets that do not decode, bytes that are no packets, and
//! an end before the promised one. Counts frames at the stream's own rate; decodes nothing.

use engine::event::GapReason;

/// Smallest jump of the time stamps that counts as a loss, seconds. Matroska rounds them to 1 ms, and some muxers
/// place packets up to 20 ms off.
const JUMP_MIN_SECS: f64 = 0.04;
/// Largest jump that is believed, seconds. A larger one is a new clock, not an hour of silence.
const JUMP_MAX_SECS: f64 = 3_600.0;
/// Smallest shortfall against the header's promise that counts as cut off, seconds: encoders round to whole packets.
const SHORTFALL_MIN_SECS: f64 = 0.2;
/// Bytes that are no packets are reported from this many packets on: less is noise of the estimate.
const JUNK_MIN_PACKETS: u64 = 2;

/// Frames that are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// How many, at the rate of the stream; an estimate where the stream does not say.
    pub frames: u64,
    /// Why.
    pub reason: GapReason,
}

impl Lost {
    fn some(frames: u64, reason: GapReason) -> Option<Self> {
        (frames > 0).then_some(Self { frames, reason })
    }
}

/// Follows the time stamps of packets, in frames.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    expected: Option<i64>,
}

impl Timeline {
    /// A packet that starts at `start` and lasts `n_frames`, at `rate_hz`. Answers with the loss before it.
    pub(super) fn packet(&mut self, start: i64, n_frames: u64, rate_hz: u32) -> Option<Lost> {
        let expected = self.expected.replace(start.saturating_add_unsigned(n_frames));
        let jump = start.saturating_sub(expected?);
        let secs = jump as f64 / f64::from(rate_hz);
        let believed = (JUMP_MIN_SECS..JUMP_MAX_SECS).contains(&secs);
        Lost::some(u64::try_from(jump).unwrap_or(0), GapReason::Loss).filter(|_| believed)
    }

    /// The next packet starts a new clock.
    pub(super) fn restart(&mut self) {
        self.expected = None;
    }
}

/// Counts bytes of an elementary stream (MPEG audio, ADTS) that are not part of any good packet: the demuxer skips them
/// without a word, or takes them for a packet. Never reports more than there are, a little less at most.
#[derive(Debug)]
pub(super) struct Junk {
    header_bytes: u64,
    packet_bytes: u64,
    packet_frames: u64,
    n_packets: u64,
    lead: Option<u64>,
    first_pulled: u64,
    reported: u64,
}

impl Junk {
    /// `header_bytes` come before each packet and are not in its data.
    pub(super) fn new(header_bytes: u64) -> Self {
        Self {
            header_bytes,
            packet_bytes: 0,
            packet_frames: 0,
            n_packets: 0,
            lead: None,
            first_pulled: 0,
            reported: 0,
        }
    }

    /// A good packet (bytes, frames), when `settled` bytes of the `pulled` ones were surely used.
    pub(super) fn packet(&mut self, packet: (u64, u64), settled: u64, pulled: u64) -> Option<Lost> {
        if self.n_packets == 0 {
            self.first_pulled = pulled;
        }
        self.n_packets += 1;
        self.packet_bytes += packet.0 + self.header_bytes;
        self.packet_frames += packet.1;
        if settled <= self.first_pulled {
            return None;
        }
        // What came before the first packet (tags, the end of a frame that was joined) is no loss. It is known once
        // the first bytes have been used up.
        let used = settled.saturating_sub(self.packet_bytes);
        let lead = *self.lead.get_or_insert(used);
        self.report(used.saturating_sub(lead))
    }

    /// The stream ended after `pulled` bytes.
    pub(super) fn end(&mut self, pulled: u64) -> Option<Lost> {
        let lead = self.lead?;
        self.report(pulled.saturating_sub(self.packet_bytes).saturating_sub(lead))
    }

    fn report(&mut self, junk: u64) -> Option<Lost> {
        let junk = junk.saturating_sub(self.reported);
        if junk < JUNK_MIN_PACKETS * (self.packet_bytes / self.n_packets.max(1)) {
            return None;
        }
        self.reported += junk;
        let frames = u128::from(junk) * u128::from(self.packet_frames) / u128::from(self.packet_bytes.max(1));
        Lost::some(u64::try_from(frames).unwrap_or(u64::MAX), GapReason::Undecodable)
    }
}

/// What is missing when a stream that promised `promised` frames ends after `had` at `rate_hz`.
pub(super) fn shortfall(promised: Option<u64>, had: u64, rate_hz: u32) -> Option<Lost> {
    let missing = promised?.saturating_sub(had);
    Lost::some(missing, GapReason::Loss).filter(|_| missing as f64 / f64::from(rate_hz) >= SHORTFALL_MIN_SECS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets as (start, frames) at 48 kHz; expected losses in frames.
    fn check(packets: &[(i64, u64)], expected: &[u64]) {
        let mut timeline = Timeline::default();
        let lost: Vec<_> =
            packets.iter().filter_map(|&(start, n)| timeline.packet(start, n, 48_000)).collect();
        assert!(lost.iter().all(|lost| lost.reason == GapReason::Loss));
        assert_eq!(lost.iter().map(|lost| lost.frames).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn jumps_are_losses_and_jitter_is_not() {
        check(&[(-312, 960), (648, 960), (1_608, 960)], &[]);
        check(&[(5_000_000, 960), (5_000_990, 960), (5_001_900, 960)], &[]);
        check(&[(0, 960), (2_880, 960), (3_840, 960)], &[1_920]);
        check(&[(0, 960), (-9_000, 960), (-8_040, 960)], &[]);
        check(&[(0, 960), (i64::MAX, 960), (i64::MIN, 960)], &[]);
    }

    #[test]
    fn a_short_end_counts_from_a_fifth_of_a_second() {
        assert_eq!(shortfall(None, 5, 8_000), None);
        assert_eq!(shortfall(Some(8_000), 7_000, 8_000), None);
        assert_eq!(shortfall(Some(8_000), 6_000, 8_000).map(|lost| lost.frames), Some(2_000));
        assert_eq!(shortfall(Some(8_000), 9_000, 8_000), None);
    }

    #[test]
    fn bytes_between_packets_are_junk_and_tags_before_them_are_not() {
        let mut junk = Junk::new(0);
        // 5 000 bytes of tag, then packets of 400; the source is read in blocks of 1 000.
        let read = |used: u64| (used / 1_000 * 1_000, used.div_ceil(1_000) * 1_000);
        let mut used = 5_000;
        for _ in 0..20 {
            used += 400;
            assert_eq!(junk.packet((400, 1_152), read(used).0, read(used).1), None);
        }
        used += 40_000 + 400;
        let lost = junk.packet((400, 1_152), read(used).0, read(used).1).unwrap();
        assert_eq!(lost.reason, GapReason::Undecodable);
        let expected = 40_000 * 1_152 / 400;
        assert!(lost.frames <= expected && lost.frames > expected * 9 / 10, "{} of {expected}", lost.frames);
        used += 400;
        assert_eq!(junk.packet((400, 1_152), read(used).0, read(used).1), None, "said once");
        let rest = junk.end(used + 4_000).unwrap().frames;
        assert!((10 * 1_152..14 * 1_152).contains(&rest), "{rest}");
    }
}

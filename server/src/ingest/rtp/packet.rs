//! The head of an RTP packet (RFC 3550, 5.1). Knows no payloads.

/// Bytes of the head without its optional parts.
const HEAD_BYTES: usize = 12;

/// A packet, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// What the payload is, 0..=127.
    pub(super) payload_type: u8,
    /// Rises by one with each packet, and wraps around.
    pub(super) sequence: u16,
    /// When the first frame of the payload was heard, in ticks of the payload's clock; wraps around.
    pub(super) timestamp: u32,
    /// Who sent it.
    pub(super) ssrc: u32,
    /// What it carries.
    pub(super) payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// `None`: not RTP of version 2, or RTCP, or cut.
    pub(super) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (head, rest) = datagram.split_first_chunk::<HEAD_BYTES>()?;
        let [flags, kind, sequence_a, sequence_b, times @ .., a, b, c, d] = *head;
        // RTCP shares the port where that was agreed upon (RFC 5761, 4).
        if flags >> 6 != 2 || (192..=223).contains(&kind) {
            return None;
        }
        let n_contributors = usize::from(flags & 0x0f);
        let mut payload = rest.get(n_contributors * 4..)?;
        if flags & 0x10 != 0 {
            let (extension, behind) = payload.split_first_chunk::<4>()?;
            let [_, _, words_a, words_b] = *extension;
            payload = behind.get(usize::from(u16::from_be_bytes([words_a, words_b])) * 4..)?;
        }
        if flags & 0x20 != 0 {
            let padding = usize::from(*payload.last()?);
            payload = payload.get(..payload.len().checked_sub(padding).filter(|_| padding > 0)?)?;
        }
        Some(Self {
            payload_type: kind & 0x7f,
            sequence: u16::from_be_bytes([sequence_a, sequence_b]),
            timestamp: u32::from_be_bytes(times),
            ssrc: u32::from_be_bytes([a, b, c, d]),
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(flags: u8, kind: u8, rest: &[u8], expected: Option<&[u8]>) {
        let datagram = [&[flags, kind, 0x12, 0x34, 1, 2, 3, 4, 0xa, 0xb, 0xc, 0xd], rest].concat();
        let packet = Packet::parse(&datagram);
        assert_eq!(packet.map(|packet| packet.payload), expected, "{flags:02x} {rest:?}");
        if let Some(packet) = packet {
            let head = (packet.payload_type, packet.sequence, packet.timestamp, packet.ssrc);
            assert_eq!(head, (kind & 0x7f, 0x1234, 0x0102_0304, 0x0a0b_0c0d));
        }
    }

    #[test]
    fn heads_are_taken_apart_with_all_their_options() {
        check(0x80, 0x80 | 96, b"audio", Some(b"audio"));
        check(0x80, 11, b"", Some(b""));
        check(0x82, 96, b"aaaabbbbaudio", Some(b"audio"));
        check(0x90, 96, b"\xbe\xde\0\x01wordaudio", Some(b"audio"));
        check(0xa0, 96, b"audio\0\0\x03", Some(b"audio"));
        check(0xb1, 96, b"cccc\0\0\0\0audio\x01", Some(b"audio"));
        check(0xa0, 96, b"\x01", Some(b""));
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        check(0x40, 96, b"version 1", None);
        check(0x80, 200, b"rtcp", None);
        check(0x8f, 96, b"fifteen contributors", None);
        check(0x90, 96, b"\0\0\xff\xff", None);
        check(0x90, 96, b"\0", None);
        check(0xa0, 96, b"padding\x09", None);
        check(0xa0, 96, b"padding\0", None);
        check(0xa0, 96, b"", None);
        assert!((0..12).all(|n| Packet::parse(&[0x80; 12][..n]).is_none()));
    }
}

//! Pages of Ogg (RFC 3533): packets out of those of an encoder, and pages of a stream without an end, which are numbered
//! as they are sent. Knows no codec.

use bytes::{BufMut, Bytes, BytesMut};

const CAPTURE: &[u8] = b"OggS";
/// RFC 3533, 6: up to the lengths of the segments.
const HEADER_BYTES: usize = 27;
/// Where in it the checksum is.
const CHECKSUM: std::ops::Range<usize> = 22..26;
/// Flag of a stream's first page.
const FIRST: u8 = 0x02;
/// A segment of so many bytes is not the last of its packet.
const SEGMENT_BYTES: usize = 255;
/// All streams of ours are called so: "airc".
const SERIAL: u32 = 0x6169_7263;
/// Pages in front of the audio: who it is, and a comment. All codecs here have one of each.
const N_HEADS: u64 = 2;

/// A page with whole packets in it, not numbered yet.
#[derive(Clone, Debug)]
pub(in crate::transport) struct Page {
    flags: u8,
    /// The number of segments, their lengths, and the packets.
    rest: Bytes,
}

impl Page {
    /// `None`: they are more than a page holds, 65 025 bytes.
    pub(super) fn new<P: AsRef<[u8]>>(packets: &[P]) -> Option<Self> {
        let mut lengths = Vec::new();
        for packet in packets {
            let n_bytes = packet.as_ref().len();
            lengths.extend(std::iter::repeat_n(SEGMENT_BYTES as u8, n_bytes / SEGMENT_BYTES));
            lengths.push((n_bytes % SEGMENT_BYTES) as u8);
        }
        let mut rest = vec![u8::try_from(lengths.len()).ok()?];
        rest.extend(lengths);
        packets.iter().for_each(|packet| rest.extend_from_slice(packet.as_ref()));
        Some(Self { flags: 0, rest: rest.into() })
    }

    /// The pages in front of the audio, of a packet each.
    pub(super) fn heads(packets: &[Bytes]) -> Option<Bytes> {
        let page = |(idx, packet)| {
            let flags = if idx == 0 { FIRST } else { 0 };
            Some(Self { flags, ..Self::new(&[packet])? }.numbered(u32::try_from(idx).ok()?, 0))
        };
        let pages = packets.iter().enumerate().map(page).collect::<Option<Vec<_>>>()?;
        (packets.len() as u64 == N_HEADS).then(|| pages.concat().into())
    }

    /// As the page `idx` of the audio, which ends at `granule` of its codec's clock. Sequence numbers wrap around.
    pub(in crate::transport) fn of_audio(&self, idx: u64, granule: u64) -> Bytes {
        self.numbered(idx.wrapping_add(N_HEADS) as u32, granule)
    }

    fn numbered(&self, sequence: u32, granule: u64) -> Bytes {
        let mut page = BytesMut::with_capacity(HEADER_BYTES + self.rest.len());
        page.put_slice(CAPTURE);
        page.put_slice(&[0, self.flags]);
        page.put_u64_le(granule);
        page.put_u32_le(SERIAL);
        page.put_u32_le(sequence);
        page.put_u32_le(0);
        page.put_slice(&self.rest);
        let checksum = checksum(&page);
        if let Some(place) = page.get_mut(CHECKSUM) {
            place.copy_from_slice(&checksum.to_le_bytes());
        }
        page.freeze()
    }
}

/// The packets of a stream of whole pages. `None`: it is none.
pub(super) fn packets(mut stream: &[u8]) -> Option<Vec<Bytes>> {
    let (mut packets, mut open) = (Vec::new(), Vec::new());
    while !stream.is_empty() {
        let n_segments = usize::from(*stream.get(HEADER_BYTES - 1)?);
        let (head, mut body) = stream.split_at_checked(HEADER_BYTES + n_segments)?;
        if !head.starts_with(CAPTURE) {
            return None;
        }
        for length in head.get(HEADER_BYTES..)? {
            let (segment, rest) = body.split_at_checked(usize::from(*length))?;
            open.extend_from_slice(segment);
            if segment.len() < SEGMENT_BYTES {
                packets.push(std::mem::take(&mut open).into());
            }
            body = rest;
        }
        stream = body;
    }
    Some(packets)
}

/// RFC 3533, 6: the checksum of a page whose own is 0.
fn checksum(page: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    page.iter().fold(0, |sum, byte| {
        // A byte is within the table.
        (sum << 8) ^ TABLE[usize::from((sum >> 24) as u8 ^ byte)]
    })
}

/// Of each byte, by the polynomial of RFC 3533.
const fn table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0x04c1_1db7;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum >> 31 == 1 { (sum << 1) ^ POLYNOMIAL } else { sum << 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn packets_of_any_length_come_out_as_they_went_in() {
        for lengths in [&[0][..], &[1, 254, 255, 256, 0, 510, 3], &[64_000]] {
            let packets: Vec<Bytes> = lengths.iter().map(|n| (0..*n).map(|n| n as u8).collect()).collect();
            let page = Page::new(&packets).unwrap();
            let stream = [page.of_audio(0, 7), page.of_audio(1, 8)].concat();
            assert_eq!(super::packets(&stream).unwrap(), [packets.clone(), packets].concat());
            assert!(
                super::packets(&stream[..stream.len() - 1]).is_none()
                    && super::packets(&stream[1..]).is_none()
            );
        }
        assert!(Page::new(&[vec![0; 66_000]]).is_none());
    }

    #[test]
    fn pages_say_where_they_are() {
        let page = Page::new(&[b"audio"]).unwrap().of_audio(5, 0x0102);
        let expected = b"OggS\0\0\x02\x01\0\0\0\0\0\0cria\x07\0\0\0";
        assert!(page.starts_with(expected), "{page:?}");
        let heads = Page::heads(&["who", "what"].map(Bytes::from)).unwrap();
        let second = heads.len() / 2;
        assert_eq!((heads[5], heads[18], heads[second + 1 + 4], heads[second + 18]), (2, 0, 0, 1));
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // The same polynomial and beginning as of POSIX `cksum`, which puts the length behind and inverts:
        // `printf 123456789 | cksum`.
        assert_eq!(!checksum(b"123456789\x09"), 930_766_865);
    }
}

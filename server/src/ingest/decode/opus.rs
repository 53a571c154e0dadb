//! Opus packets to planes: channel mapping, gain and the frames before the start (RFC 7845) around `ropus`, which turns
//! packets into samples (docs/adr/0004-opus-decoder.md). Knows no containers.

use ropus::OpusMSDecoder;

use super::planes::Planes;

/// Opus always decodes at 48 kHz here.
pub(super) const RATE_HZ: u32 = 48_000;
/// Longest packet, frames: 120 ms (RFC 6716, 3.2.5).
const FRAMES_MAX: usize = 5_760;

/// The facts of an identification header (RFC 7845, 5.1).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    n_channels: usize,
    pre_skip: usize,
    gain: f32,
    n_streams: i32,
    n_coupled: i32,
    mapping: Vec<u8>,
}

impl Head {
    /// Reads `OpusHead` and what follows. In MP4 the same fields are stored big-endian, under version 0.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let Some([version, n_channels, skip_a, skip_b, _, _, _, _, gain_a, gain_b, family]) =
            bytes.strip_prefix(b"OpusHead").and_then(|rest| rest.first_chunk::<11>()).copied()
        else {
            return Err("the opus header is cut");
        };
        let big_endian = version == 0;
        let number = |a, b| if big_endian { u16::from_be_bytes([a, b]) } else { u16::from_le_bytes([a, b]) };
        let gain_db = f32::from(number(gain_a, gain_b).cast_signed()) / 256.0;
        let (n_streams, n_coupled, mapping) = match (family, n_channels) {
            (0, 1) => (1, 0, vec![0]),
            (0, 2) => (1, 1, vec![0, 1]),
            (1, 1..=8) => {
                let table = bytes.get(19..21 + usize::from(n_channels)).ok_or("the opus header is cut")?;
                let [streams, coupled, mapping @ ..] = table else { return Err("the opus header is cut") };
                (i32::from(*streams), i32::from(*coupled), mapping.to_vec())
            }
            (0 | 1, _) => return Err("opus with more than 8 channels"),
            _ => {
                return Err(
                    "opus with a channel mapping that is not for listening (family other than 0 and 1)",
                );
            }
        };
        let pre_skip = usize::from(number(skip_a, skip_b));
        let gain = 10_f32.powf(gain_db / 20.0);
        Ok(Self { n_channels: usize::from(n_channels), pre_skip, gain, n_streams, n_coupled, mapping })
    }

    /// Where each channel in WAVE order (L R C LFE ...) lies in Vorbis order (L C R ... LFE; RFC 7845, 5.1.1.2).
    const fn order(n_channels: usize) -> &'static [usize] {
        match n_channels {
            1 => &[0],
            2 => &[0, 1],
            3 => &[0, 2, 1],
            4 => &[0, 1, 2, 3],
            5 => &[0, 2, 1, 3, 4],
            6 => &[0, 2, 1, 5, 3, 4],
            7 => &[0, 2, 1, 6, 5, 3, 4],
            _ => &[0, 2, 1, 7, 5, 6, 3, 4],
        }
    }
}

/// A stream of packets.
pub(in crate::ingest) struct OpusStream {
    head: Head,
    decoder: OpusMSDecoder,
    samples: Vec<i16>,
    skip: usize,
}

impl OpusStream {
    /// Prepares for the stream that `header` begins.
    pub(super) fn new(header: &[u8]) -> Result<Self, &'static str> {
        let head = Head::parse(header)?;
        let decoder = OpusMSDecoder::new(
            RATE_HZ.cast_signed(),
            i32::try_from(head.n_channels).map_err(|_| "too many opus channels")?,
            head.n_streams,
            head.n_coupled,
            &head.mapping,
        )
        .map_err(|_| "an opus channel mapping that contradicts itself")?;
        let skip = head.pre_skip;
        Ok(Self { samples: vec![0; FRAMES_MAX * head.n_channels], decoder, skip, head })
    }

    /// Prepares for a stream without a header: one or two channels, and nothing before the start.
    pub(in crate::ingest) fn bare(n_channels: usize) -> Result<Self, &'static str> {
        let n_channels = u8::try_from(n_channels).map_err(|_| "too many opus channels")?;
        Self::new(&[b"OpusHead\x01".as_slice(), &[n_channels], &[0; 9]].concat())
    }

    /// Channels.
    pub(super) fn n_channels(&self) -> usize {
        self.head.n_channels
    }

    /// Decodes a packet into `planes`, without the frames before the start of the stream.
    pub(in crate::ingest) fn decode(
        &mut self,
        packet: &[u8],
        planes: &mut Planes,
    ) -> Result<(), &'static str> {
        planes.clear();
        let n_bytes = i32::try_from(packet.len()).map_err(|_| "an opus packet over 2 GiB")?;
        if packet.is_empty() {
            return Err("an empty opus packet");
        }
        if packet.starts_with(b"OpusHead") || packet.starts_with(b"OpusTags") {
            // Some muxers repeat the headers; no audio packet begins like this: 48 frames of 20 ms are too many.
            return Ok(());
        }
        let n_max = FRAMES_MAX as i32;
        let n_frames = self
            .decoder
            .decode(Some(packet), n_bytes, &mut self.samples, n_max, false)
            .map_err(|_| "a corrupt opus packet")?;
        let n_frames = usize::try_from(n_frames).unwrap_or(0);
        let samples = self.samples.get(..n_frames * self.head.n_channels).unwrap_or(&[]);
        let scale = self.head.gain / 32_768.0;
        planes
            .fill_interleaved(samples, Head::order(self.head.n_channels), |sample| f32::from(sample) * scale);
        let skipped = self.skip.min(n_frames);
        planes.trim(skipped, 0);
        self.skip -= skipped;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version: u8, n_channels: u8, rest: &[u8]) -> Vec<u8> {
        [b"OpusHead".as_slice(), &[version, n_channels], rest].concat()
    }

    #[test]
    fn headers_are_read_in_both_byte_orders() {
        let ogg = Head::parse(&header(1, 2, &[0x38, 1, 0, 0, 0, 0, 0, 0xfa, 0])).unwrap();
        assert_eq!((ogg.n_channels, ogg.pre_skip, ogg.n_coupled), (2, 312, 1));
        assert!((ogg.gain - 10_f32.powf(-6.0 / 20.0)).abs() < 1e-6);
        let mp4 = Head::parse(&header(0, 2, &[1, 0x38, 0, 0, 0, 0, 0xfa, 0, 0])).unwrap();
        assert_eq!(mp4, ogg);
        let surround =
            Head::parse(&header(1, 6, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 2, 0, 4, 1, 2, 3, 5])).unwrap();
        assert_eq!((surround.n_streams, surround.n_coupled, surround.mapping.len()), (4, 2, 6));
    }

    #[test]
    fn bad_headers_and_packets_are_refused() {
        assert_eq!(Head::parse(b"OpusHead\x01").unwrap_err(), "the opus header is cut");
        assert!(Head::parse(&header(1, 3, &[0; 9])).is_err() && Head::parse(&header(1, 2, &[2; 9])).is_err());
        let wrong_mapping = header(1, 2, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 9, 9]);
        assert!(OpusStream::new(&wrong_mapping).is_err());
        let mut stream = OpusStream::new(&header(1, 2, &[0; 9])).unwrap();
        let mut planes = Planes::default();
        assert!(stream.decode(&[], &mut planes).is_err() && stream.decode(&[0xff; 3], &mut planes).is_err());
    }

    #[test]
    fn the_start_is_skipped() {
        // A 20 ms CELT packet of silence, stereo: configuration 31, one frame (RFC 6716, 3.1).
        let packet = [31 << 3 | 4, 0xff, 0xfe];
        let mut stream = OpusStream::new(&header(1, 2, &[0, 5, 0, 0, 0, 0, 0, 0, 0])).unwrap();
        let mut planes = Planes::default();
        let frames: Vec<_> = (0..3)
            .map(|_| {
                stream.decode(&packet, &mut planes).unwrap();
                planes.n_frames()
            })
            .collect();
        assert_eq!(frames, [0, 640, 960], "1 280 frames before the start");
    }
}

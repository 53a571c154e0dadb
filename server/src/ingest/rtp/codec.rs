//! What the payloads of packets are (RFC 3551, RFC 3190, RFC 7587): their names, their length in frames, their rates.
//! Decodes nothing.

use engine::audio::Format;
use engine::time::SampleRate;

use crate::ingest::pcm::SampleFormat;

/// How audio is written in packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 16 bits, network byte order.
    L16,
    /// 24 bits, network byte order.
    L24,
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// Opus (RFC 7587); its clock is at 48 kHz, whatever is in it.
    Opus,
}

impl Encoding {
    /// Names, as they are written.
    pub(super) const NAMES: &'static str = "one of L16, L24, PCMU, PCMA, opus";

    /// By its name in SDP, in whatever case.
    pub(super) fn named(name: &str) -> Option<Self> {
        let known = [Self::L16, Self::L24, Self::Pcmu, Self::Pcma, Self::Opus];
        known.into_iter().find(|encoding| encoding.name().eq_ignore_ascii_case(name))
    }

    /// Name, as events show it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::L16 => "l16",
            Self::L24 => "l24",
            Self::Pcmu => "pcmu",
            Self::Pcma => "pcma",
            Self::Opus => "opus",
        }
    }

    /// How samples are stored. `None`: they are not, it is compressed.
    pub(super) const fn samples(self) -> Option<SampleFormat> {
        match self {
            Self::L16 => Some(SampleFormat::S16Be),
            Self::L24 => Some(SampleFormat::S24Be),
            Self::Pcmu => Some(SampleFormat::MuLaw),
            Self::Pcma => Some(SampleFormat::ALaw),
            Self::Opus => None,
        }
    }

    /// Rate (Hz) and channels where nothing is said of them.
    pub(super) const fn usual(self) -> (u32, usize) {
        match self {
            Self::Pcmu | Self::Pcma => (8_000, 1),
            Self::L16 | Self::L24 | Self::Opus => (48_000, 2),
        }
    }
}

/// An encoding at a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Codec {
    /// How audio is written.
    pub(super) encoding: Encoding,
    /// Rate, which is that of the timestamps, and channels.
    pub(super) format: Format,
}

impl Codec {
    /// What is wrong with it is said in words.
    pub(super) fn new(encoding: Encoding, rate_hz: u32, n_channels: usize) -> Result<Self, String> {
        if encoding == Encoding::Opus && rate_hz != 48_000 {
            return Err(format!("opus at {rate_hz} Hz, expected 48000: that is its clock (RFC 7587)"));
        }
        if encoding == Encoding::Opus && n_channels > 2 {
            return Err(format!("opus with {n_channels} channels, expected 1 or 2"));
        }
        let rate = SampleRate::new(rate_hz).map_err(|error| error.to_string())?;
        let format = Format::new(rate, n_channels).map_err(|error| error.to_string())?;
        Ok(Self { encoding, format })
    }

    /// What a payload type means without a word (RFC 3551, table 4).
    pub(super) fn fixed(payload_type: u8) -> Option<Self> {
        let (encoding, rate_hz, n_channels) = match payload_type {
            0 => (Encoding::Pcmu, 8_000, 1),
            8 => (Encoding::Pcma, 8_000, 1),
            10 => (Encoding::L16, 44_100, 2),
            11 => (Encoding::L16, 44_100, 1),
            _ => return None,
        };
        Self::new(encoding, rate_hz, n_channels).ok()
    }

    /// The payload type that it has where nothing is said of it: its own, or the first of the dynamic ones.
    pub(super) fn usual_payload_type(self) -> u8 {
        [0, 8, 10, 11].into_iter().find(|&number| Self::fixed(number) == Some(self)).unwrap_or(96)
    }

    /// Frames in a payload. `None`: it cannot be one.
    pub(super) fn n_frames(self, payload: &[u8]) -> Option<u32> {
        let Some(sample) = self.encoding.samples() else { return opus_frames(payload) };
        let frame_bytes = sample.n_bytes() * self.format.n_channels();
        let is_whole = !payload.is_empty() && payload.len().is_multiple_of(frame_bytes);
        is_whole.then(|| u32::try_from(payload.len() / frame_bytes).ok()).flatten()
    }
}

/// Frames at 48 kHz in an Opus packet, from its first bytes (RFC 6716, 3.1 and 3.2); at most 120 ms.
fn opus_frames(payload: &[u8]) -> Option<u32> {
    let (toc, rest) = payload.split_first()?;
    let length = match toc >> 3 {
        silk @ 0..=11 => [480, 960, 1_920, 2_880][usize::from(silk % 4)],
        hybrid @ 12..=15 => [480, 960][usize::from(hybrid % 2)],
        celt => [120, 240, 480, 960][usize::from(celt % 4)],
    };
    let n = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 0x3f),
    };
    let frames = length * n;
    (1..=5_760).contains(&frames).then_some(frames)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn payloads_have_their_length() {
        let check = |encoding, n_channels, payload: &[u8], expected| {
            let rate = if encoding == Encoding::Pcmu { 8_000 } else { 48_000 };
            assert_eq!(Codec::new(encoding, rate, n_channels).unwrap().n_frames(payload), expected);
        };
        check(Encoding::L24, 2, &[0; 288], Some(48));
        check(Encoding::L16, 2, &[0; 288], Some(72));
        check(Encoding::Pcmu, 1, &[0; 160], Some(160));
        check(Encoding::L24, 2, &[0; 287], None);
        check(Encoding::L16, 1, &[], None);
        // RFC 6716, table 2: SILK 60 ms, hybrid 10 ms, CELT 2.5 ms, twice 20 ms, six times 20 ms, seven times.
        check(Encoding::Opus, 2, &[3 << 3], Some(2_880));
        check(Encoding::Opus, 2, &[12 << 3], Some(480));
        check(Encoding::Opus, 2, &[16 << 3], Some(120));
        check(Encoding::Opus, 2, &[31 << 3 | 1], Some(1_920));
        check(Encoding::Opus, 1, &[31 << 3 | 3, 6], Some(5_760));
        check(Encoding::Opus, 1, &[31 << 3 | 3, 7], None);
        check(Encoding::Opus, 1, &[31 << 3 | 3], None);
        check(Encoding::Opus, 1, &[31 << 3 | 3, 0], None);
    }

    #[test]
    fn payload_types_that_need_no_word_are_known() {
        for number in [0, 8, 10, 11] {
            assert_eq!(Codec::fixed(number).unwrap().usual_payload_type(), number);
        }
        assert_eq!(Codec::new(Encoding::L16, 48_000, 2).unwrap().usual_payload_type(), 96);
        assert!(Codec::fixed(96).is_none() && Codec::new(Encoding::Opus, 16_000, 1).is_err());
    }
}

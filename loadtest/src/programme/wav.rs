//! Reads WAV files: PCM of 8, 16, 24 or 32 bits and 32-bit float, mono or stereo, as mono of 16 bits. Not a decoder of
//! anything else.

use std::fs;
use std::path::Path;

use engine::time::SampleRate;

use crate::failure::Failure;

/// Largest file, bytes: an hour of 48 kHz stereo float.
const FILE_MAX: u64 = 1_400_000_000;
const PCM: u16 = 1;
const FLOAT: u16 = 3;
/// The format is told by the first two bytes of a GUID at byte 24 (Microsoft, WAVEFORMATEXTENSIBLE).
const EXTENSIBLE: u16 = 0xfffe;

/// Decoded audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wav {
    pub(super) rate: SampleRate,
    /// Full scale is 32 768.
    pub(super) samples: Vec<i16>,
}

#[derive(Clone, Copy, Debug)]
struct Format {
    tag: u16,
    n_channels: u16,
    rate: SampleRate,
    bits: u16,
}

impl Wav {
    /// Reads a file; errors name it.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let tried = path.display().to_string();
        let length = fs::metadata(path).map_err(|error| Failure::runtime(&tried, error))?.len();
        if length > FILE_MAX {
            return Err(Failure::runtime(&tried, format!("{length} bytes, at most {FILE_MAX} are read")));
        }
        let bytes = fs::read(path).map_err(|error| Failure::runtime(&tried, error))?;
        Self::parse(&bytes).map_err(|why| Failure::runtime(&tried, why))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (Some(b"RIFF"), Some(b"WAVE")) = (bytes.get(..4), bytes.get(8..12)) else {
            return Err("not a WAV file".to_owned());
        };
        let mut format = None;
        let mut rest = bytes.get(12..).unwrap_or(&[]);
        while let (Some(name), Some(length)) = (rest.get(..4), number(rest, 4, 4)) {
            let body = rest.get(8..).unwrap_or(&[]);
            // A stream's length is not known when its header is written: it goes on to the end.
            let length = usize::try_from(length).unwrap_or(usize::MAX).min(body.len());
            let (body, after) = body.split_at(length);
            match (name, format) {
                (b"fmt ", _) => format = Some(Format::parse(body)?),
                (b"data", Some(format)) => return Self::decode(format, body),
                _ => {}
            }
            rest = after.get(length % 2..).unwrap_or(&[]);
        }
        Err("no audio in it".to_owned())
    }

    fn decode(format: Format, body: &[u8]) -> Result<Self, String> {
        let bytes = usize::from(format.bits / 8);
        let sample: fn(&[u8]) -> f64 = match (format.tag, format.bits) {
            (PCM, 8) => |b| (f64::from(b.first().copied().unwrap_or(128)) - 128.0) * 256.0,
            (PCM, 16 | 24 | 32) => integer,
            (FLOAT, 32) => {
                |b| <[u8; 4]>::try_from(b).map_or(0.0, |b| f64::from(f32::from_le_bytes(b)) * 32_768.0)
            }
            (tag, bits) => return Err(format!("format {tag} of {bits} bits, expected PCM or 32-bit float")),
        };
        let n_channels = usize::from(format.n_channels);
        let frames = body.chunks_exact(bytes * n_channels);
        let mono = |frame: &[u8]| frame.chunks_exact(bytes).map(sample).sum::<f64>() / n_channels as f64;
        let samples = frames.map(|frame| to_16_bits(mono(frame))).collect();
        Ok(Self { rate: format.rate, samples })
    }
}

impl Format {
    fn parse(body: &[u8]) -> Result<Self, String> {
        let field = |at, n_bytes| number(body, at, n_bytes).ok_or("its header is cut off".to_owned());
        let short = |at| field(at, 2).map(|value| value as u16);
        let tag = if short(0)? == EXTENSIBLE { short(24)? } else { short(0)? };
        let rate = SampleRate::new(field(4, 4)?).map_err(|error| error.to_string())?;
        let n_channels = short(2)?;
        if !(1..=2).contains(&n_channels) {
            return Err(format!("{n_channels} channels, expected 1 or 2"));
        }
        Ok(Self { tag, n_channels, rate, bits: short(14)? })
    }
}

/// Rounds, and cuts off what is beyond full scale.
pub(super) fn to_16_bits(sample: f64) -> i16 {
    sample.round() as i16
}

/// A little-endian number of at most four bytes.
fn number(bytes: &[u8], at: usize, n_bytes: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + n_bytes)?;
    Some(bytes.iter().rev().fold(0, |value, byte| (value << 8) | u32::from(*byte)))
}

/// A signed little-endian sample, full scale 32 768.
fn integer(bytes: &[u8]) -> f64 {
    let unsigned = number(bytes, 0, bytes.len()).unwrap_or(0);
    let high = unsigned << (32 - 8 * bytes.len() as u32);
    f64::from(high as i32) / 65_536.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wav(tag: u16, n_channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVEjunk\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        bytes.extend([tag.to_le_bytes(), n_channels.to_le_bytes()].concat());
        bytes.extend(16_000_u32.to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(bits.to_le_bytes());
        bytes.extend(b"data\xff\xff\xff\xff");
        bytes.extend(data);
        bytes
    }

    fn check(tag: u16, n_channels: u16, bits: u16, data: &[u8], expected: &[i16]) {
        let wav = Wav::parse(&wav(tag, n_channels, bits, data)).unwrap();
        assert_eq!((wav.rate, wav.samples.as_slice()), (SampleRate::HZ_16000, expected), "{bits} bits");
    }

    #[test]
    fn every_depth_is_read_as_mono_of_16_bits() {
        check(PCM, 1, 8, &[128, 255, 0], &[0, 32_512, -32_768]);
        check(PCM, 1, 16, &[0x34, 0x12, 0, 0x80, 9], &[0x1234, -32_768]);
        check(PCM, 2, 16, &[10, 0, 20, 0, 0xff, 0xff, 0xfd, 0xff], &[15, -2]);
        check(PCM, 1, 24, &[0, 0x34, 0x12, 0xff, 0xff, 0xff], &[0x1234, 0]);
        check(PCM, 1, 32, &[0, 0, 0, 0x80, 0, 0, 0, 0x40], &[-32_768, 16_384]);
        let floats = [0.5_f32, -1.0, 1.5].map(f32::to_le_bytes).concat();
        check(FLOAT, 1, 32, &floats, &[16_384, -32_768, 32_767]);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let error = |bytes: &[u8]| Wav::parse(bytes).unwrap_err();
        assert_eq!(error(b"OggS"), "not a WAV file");
        assert_eq!(error(&wav(PCM, 1, 12, &[])), "format 1 of 12 bits, expected PCM or 32-bit float");
        assert_eq!(error(&wav(PCM, 6, 16, &[])), "6 channels, expected 1 or 2");
        let whole = wav(PCM, 1, 16, &[]);
        assert_eq!(error(&whole[..40]), "its header is cut off");
        assert_eq!(error(&whole[..20]), "no audio in it");
    }
}

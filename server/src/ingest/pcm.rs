//! Raw samples, described on the command line: `--pcm s16le:48000:2`. No headers, no codecs.

use std::io::{self, Read};
use std::str::FromStr;

use engine::audio::{CHANNELS_MAX, Format};
use engine::event::GapReason;
use engine::time::SampleRate;

use super::decode::{Decoded, Lost, Origin, Planes, Stream};
use super::error::IngestError;

const EXPECTED: &str = "FORMAT:RATE:CHANNELS such as s16le:48000:2";
const FORMATS: &str = "one of u8, s8, s16le, s16be, s24le, s24be, s32le, f32le, f64le, mulaw, alaw";
/// Frames that are read at once at most.
const READ_FRAMES: usize = 4_096;

/// How a sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it: kind, bits, byte order")]
pub enum SampleFormat {
    U8,
    S8,
    S16Le,
    S16Be,
    S24Le,
    S24Be,
    S32Le,
    F32Le,
    F64Le,
    MuLaw,
    ALaw,
}

impl SampleFormat {
    const ALL: [(&'static str, Self); 11] = [
        ("u8", Self::U8),
        ("s8", Self::S8),
        ("s16le", Self::S16Le),
        ("s16be", Self::S16Be),
        ("s24le", Self::S24Le),
        ("s24be", Self::S24Be),
        ("s32le", Self::S32Le),
        ("f32le", Self::F32Le),
        ("f64le", Self::F64Le),
        ("mulaw", Self::MuLaw),
        ("alaw", Self::ALaw),
    ];

    /// Name, as it is written in a description.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// Bytes of a sample.
    #[must_use]
    pub const fn n_bytes(self) -> usize {
        match self {
            Self::U8 | Self::S8 | Self::MuLaw | Self::ALaw => 1,
            Self::S16Le | Self::S16Be => 2,
            Self::S24Le | Self::S24Be => 3,
            Self::S32Le | Self::F32Le => 4,
            Self::F64Le => 8,
        }
    }

    /// Converts interleaved samples.
    pub(super) fn fill(self, bytes: &[u8], n_channels: usize, planes: &mut Planes) {
        match self {
            Self::U8 => fill(bytes, n_channels, planes, |[b]| (f32::from(b) - 128.0) / 128.0),
            Self::S8 => fill(bytes, n_channels, planes, |[b]| f32::from(b.cast_signed()) / 128.0),
            Self::S16Le => fill(bytes, n_channels, planes, |b| f32::from(i16::from_le_bytes(b)) / 32_768.0),
            Self::S16Be => fill(bytes, n_channels, planes, |b| f32::from(i16::from_be_bytes(b)) / 32_768.0),
            Self::S24Le => fill(bytes, n_channels, planes, |[a, b, c]| {
                i32::from_le_bytes([0, a, b, c]) as f32 / 2_147_483_648.0
            }),
            Self::S24Be => fill(bytes, n_channels, planes, |[a, b, c]| {
                i32::from_be_bytes([a, b, c, 0]) as f32 / 2_147_483_648.0
            }),
            Self::S32Le => {
                fill(bytes, n_channels, planes, |b| i32::from_le_bytes(b) as f32 / 2_147_483_648.0);
            }
            Self::F32Le => fill(bytes, n_channels, planes, f32::from_le_bytes),
            Self::F64Le => fill(bytes, n_channels, planes, |b| f64::from_le_bytes(b) as f32),
            Self::MuLaw => fill(bytes, n_channels, planes, |[b]| mu_law(b)),
            Self::ALaw => fill(bytes, n_channels, planes, |[b]| a_law(b)),
        }
    }
}

fn fill<const N: usize>(
    bytes: &[u8],
    n_channels: usize,
    planes: &mut Planes,
    convert: impl Fn([u8; N]) -> f32,
) {
    const ORDER: [usize; CHANNELS_MAX] = [0, 1, 2, 3, 4, 5, 6, 7];
    let (samples, _) = bytes.as_chunks::<N>();
    planes.fill_interleaved(samples, &ORDER[..n_channels.min(CHANNELS_MAX)], convert);
}

/// ITU-T G.711, mu-law: sign, three bits of exponent, four of mantissa, all inverted; 14 bits wide.
fn mu_law(byte: u8) -> f32 {
    let byte = !byte;
    let magnitude = ((i32::from(byte & 0x0f) << 3) + 0x84) << ((byte >> 4) & 7);
    let value = (magnitude - 0x84) as f32 / 32_768.0;
    if byte & 0x80 == 0 { value } else { -value }
}

/// ITU-T G.711, A-law: every second bit inverted; 13 bits wide.
fn a_law(byte: u8) -> f32 {
    let byte = byte ^ 0x55;
    let mantissa = (i32::from(byte & 0x0f) << 4) + 8;
    let magnitude = match (byte >> 4) & 7 {
        0 => mantissa,
        exponent => (mantissa + 0x100) << (exponent - 1),
    };
    let value = magnitude as f32 / 32_768.0;
    if byte & 0x80 == 0 { -value } else { value }
}

/// A description of raw samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcmSpec {
    /// How a sample is stored.
    pub sample: SampleFormat,
    /// Rate and channels.
    pub format: Format,
}

impl FromStr for PcmSpec {
    type Err = IngestError;

    fn from_str(text: &str) -> Result<Self, IngestError> {
        let wrong =
            |found: String, expected| IngestError::Usage { place: format!("--pcm {text}"), found, expected };
        let parts: Vec<&str> = text.split(':').collect();
        let [sample, rate, channels] = parts.as_slice() else {
            return Err(wrong(format!("{} parts", parts.len()), EXPECTED));
        };
        let known = SampleFormat::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(sample));
        let (_, sample) = known.ok_or_else(|| wrong(format!("format {sample:?}"), FORMATS))?;
        let rate = rate.parse().map_err(|_| wrong(format!("rate {rate:?}"), "Hz, a whole number"))?;
        let rate =
            SampleRate::new(rate).map_err(|e| wrong(format!("rate {} Hz", e.actual), "8000 to 192000 Hz"))?;
        let channels =
            channels.parse().map_err(|_| wrong(format!("channels {channels:?}"), "a whole number"))?;
        let format = Format::new(rate, channels)
            .map_err(|e| wrong(format!("{} channels", e.actual), "1 to 8 channels"))?;
        Ok(Self { sample: *sample, format })
    }
}

/// Reads raw samples.
pub(super) struct PcmReader {
    place: String,
    origin: Origin,
    spec: PcmSpec,
    bytes: Vec<u8>,
    /// Bytes of a frame whose rest has not arrived.
    n_kept: usize,
    n_read: u64,
    planes: Planes,
    told: bool,
    ended: bool,
}

impl PcmReader {
    /// `place` names the input in errors.
    #[must_use]
    pub(super) fn new(place: &str, origin: Origin, spec: PcmSpec) -> Self {
        let n_bytes = READ_FRAMES * spec.sample.n_bytes() * spec.format.n_channels();
        Self {
            place: place.into(),
            origin,
            spec,
            bytes: vec![0; n_bytes],
            n_kept: 0,
            n_read: 0,
            planes: Planes::default(),
            told: false,
            ended: false,
        }
    }

    /// What comes next; `None` at the end. An incomplete last frame is one lost frame.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot fail")]
    pub(super) fn next(&mut self) -> Result<Option<Decoded>, IngestError> {
        if self.ended {
            return Ok(None);
        }
        let frame_bytes = self.spec.sample.n_bytes() * self.spec.format.n_channels();
        let mut held = self.n_kept;
        while held < frame_bytes {
            match self.origin.read(self.bytes.get_mut(held..).unwrap_or(&mut [])) {
                Ok(0) => return self.finish(held),
                Ok(n) => held += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    self.ended = true;
                    return Err(IngestError::Read { place: self.place.clone(), byte: self.n_read, source });
                }
            }
            self.n_kept = held;
        }
        if !self.told {
            self.told = true;
            return Ok(Some(Decoded::Stream(Stream {
                format: self.spec.format,
                codec: self.spec.sample.name(),
            })));
        }
        let whole = held - held % frame_bytes;
        self.spec.sample.fill(&self.bytes[..whole], self.spec.format.n_channels(), &mut self.planes);
        self.bytes.copy_within(whole..held, 0);
        self.n_kept = held - whole;
        self.n_read += whole as u64;
        Ok(Some(Decoded::Frames))
    }

    fn finish(&mut self, held: usize) -> Result<Option<Decoded>, IngestError> {
        self.ended = true;
        if self.n_read == 0 {
            let found = if held == 0 { "empty".into() } else { format!("{held} bytes, less than one frame") };
            return Err(IngestError::NotAudio { place: self.place.clone(), found, expected: "raw samples" });
        }
        Ok((held > 0).then_some(Decoded::Lost(Lost { frames: 1, reason: GapReason::Loss })))
    }

    /// The frames of the last [`Decoded::Frames`].
    #[must_use]
    pub(super) fn planes(&self) -> &Planes {
        &self.planes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        text.parse::<PcmSpec>().unwrap_err().to_string()
    }

    #[test]
    fn descriptions_are_read_and_errors_name_the_value() {
        let spec: PcmSpec = "S16LE:48000:2".parse().unwrap();
        assert_eq!(
            (spec.sample, spec.format.rate().hz(), spec.format.n_channels()),
            (SampleFormat::S16Le, 48_000, 2)
        );
        let expected = "--pcm s16le:48000: 2 parts, expected FORMAT:RATE:CHANNELS such as s16le:48000:2";
        assert_eq!(wrong("s16le:48000"), expected);
        assert!(
            wrong("s16:48000:2").starts_with("--pcm s16:48000:2: format \"s16\", expected one of u8, s8")
        );
        assert_eq!(wrong("u8:4000:1"), "--pcm u8:4000:1: rate 4000 Hz, expected 8000 to 192000 Hz");
        assert_eq!(wrong("u8:8000:9"), "--pcm u8:8000:9: 9 channels, expected 1 to 8 channels");
        assert!(wrong("u8:-1:1").contains("rate \"-1\"") && wrong("u8:8000:x").contains("channels \"x\""));
    }

    /// Decodes `bytes` in reads of `n` bytes.
    fn decode(spec: &str, bytes: &[u8], n: usize) -> (Vec<Vec<f32>>, Option<Lost>) {
        struct Slow(Vec<u8>, usize);
        impl Read for Slow {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let n = self.1.min(self.0.len()).min(buffer.len());
                buffer[..n].copy_from_slice(&self.0[..n]);
                self.0.drain(..n);
                Ok(n)
            }
        }
        let spec: PcmSpec = spec.parse().unwrap();
        let mut reader = PcmReader::new("test", Origin::Stream(Box::new(Slow(bytes.to_vec(), n))), spec);
        let mut frames = vec![Vec::new(); spec.format.n_channels()];
        let mut lost = None;
        while let Some(next) = reader.next().unwrap() {
            match next {
                Decoded::Frames => frames.iter_mut().enumerate().for_each(|(channel, all)| {
                    all.extend_from_slice(reader.planes().channel(channel, 0..usize::MAX));
                }),
                Decoded::Lost(gap) => lost = Some(gap),
                _ => {}
            }
        }
        (frames, lost)
    }

    #[test]
    fn formats_are_converted_whatever_the_cutting() {
        let check = |spec: &str, bytes: &[u8], expected: &[f32]| {
            for n in [1, 3, 64] {
                let (frames, lost) = decode(spec, bytes, n);
                assert_eq!((frames[0].as_slice(), lost), (expected, None), "{spec} {n}");
            }
        };
        check("u8:8000:1", &[0, 128, 192], &[-1.0, 0.0, 0.5]);
        check("s8:8000:1", &[0x80, 0, 0x40], &[-1.0, 0.0, 0.5]);
        check("s16le:8000:1", &[0, 0x80, 0, 0x40], &[-1.0, 0.5]);
        check("s16be:8000:1", &[0x80, 0, 0x40, 0], &[-1.0, 0.5]);
        check("s24le:8000:1", &[0, 0, 0x80, 0, 0, 0x40], &[-1.0, 0.5]);
        check("s24be:8000:1", &[0x80, 0, 0, 0x40, 0, 0], &[-1.0, 0.5]);
        check("s32le:8000:1", &[0, 0, 0, 0x80, 0, 0, 0, 0x40], &[-1.0, 0.5]);
        check("f32le:8000:1", &0.25_f32.to_le_bytes(), &[0.25]);
        check("f64le:8000:1", &(-0.25_f64).to_le_bytes(), &[-0.25]);
        // G.711's extremes and zero, as 16-bit numbers: mu-law 32 124, A-law 32 256.
        check("mulaw:8000:1", &[0x80, 0x00, 0xff], &[32_124.0 / 32_768.0, -32_124.0 / 32_768.0, 0.0]);
        check(
            "alaw:8000:1",
            &[0xaa, 0x2a, 0xd5],
            &[32_256.0 / 32_768.0, -32_256.0 / 32_768.0, 8.0 / 32_768.0],
        );
    }

    #[test]
    fn channels_are_taken_apart_and_a_cut_frame_is_counted() {
        let (frames, lost) = decode("s8:8000:2", &[0x40, 0xc0, 0x20, 0xe0, 0x7f], 2);
        assert_eq!(frames, [[0.5, 0.25], [-0.5, -0.25]]);
        assert_eq!(lost, Some(Lost { frames: 1, reason: GapReason::Loss }));
    }

    #[test]
    fn less_than_a_frame_is_no_audio() {
        let mut reader =
            PcmReader::new("x", Origin::Stream(Box::new(&[1_u8][..])), "s16le:8000:1".parse().unwrap());
        let message = reader.next().unwrap_err().to_string();
        assert_eq!(message, "x: 1 bytes, less than one frame, expected raw samples");
    }
}

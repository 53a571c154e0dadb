//! What ffmpeg is asked for, codec by codec: shapes whose frames last for a whole number of samples, so that it is known
//! where each lies.

use engine::time::{FLICKS_PER_SECOND, MediaTime, SampleRate};

/// A stream as it is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// MPEG-1 layer 3, 48 kHz, stereo, 128 kbit/s: what most stations send.
    Mp3Stereo,
    /// MPEG-2 layer 3, 24 kHz, mono, 48 kbit/s.
    Mp3Mono,
    /// AAC-LC with ADTS headers, 48 kHz, stereo, 128 kbit/s.
    AacStereo,
    /// AAC-LC with ADTS headers, 16 kHz, mono, 48 kbit/s.
    AacMono,
    /// Opus in Ogg, 48 kHz, stereo, 96 kbit/s, frames of 20 ms.
    Opus,
    /// FLAC in Ogg, mono, at the rate of the programme, a frame a piece: what is decoded is what was encoded.
    Flac,
    /// The same, as loud as the others.
    FlacLower,
}

/// How frames follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// Without headers and bit reservoir, each frame of so many bytes.
    Mp3 {
        frame_bytes: usize,
    },
    Adts,
    Ogg,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) hz: u32,
    pub(super) n_channels: u32,
    /// Samples of a frame.
    pub(super) frame: u32,
    /// Samples by which what is decoded is behind what was encoded.
    pub(super) delay: u32,
    /// Of the audio, before it is encoded.
    pub(super) gain_db: i32,
    pub(super) container: Container,
    /// Of ffmpeg, for the output.
    pub(super) options: Vec<String>,
}

/// As ffmpeg makes each channel of a stereo stream of one: all are as loud, and none reaches -1 dBFS, where flat tops would be
/// clipping (docs/events.md), which nobody expects behind an encoder that rounds them off.
const LOWER_DB: i32 = -3;
/// 576 of LAME's encoder, 529 of any decoder (LAME technical FAQ).
const MP3_DELAY: u32 = 1_105;
/// A frame that overlaps with the first (ISO/IEC 14496-3, 4.6.11), which ffmpeg's encoder puts before it.
const AAC_DELAY: u32 = 1_024;
/// What libopus looks ahead at 48 kHz, 6.5 ms (RFC 7845, 4.2, as the pre-skip of its own files).
const OPUS_DELAY: u32 = 312;

impl Encoding {
    /// For a programme at `rate`, in pieces of `piece`.
    pub(super) fn shape(self, rate: SampleRate, piece: MediaTime) -> Shape {
        match self {
            Self::Mp3Stereo => mp3(48_000, 2, 1_152, 128),
            Self::Mp3Mono => Shape { gain_db: LOWER_DB, ..mp3(24_000, 1, 576, 48) },
            Self::AacStereo => aac(48_000, 2, 128),
            Self::AacMono => Shape { gain_db: LOWER_DB, ..aac(16_000, 1, 48) },
            Self::Opus => Shape {
                hz: 48_000,
                n_channels: 2,
                frame: 960,
                delay: OPUS_DELAY,
                gain_db: 0,
                container: Container::Ogg,
                options: words("-c:a libopus -b:a 96k -frame_duration 20"),
            },
            Self::Flac => flac(rate, piece),
            Self::FlacLower => Shape { gain_db: LOWER_DB, ..flac(rate, piece) },
        }
    }
}

impl Container {
    /// As ffmpeg calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Mp3 { .. } => "mp3",
            Self::Adts => "adts",
            Self::Ogg => "ogg",
        }
    }
}

/// At these rates and bit rates each frame lasts for 24 ms and has as many bytes as any other.
fn mp3(hz: u32, n_channels: u32, frame: u32, kbps: usize) -> Shape {
    let options = format!("-c:a libmp3lame -b:a {kbps}k -reservoir 0 -write_xing 0 -id3v2_version 0");
    // Bits a millisecond, 24 ms, 8 bits a byte.
    let container = Container::Mp3 { frame_bytes: kbps * 24 / 8 };
    Shape { hz, n_channels, frame, delay: MP3_DELAY, gain_db: 0, container, options: words(&options) }
}

fn aac(hz: u32, n_channels: u32, kbps: u32) -> Shape {
    let options = words(&format!("-c:a aac -b:a {kbps}k"));
    Shape { hz, n_channels, frame: 1_024, delay: AAC_DELAY, gain_db: 0, container: Container::Adts, options }
}

/// At the rate of the programme where a piece is a whole number of its samples, else at 48 kHz.
fn flac(rate: SampleRate, piece: MediaTime) -> Shape {
    let hz = samples_in(piece, rate.hz()).map_or(48_000, |_| rate.hz());
    let frame = samples_in(piece, hz).and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
    let options = words(&format!("-c:a flac -sample_fmt s16 -frame_size {frame}"));
    Shape { hz, n_channels: 1, frame, delay: 0, gain_db: 0, container: Container::Ogg, options }
}

/// `None`: not a whole number.
pub(super) fn samples_in(length: MediaTime, hz: u32) -> Option<u64> {
    let product = u128::from(length.flicks()) * u128::from(hz);
    let second = u128::from(FLICKS_PER_SECOND);
    product.is_multiple_of(second).then(|| u64::try_from(product / second).unwrap_or(u64::MAX))
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

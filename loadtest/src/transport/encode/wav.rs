//! Endless WAV, for where there is no ffmpeg.

use bytes::Bytes;
use engine::time::{MediaTime, SampleRate};

use crate::failure::Failure;
use crate::programme::Programme;
use crate::transport::tape::Tape;

/// RIFF sizes of a stream without an end.
const ENDLESS: u32 = u32::MAX;

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Samples {
    /// 16 bits.
    Whole,
    /// Floating point, 32 bits.
    Float,
}

impl Samples {
    /// Tag of the format (Microsoft, Multimedia Data Standards Update, 1994), bytes of a sample.
    const fn shape(self) -> (u16, u16) {
        match self {
            Self::Whole => (1, 2),
            Self::Float => (3, 4),
        }
    }
}

/// The programme as an endless WAV, mono.
pub(super) fn wav(programme: &Programme, samples: Samples, piece: MediaTime) -> Result<Tape, Failure> {
    let all = programme.samples.iter();
    let bytes: Bytes = match samples {
        Samples::Whole => all.flat_map(|sample| sample.to_le_bytes()).collect(),
        Samples::Float => all.flat_map(|sample| (f32::from(*sample) / 32_768.0).to_le_bytes()).collect(),
    };
    let head = head(programme.rate, samples);
    Ok(Tape::raw(programme, &bytes, piece.to_duration())?.announced("audio/wav", head))
}

/// Microsoft, Multimedia Programming Interface and Data Specifications 1.0 (1991), RIFF WAVE.
fn head(rate: SampleRate, samples: Samples) -> Bytes {
    let (hz, (tag, frame_bytes)) = (rate.hz(), samples.shape());
    let format: [&[u8]; 6] = [
        &tag.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &hz.to_le_bytes(),
        &(hz * u32::from(frame_bytes)).to_le_bytes(),
        &frame_bytes.to_le_bytes(),
        &(frame_bytes * 8).to_le_bytes(),
    ];
    let size = &ENDLESS.to_le_bytes();
    let parts: [&[u8]; 7] =
        [b"RIFF", size, b"WAVEfmt ", &16_u32.to_le_bytes(), &format.concat(), b"data", size];
    parts.concat().into()
}

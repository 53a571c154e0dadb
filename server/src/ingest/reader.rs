//! Bytes to frames, whether a decoder is needed for it or they are samples already. Knows no sockets.

use super::decode::{Decoded, Decoder, Hint, Origin, Planes};
use super::error::IngestError;
use super::pcm::PcmReader;

/// What reads one source of bytes to its end.
pub(super) enum Reader {
    Media(Box<Decoder>),
    Pcm(Box<PcmReader>),
}

impl Reader {
    /// `place` names the input in errors. Reads as much as it takes to know the format.
    pub(super) fn open(place: &str, origin: Origin, hint: &Hint) -> Result<Self, IngestError> {
        Ok(match hint.pcm {
            Some(spec) => Self::Pcm(Box::new(PcmReader::new(place, origin, spec))),
            None => Self::Media(Box::new(Decoder::open(place, origin, hint)?)),
        })
    }

    /// What comes next; `None` at the end. Frames lie in [`Self::planes`].
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot fail")]
    pub(super) fn next(&mut self) -> Result<Option<Decoded>, IngestError> {
        match self {
            Self::Media(decoder) => decoder.next(),
            Self::Pcm(reader) => reader.next(),
        }
    }

    /// The frames of the last [`Decoded::Frames`].
    pub(super) fn planes(&self) -> &Planes {
        match self {
            Self::Media(decoder) => decoder.planes(),
            Self::Pcm(reader) => reader.planes(),
        }
    }

    /// How much was read, 0..=1. `None`: nobody knows how long it is.
    pub(super) fn progress(&self) -> Option<f64> {
        match self {
            Self::Media(decoder) => decoder.progress(),
            Self::Pcm(_) => None,
        }
    }
}

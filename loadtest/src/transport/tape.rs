//! A programme as bytes ready to be sent, once for all feeds: what a piece costs is a slice. Encodes nothing itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::time::{MediaTime, SampleRate};

use super::encode::Page;
use crate::failure::Failure;
use crate::programme::Programme;
use crate::target::Dialect;

/// Length of a piece where nothing else is asked for.
pub const PIECE: Duration = Duration::from_millis(50);

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tape {
    audio: Audio,
    round: MediaTime,
    piece: MediaTime,
    rate: SampleRate,
    head: Bytes,
    media_type: &'static str,
}

#[derive(Clone, Debug)]
enum Audio {
    /// A round, and as much of its beginning again as a piece is long: no piece is cut in two.
    Samples { bytes: Bytes, round_bytes: usize, piece_bytes: usize },
    /// The encoded pieces of a round.
    Pieces(Arc<[Bytes]>),
    /// The same as pages of Ogg, `ticks` long each, which are numbered as they are sent.
    Pages { pages: Arc<[Page]>, ticks: u64 },
}

impl Tape {
    /// Samples of the programme in the encoding of `dialect`, each as long as the others.
    pub fn for_dialect(
        programme: &Programme,
        dialect: &dyn Dialect,
        piece: Duration,
    ) -> Result<Self, Failure> {
        Self::raw(programme, &dialect.audio(&programme.samples), piece)
    }

    /// Samples of 16 bits, little-endian, in pieces at most as long as `piece`.
    pub fn of_samples(programme: &Programme, piece: Duration) -> Result<Self, Failure> {
        let bytes: Bytes = programme.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        Self::raw(programme, &bytes, piece)
    }

    /// The programme's samples as `bytes`, cut into pieces of a whole number of samples, at most as long as `piece`.
    pub fn raw(programme: &Programme, bytes: &Bytes, piece: Duration) -> Result<Self, Failure> {
        let (rate, n_samples) = (programme.rate, programme.samples.len());
        let piece_samples =
            usize::try_from(piece.as_nanos() * u128::from(rate.hz()) / 1_000_000_000).unwrap_or(0);
        let sample_bytes = bytes.len().checked_div(n_samples).unwrap_or(0);
        if piece_samples == 0 || sample_bytes == 0 || sample_bytes * n_samples != bytes.len() {
            let tried = format!("{n_samples} samples as {} bytes in pieces of {piece:?}", bytes.len());
            return Err(Failure::Usage(format!("a programme cannot be played: {tried}")));
        }
        let piece = MediaTime::from_frames(piece_samples as u64, rate);
        Ok(Self {
            audio: Audio::Samples {
                bytes: with_seam(bytes, piece_samples * sample_bytes),
                round_bytes: bytes.len(),
                piece_bytes: piece_samples * sample_bytes,
            },
            round: programme.length(),
            piece,
            rate,
            head: Bytes::new(),
            media_type: "application/octet-stream",
        })
    }

    /// The same, announced as `media_type`, with `head` in front of what each listener gets.
    #[must_use]
    pub(super) fn announced(self, media_type: &'static str, head: Bytes) -> Self {
        Self { head, media_type, ..self }
    }

    /// A round of encoded pieces, each as long as `piece`.
    pub(super) fn encoded(pieces: Vec<Bytes>, piece: MediaTime, media_type: &'static str) -> Self {
        let n_pieces = pieces.len() as u64;
        Self {
            audio: Audio::Pieces(pieces.into()),
            round: MediaTime::from_flicks(n_pieces * piece.flicks()),
            piece,
            rate: SampleRate::HZ_16000,
            head: Bytes::new(),
            media_type,
        }
    }

    /// The same as pages of Ogg behind those of `head`, each `ticks` of its codec's clock long.
    pub(super) fn paged(pages: Vec<Page>, ticks: u64, piece: MediaTime, head: Bytes) -> Self {
        let unpaged = Self::encoded(vec![Bytes::new(); pages.len()], piece, "audio/ogg");
        Self { audio: Audio::Pages { pages: pages.into(), ticks }, head, ..unpaged }
    }

    /// Piece `idx`, counted on over all rounds.
    #[must_use]
    pub fn piece(&self, idx: u64) -> Bytes {
        match &self.audio {
            Audio::Samples { bytes, round_bytes, piece_bytes } => {
                let from = (u128::from(idx) * *piece_bytes as u128 % *round_bytes as u128) as usize;
                bytes.slice(from..from + piece_bytes)
            }
            Audio::Pieces(pieces) => nth(pieces, idx).cloned().unwrap_or_default(),
            Audio::Pages { pages, ticks } => {
                let page = nth(pages, idx);
                page.map(|page| page.of_audio(idx, (idx + 1).saturating_mul(*ticks))).unwrap_or_default()
            }
        }
    }

    /// Where piece `idx` begins, counted on over all rounds.
    #[must_use]
    pub const fn position(&self, idx: u64) -> MediaTime {
        MediaTime::from_flicks(self.piece.flicks().saturating_mul(idx))
    }

    /// Pieces that begin in the first round.
    #[must_use]
    pub const fn n_pieces(&self) -> u64 {
        self.round.flicks().div_ceil(self.piece.flicks())
    }

    /// Length of a piece.
    #[must_use]
    pub const fn piece_length(&self) -> MediaTime {
        self.piece
    }

    /// Whether the audio itself says when it is heard: what is left out of it shows.
    #[must_use]
    pub const fn is_stamped(&self) -> bool {
        matches!(self.audio, Audio::Pages { .. })
    }

    /// Length of a round.
    #[must_use]
    pub const fn round(&self) -> MediaTime {
        self.round
    }

    /// Sample rate of raw samples.
    #[must_use]
    pub const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// What goes before the first piece on each connection.
    #[must_use]
    pub const fn head(&self) -> &Bytes {
        &self.head
    }

    /// Content type.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        self.media_type
    }
}

/// Round and round.
fn nth<T>(round: &[T], idx: u64) -> Option<&T> {
    round.get(usize::try_from(idx % (round.len() as u64).max(1)).ok()?)
}

fn with_seam(round: &Bytes, piece_bytes: usize) -> Bytes {
    round.iter().copied().cycle().take(round.len() + piece_bytes).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn programme(n_samples: usize) -> (Programme, Bytes) {
        let samples: Vec<i16> = (0..n_samples).map(|n| n as i16).collect();
        let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        (Programme { rate: SampleRate::HZ_16000, samples: samples.into(), facts: Vec::new() }, bytes)
    }

    #[test]
    fn rounds_follow_one_another_without_a_seam() {
        for n_samples in [300, 800, 1_000, 16_000] {
            let (programme, bytes) = programme(n_samples);
            let tape = Tape::raw(&programme, &bytes, PIECE).unwrap();
            assert_eq!((tape.piece(7).len(), tape.piece_length()), (1_600, MediaTime::from_millis(50)));
            let played: Vec<u8> = (0..100).flat_map(|idx| tape.piece(idx)).collect();
            let expected: Vec<u8> = bytes.iter().copied().cycle().take(160_000).collect();
            assert!(played == expected, "{n_samples}");
        }
    }

    #[test]
    fn odd_rates_have_whole_samples_and_true_lengths() {
        let (mut programme, bytes) = programme(22_050);
        programme.rate = SampleRate::new(22_050).unwrap();
        let tape = Tape::raw(&programme, &bytes, PIECE).unwrap();
        assert_eq!(tape.piece(7).len(), 2 * 1_102);
        assert_eq!(tape.position(11_025), MediaTime::from_secs(551));
    }

    #[test]
    fn nothing_cannot_be_played() {
        let (programme, bytes) = programme(0);
        assert!(Tape::raw(&programme, &bytes, PIECE).is_err());
    }
}

//! A programme as bytes ready to be sent, once for all feeds: what a piece costs is a slice. Encodes nothing itself.

use std::time::Duration;

use bytes::Bytes;
use engine::time::{MediaTime, SampleRate};

use crate::failure::Failure;
use crate::programme::Programme;
use crate::target::Dialect;

/// Length of a piece where nothing else is asked for.
pub const PIECE: Duration = Duration::from_millis(50);

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tape {
    /// A round, and as much of its beginning again as a piece is long: no piece is cut in two.
    bytes: Bytes,
    round_bytes: usize,
    piece_bytes: usize,
    round: MediaTime,
    piece: MediaTime,
    rate: SampleRate,
    head: Bytes,
    media_type: &'static str,
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
            bytes: with_seam(bytes, piece_samples * sample_bytes),
            round_bytes: bytes.len(),
            piece_bytes: piece_samples * sample_bytes,
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

    /// Encoded frames of equal length in bytes and in time.
    pub(super) fn frames(frames: &Bytes, frame_bytes: usize, frame: MediaTime, per_piece: usize) -> Self {
        let n_frames = (frames.len() / frame_bytes.max(1)) as u64;
        Self {
            bytes: with_seam(frames, frame_bytes * per_piece),
            round_bytes: frames.len(),
            piece_bytes: frame_bytes * per_piece,
            round: MediaTime::from_flicks(n_frames * frame.flicks()),
            piece: MediaTime::from_flicks(per_piece as u64 * frame.flicks()),
            rate: SampleRate::HZ_16000,
            head: Bytes::new(),
            media_type: "audio/mpeg",
        }
    }

    /// Piece `idx`, counted on over all rounds.
    #[must_use]
    pub fn piece(&self, idx: u64) -> Bytes {
        let from = (u128::from(idx) * self.piece_bytes as u128 % self.round_bytes as u128) as usize;
        self.bytes.slice(from..from + self.piece_bytes)
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

    /// Bytes of a piece.
    #[must_use]
    pub const fn piece_bytes(&self) -> usize {
        self.piece_bytes
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
            assert_eq!((tape.piece_bytes(), tape.piece_length()), (1_600, MediaTime::from_millis(50)));
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
        assert_eq!(tape.piece_bytes(), 2 * 1_102);
        assert_eq!(tape.position(11_025), MediaTime::from_secs(551));
    }

    #[test]
    fn nothing_cannot_be_played() {
        let (programme, bytes) = programme(0);
        assert!(Tape::raw(&programme, &bytes, PIECE).is_err());
    }
}

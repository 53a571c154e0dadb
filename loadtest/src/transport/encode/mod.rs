//! Tapes for streams: mp3, AAC, Opus and FLAC made by ffmpeg, once, and WAV made of samples. We write no encoders.
//!
//! Rounds are a whole number of pieces, and pieces a whole number of frames, so it is known of each where in the programme
//! it lies: decoded from any piece on, audio begins where that piece's position says. The encoder's delay is taken out; what
//! a real encoder holds back at a station is not in any figure.

mod ffmpeg;
mod ogg;
mod shape;
#[cfg(test)]
mod tests;
mod wav;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use engine::time::MediaTime;
use sha2::{Digest, Sha256};

use self::ffmpeg::Frames;
pub(super) use self::ogg::Page;
pub use self::shape::Encoding;
use self::shape::{Container, Shape};
use self::wav::Samples;
use super::tape::Tape;
use crate::failure::Failure;
use crate::programme::Programme;
use crate::scenario::Codec;

/// Encoded before and behind the round, and cut off: the encoder is in full swing there. Pieces: a second or more.
const RUN_UP: u64 = 25;
/// Where in an identification header of Opus it is said how much of the beginning is left out (RFC 7845, 5.1).
const PRE_SKIP: std::ops::Range<usize> = 10..12;

/// Length of the pieces of a stream: two frames of mp3, three of AAC, two of Opus, one of FLAC.
#[must_use]
pub const fn piece(codec: Codec) -> MediaTime {
    MediaTime::from_millis(match codec {
        Codec::Mp3 | Codec::Wav | Codec::Pcm => 48,
        Codec::Aac => 64,
        Codec::Opus | Codec::Flac => 40,
    })
}

/// Whether the samples that are decoded are those that were encoded.
#[must_use]
pub const fn is_lossless(codec: Codec) -> bool {
    matches!(codec, Codec::Flac | Codec::Wav | Codec::Pcm)
}

/// The same with silence at its end, less than a piece, so that its round is a whole number of pieces of `codec`. Its facts
/// stay; whoever judges must use this one.
#[must_use]
pub fn fitted(programme: &Programme, codec: Codec) -> Programme {
    let mut samples = programme.samples.to_vec();
    let most = samples.len() + programme.rate.hz() as usize;
    let length = |n_samples: usize| MediaTime::from_frames(n_samples as u64, programme.rate);
    while !is_whole(length(samples.len()), piece(codec)) && samples.len() < most {
        samples.push(0);
    }
    Programme { samples: samples.into(), ..programme.clone() }
}

fn is_whole(length: MediaTime, piece: MediaTime) -> bool {
    length.flicks().is_multiple_of(piece.flicks())
}

/// What a feed of `codec` plays, and what changes change it to, in turn: another rate, and another codec. The folder
/// `cache` keeps what was encoded, by content.
pub fn tapes(programme: &Programme, codec: Codec, cache: &Path) -> Result<Vec<Tape>, Failure> {
    let piece = piece(codec);
    let tape = |encoding| tape(programme, encoding, piece, cache);
    let wav = |samples| wav::wav(programme, samples, piece);
    match codec {
        Codec::Mp3 => {
            [Encoding::Mp3Stereo, Encoding::Mp3Mono, Encoding::FlacLower].into_iter().map(tape).collect()
        }
        Codec::Aac => {
            [Encoding::AacStereo, Encoding::AacMono, Encoding::FlacLower].into_iter().map(tape).collect()
        }
        Codec::Opus => [Encoding::Opus, Encoding::FlacLower].into_iter().map(tape).collect(),
        Codec::Flac => Ok(vec![tape(Encoding::Flac)?, wav(Samples::Whole)?]),
        Codec::Wav | Codec::Pcm => Ok(vec![wav(Samples::Whole)?, wav(Samples::Float)?]),
    }
}

/// The programme encoded, in pieces of `piece`. Media time 0 of a listener's first piece is, decoded, where the piece's
/// position says, and rounds follow one another without a seam.
pub fn tape(
    programme: &Programme,
    encoding: Encoding,
    piece: MediaTime,
    cache: &Path,
) -> Result<Tape, Failure> {
    let length = programme.length();
    let n_pieces = length.flicks() / piece.flicks().max(1);
    if n_pieces == 0 || !is_whole(length, piece) {
        return Err(Failure::Usage(format!("a programme of {length} s is not a whole number of {piece} s")));
    }
    let shape = encoding.shape(programme.rate, piece);
    let path = cache.join(format!("{}.{}", name(programme, &shape), shape.container.name()));
    let round = |stream: Vec<u8>| round(&stream.into(), &shape, piece, n_pieces);
    if let Some(tape) = fs::read(&path).ok().and_then(round) {
        return Ok(tape);
    }
    let tried = format!("make {}", path.display());
    fs::create_dir_all(cache).map_err(|error| Failure::runtime(&tried, error))?;
    let input = with_run_up(programme, piece);
    let scratch = path.with_extension(format!("{}.s16", std::process::id()));
    let stream = ffmpeg::encoded(&input, programme.rate.hz(), &shape, &scratch)?;
    let written = fs::write(&scratch, &stream).and_then(|()| fs::rename(&scratch, &path));
    written.map_err(|error| Failure::runtime(&tried, error))?;
    round(stream)
        .ok_or_else(|| Failure::runtime(&tried, "ffmpeg did not make the frames that were asked for"))
}

/// The round out of a stream that has more before and behind it. `None`: there is not so much.
fn round(stream: &Bytes, shape: &Shape, piece: MediaTime, n_pieces: u64) -> Option<Tape> {
    let Frames { heads, frames } = ffmpeg::frames(stream, shape.container)?;
    let ticks = shape::samples_in(piece, shape.hz)?;
    let per_piece = usize::try_from(ticks / u64::from(shape.frame.max(1))).ok()?;
    let pieces = frames.chunks_exact(per_piece.max(1)).skip(RUN_UP as usize);
    let pieces: Vec<&[Bytes]> = pieces.take(usize::try_from(n_pieces).ok()?).collect();
    if pieces.len() as u64 != n_pieces {
        return None;
    }
    let media_type = match shape.container {
        Container::Mp3 { .. } => "audio/mpeg",
        Container::Adts => "audio/aac",
        Container::Ogg => {
            let pages = pieces.into_iter().map(Page::new).collect::<Option<_>>()?;
            return Some(Tape::paged(pages, ticks, piece, Page::heads(&without_skip(heads))?));
        }
    };
    Some(Tape::encoded(pieces.into_iter().map(|frames| frames.concat().into()).collect(), piece, media_type))
}

/// Nothing of the beginning is left out: whoever listens comes later.
fn without_skip(heads: Vec<Bytes>) -> Vec<Bytes> {
    let without = |head: Bytes| {
        let is_opus = head.starts_with(b"OpusHead");
        let mut head = head.to_vec();
        if let Some(skip) = head.get_mut(PRE_SKIP).filter(|_| is_opus) {
            skip.fill(0);
        }
        head.into()
    };
    heads.into_iter().map(without).collect()
}

fn name(programme: &Programme, shape: &Shape) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("2 {shape:?} {}", programme.rate));
    programme.samples.iter().for_each(|sample| hash.update(sample.to_le_bytes()));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The end of the programme, the programme, and its beginning.
fn with_run_up(programme: &Programme, piece: MediaTime) -> Vec<u8> {
    let n_samples = programme.samples.len();
    let run_up = MediaTime::from_flicks(piece.flicks() * RUN_UP).to_frames(programme.rate) as usize;
    // Rounds before, so that the run-up fits into them.
    let before = (n_samples - run_up % n_samples.max(1)) % n_samples.max(1);
    let samples = programme.samples.iter().cycle().skip(before).take(n_samples + 2 * run_up);
    samples.flat_map(|sample| sample.to_le_bytes()).collect()
}

//! What the tests of transports share: a feed of a counting tape, and readable notes.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use engine::time::{MediaTime, SampleRate};
use tokio::sync::mpsc;

use super::{Feed, Note, Noted, Notes, Tape, Weather};
use crate::pace::{Punctuality, now};
use crate::programme::Programme;
use crate::truth::Observation;

/// Short, so that tests are.
pub(super) const PIECE: Duration = Duration::from_millis(2);
pub(super) const PIECE_BYTES: usize = 64;
/// Long enough that tests do not come round.
const N_SAMPLES: usize = 32_000;

/// Of a round.
pub(super) const N_PIECES: u64 = N_SAMPLES as u64 * 2 / PIECE_BYTES as u64;

/// What a test does to a feed and asks it.
pub(super) struct Setup {
    pub(super) weather: Weather,
    pub(super) punctuality: Punctuality,
}

pub(super) fn programme() -> (Programme, bytes::Bytes) {
    let samples: Vec<i16> = (0..N_SAMPLES).map(|n| n as i16).collect();
    let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    (Programme { rate: SampleRate::HZ_16000, samples: samples.into(), facts: Vec::new() }, bytes)
}

/// Feed 0 of one, from the beginning of the tape.
pub(super) fn feed() -> (Setup, Feed, mpsc::Receiver<Note>) {
    let (programme, bytes) = programme();
    let tape = Arc::new(Tape::raw(&programme, &bytes, PIECE).unwrap());
    let (notes, told) = Notes::new(10_000);
    let setup = Setup { weather: Weather::new(), punctuality: Punctuality::new() };
    let feed = Feed {
        idx: 0,
        n_feeds: 1,
        tapes: vec![Arc::clone(&tape), tape],
        begin: now(),
        weather: setup.weather.clone(),
        notes,
        punctuality: setup.punctuality.clone(),
    };
    (setup, feed, told)
}

/// Bytes of the tape from byte `from` on.
pub(super) fn played(from: usize, n_bytes: usize) -> Vec<u8> {
    programme().1.iter().copied().cycle().skip(from).take(n_bytes).collect()
}

pub(super) fn notes(told: &mut mpsc::Receiver<Note>) -> Vec<Note> {
    std::iter::from_fn(|| told.try_recv().ok()).collect()
}

/// Session, beginning in media time, and position of media time 0, in pieces.
pub(super) fn legs(notes: &[Note]) -> Vec<(u32, u64, u64)> {
    let pieces = |time: MediaTime| time.flicks() / MediaTime::from_millis(PIECE.as_millis() as u64).flicks();
    let leg = |note: &Note| match note.what {
        Noted::Leg { from, anchor } => Some((note.session, pieces(from), pieces(anchor.position))),
        _ => None,
    };
    notes.iter().filter_map(leg).collect()
}

pub(super) fn name(note: &Note) -> Option<&str> {
    match &note.what {
        Noted::Observed(observed) => match &observed.what {
            Observation::Other { name, .. } => Some(name),
            other => panic!("{other:?}"),
        },
        _ => None,
    }
}

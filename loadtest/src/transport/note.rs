//! What transports tell while feeds play: where media time lies on the clock, what was never sent, what servers said.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use engine::time::{MediaTime, Span};
use tokio::sync::mpsc;

use crate::pace::Anchor;
use crate::truth::Observed;

/// Something about one feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// Which feed.
    pub feed_idx: usize,
    /// Which media clock of the feed: it starts anew, at 0, with each WebSocket connection.
    pub session: u32,
    /// What.
    pub what: Noted,
}

/// Kinds of notes.
#[derive(Clone, Debug, PartialEq)]
pub enum Noted {
    /// From here on, until the next leg of the session, audio lies where the anchor says (which counts from media time 0
    /// all the same).
    Leg {
        /// Media time.
        from: MediaTime,
        /// Where.
        anchor: Anchor,
    },
    /// Nothing is expected of this audio: on purpose it was not sent, or was no audio.
    Lost(Span),
    /// The server said so.
    Observed(Observed),
    /// The connection is over; the media time up to which audio was sent on it.
    Left {
        /// End of the audio sent.
        at: MediaTime,
        /// Why.
        how: Departure,
    },
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// Everything was said, goodbyes included.
    Done,
    /// This program cut it, on purpose: what had not been told by then cannot be.
    Cut,
    /// The server ended it, or did not answer.
    Fault(String),
}

/// Where notes go; clones write to the same reader. A full queue never holds up the audio: the note is lost, and counted.
#[derive(Clone, Debug)]
pub struct Notes {
    sender: mpsc::Sender<Note>,
    n_lost: Rc<Cell<u64>>,
}

impl Notes {
    /// At most `limit` notes wait to be read.
    #[must_use]
    pub fn new(limit: usize) -> (Self, mpsc::Receiver<Note>) {
        let (sender, receiver) = mpsc::channel(limit.max(1));
        (Self { sender, n_lost: Rc::default() }, receiver)
    }

    /// Notes that nobody will read. Any makes the run worthless.
    #[must_use]
    pub fn n_lost(&self) -> u64 {
        self.n_lost.get()
    }

    pub(super) fn tell(&self, note: Note) {
        if self.sender.try_send(note).is_err() {
            self.n_lost.set(self.n_lost.get() + 1);
        }
    }
}

/// What was read now.
pub(super) fn observed(at: Instant, what: crate::truth::Observation) -> Noted {
    Noted::Observed(Observed { at, what, stated: None })
}

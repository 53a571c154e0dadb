//! How far a transcript is settled: what `Utterances` settles waits for the final before it. Keeps no words.

use engine::event::{Event, Settled, Settling};
use engine::operator::Emit;
use engine::time::{MediaTime, Span};

use crate::utterances::AskHead;

/// Positions settled after one utterance and before the next; of those by one cause only the last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks([Option<Mark>; 5]);

/// Where, and at which proof.
#[derive(Clone, Copy, Debug)]
struct Mark {
    by: Settling,
    at: MediaTime,
    proof: MediaTime,
}

impl Mark {
    fn new(by: Settling, head: &AskHead) -> Self {
        Self { by, at: head.span.end, proof: head.proof }
    }
}

impl Marks {
    /// Adds the newest one.
    pub(super) fn add(&mut self, by: Settling, head: &AskHead) {
        let same = self.0.iter().position(|mark| mark.is_some_and(|mark| mark.by == by));
        // There are as many places as causes.
        let place = same.or_else(|| self.0.iter().position(Option::is_none)).unwrap_or(0);
        if let Some(place) = self.0.get_mut(place) {
            *place = Some(Mark::new(by, head));
        }
    }
}

/// Tells what is settled.
#[derive(Debug, Default)]
pub(super) struct Settler {
    last_final: Option<u64>,
}

impl Settler {
    /// There is a final of this utterance.
    pub(super) fn said(&mut self, utterance: u64) {
        self.last_final = Some(utterance);
    }

    /// Nothing is awaited any more of what is before the end of `head`.
    pub(super) fn settle(&self, by: Settling, head: &AskHead, out: &mut dyn Emit<Event>) {
        self.tell(Mark::new(by, head), out);
    }

    /// The same of all `marks`, in the order of their positions.
    pub(super) fn settle_all(&self, marks: Marks, out: &mut dyn Emit<Event>) {
        let mut marks: Vec<Mark> = marks.0.into_iter().flatten().collect();
        marks.sort_by_key(|mark| mark.at);
        marks.into_iter().for_each(|mark| self.tell(mark, out));
    }

    fn tell(&self, Mark { by, at, proof }: Mark, out: &mut dyn Emit<Event>) {
        let settled = Settled { by, last_final: self.last_final };
        out.emit(&Event::new(Span::new(at, at), proof.max(at), settled));
    }
}

//! A programme: samples, and what is true of them.

use std::sync::Arc;

use engine::event::EventKind;
use engine::time::{MediaTime, SampleRate, Span};

/// Mono audio that a feed plays round and round, with its ground truth.
#[derive(Clone, Debug)]
pub struct Programme {
    /// Sample rate.
    pub rate: SampleRate,
    /// Samples, full scale is 32 768.
    pub samples: Arc<[i16]>,
    /// What is true of one round, ordered by `proven_at`.
    pub facts: Vec<Fact>,
}

/// Something true of the audio that a server should tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What.
    pub what: What,
    /// Where in one round; an alert may reach into the next.
    pub span: Span,
    /// End of the audio that proves it, in one round, or in the next if it is beyond the length of one: latency counts
    /// from the due time of that sample.
    pub proven_at: MediaTime,
}

/// Kinds of facts.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A word was said; as it is compared: folded (see `truth::english`), never empty.
    Word(String),
    /// Speech between two pauses: a final has to come of it. Its words, as they are compared, where nobody knows when
    /// each was said: they count as words, but have no latency. Empty where each word is a fact of its own.
    Sentence(Vec<String>),
    /// An alert opens, by what is in `span`; it closes where that ends.
    Opens(EventKind),
    /// It closes: the same span, proven later.
    Closes(EventKind),
}

impl Programme {
    /// Length of one round.
    #[must_use]
    pub fn length(&self) -> MediaTime {
        MediaTime::from_frames(self.samples.len() as u64, self.rate)
    }
}

//! Utterances with an ear of their own. Nothing is cut here.

use engine::operator::{Emit, Operator};
use engine::time::MediaTime;

use super::{Ask, Effort, UtteranceConfig, Utterances};
use crate::error::BuildError;
use crate::hop::Hop;
use crate::voice::Voice;

/// Hops in, requests for recognition out: [`Voice`], as recognition needs it, and [`Utterances`]. What the hops say
/// about speech already is not used, what they say about music is.
pub struct Speech {
    voice: Voice,
    utterances: Utterances,
}

impl Speech {
    /// Both from one configuration.
    pub fn new(config: &UtteranceConfig) -> Result<Self, BuildError> {
        Ok(Self { voice: Voice::new(config.voice)?, utterances: Utterances::new(config)? })
    }

    /// From now on asks as `effort` says: the first steps of the ladder under overload.
    pub fn change_effort(&mut self, effort: Effort) -> Result<(), BuildError> {
        self.utterances.change_effort(effort)
    }

    /// Ends the utterance that is open, wherever the speaker is.
    pub fn endpoint(&mut self, out: &mut dyn Emit<Ask>) {
        self.utterances.endpoint(out);
    }
}

impl Operator for Speech {
    type In = Hop;
    type Out = Ask;

    fn push(&mut self, hop: &Hop, out: &mut dyn Emit<Ask>) {
        let Self { voice, utterances } = self;
        voice.push(hop, &mut |hop: &Hop| utterances.push(hop, out));
    }

    fn flush(&mut self, out: &mut dyn Emit<Ask>) {
        let Self { voice, utterances } = self;
        voice.flush(&mut |hop: &Hop| utterances.push(hop, out));
        utterances.flush(out);
    }

    fn reset(&mut self) {
        self.voice.reset();
        self.utterances.reset();
    }

    fn latency(&self) -> MediaTime {
        self.voice.latency() + self.utterances.latency()
    }
}

//! Cuts speech into utterances and asks for their recognition, at the moments that the policy names. It recognises
//! nothing and knows no deadline.

mod ask;
mod audio;
mod config;
mod pages;
mod pause;
mod speech;
#[cfg(test)]
mod tests;

pub use ask::{Ask, AskHead, Purpose, UTTERANCE_HOPS_MAX, Voiced};
pub use config::UtteranceConfig;
pub use speech::Speech;

use engine::event::Settling;
use engine::operator::{Emit, Operator};
use engine::time::{MediaTime, Span};

use crate::error::BuildError;
use crate::hop::Hop;
use ask::time_after;
use config::{Limits, partial_hops};
use pause::{Mark, best_pause};

/// Hops whose `speech` is filled in, requests for recognition out. [`Speech`] fills it in by itself.
///
/// Every sample belongs to at most one utterance. An utterance whose [`Purpose::Partial`] or
/// [`Purpose::Speculative`] was asked for always ends in a `Final` or a `Confirm`, at the latest when flushed: flush
/// it at a discontinuity before the reset. Holds 32 KB of audio per second of the
/// utterance, in pages that all feeds share.
pub struct Utterances {
    limits: Limits,
    pace: Option<usize>,
    speculates: bool,
    ask: Ask,
    marks: Vec<Mark>,
    start: MediaTime,
    /// The last hop was speech, by the thresholds with their hysteresis.
    is_voiced: bool,
    /// Speech without a break up to now, in hops.
    onset: usize,
    open: Option<Open>,
}

/// How much is asked for of what the configuration allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Time between partials, 100 ms ..= 29 s. `None`: no partials.
    pub partial: Option<MediaTime>,
    /// Whether finals are decoded in advance, where that is configured.
    pub speculates: bool,
}

/// State of the utterance that is open. Positions are hops from its start.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    speech_end: usize,
    n_voiced: usize,
    attempt: u32,
    speculation: Option<u32>,
    decoded_to: usize,
}

impl Utterances {
    /// Allocates for the longest utterance, but for its audio.
    pub fn new(config: &UtteranceConfig) -> Result<Self, BuildError> {
        let limits = Limits::new(config)?;
        let keep = limits.pre_roll + limits.onset;
        let hops_max = limits.longest.max(keep + limits.settle.unwrap_or(keep) + 1);
        Ok(Self {
            limits,
            pace: limits.partial,
            speculates: true,
            ask: Ask::new(hops_max),
            marks: Vec::with_capacity(hops_max),
            start: MediaTime::ZERO,
            is_voiced: false,
            onset: 0,
            open: None,
        })
    }

    /// From now on asks as `effort` says: the first steps of the ladder under overload.
    pub fn change_effort(&mut self, effort: Effort) -> Result<(), BuildError> {
        self.pace = effort.partial.map(partial_hops).transpose()?;
        self.speculates = effort.speculates;
        Ok(())
    }

    fn append(&mut self, hop: &Hop) {
        if self.marks.is_empty() {
            self.start = hop.start;
        }
        let threshold = if self.is_voiced { self.limits.close } else { self.limits.open };
        self.is_voiced = hop.speech > threshold;
        self.onset = if self.is_voiced { self.onset + 1 } else { 0 };
        let Hop { speech, power_db, music, .. } = *hop;
        self.marks.push(Mark { speech, power_db, voiced: self.is_voiced, music });
        self.ask.append(&hop.pcm);
    }

    /// No utterance is open: keeps the pre-roll, and opens one after enough speech.
    fn wait(&mut self, out: &mut dyn Emit<Ask>) {
        let keep = self.limits.pre_roll + self.limits.onset;
        let begins = self.onset >= self.limits.onset;
        if begins || self.marks.len() >= keep + self.limits.settle.unwrap_or(keep) {
            self.drop_hops(self.marks.len().saturating_sub(keep));
            self.settle(Settling::Quiet, out);
        }
        if begins {
            let open = self.reopened();
            if self.limits.settle.is_some() {
                let before = self.marks.len().saturating_sub(self.onset);
                self.lend(&Open { speech_end: before, ..open }, Purpose::Onset, 0, 0, out);
            }
            self.open = Some(open);
        }
    }

    /// Ends the utterance that is open, wherever the speaker is, and settles what there is.
    pub fn endpoint(&mut self, out: &mut dyn Emit<Ask>) {
        if let Some(open) = self.open.take() {
            self.close(&open, out);
        }
        self.settle(Settling::Demand, out);
    }

    /// Says that everything before the hops held is settled, where that is wanted.
    fn settle(&mut self, by: Settling, out: &mut dyn Emit<Ask>) {
        if self.limits.settle.is_some() {
            self.lend(&Open::default(), Purpose::Settled(by), 0, 0, out);
        }
    }

    /// The state of an utterance that consists of the hops held.
    fn reopened(&self) -> Open {
        let n_voiced = self.marks.iter().filter(|mark| mark.voiced).count();
        let speech_end = self.marks.iter().rposition(|mark| mark.voiced).map_or(0, |last| last + 1);
        Open { speech_end, n_voiced, ..Open::default() }
    }

    fn follow(&mut self, mut open: Open, out: &mut dyn Emit<Ask>) {
        let n_hops = self.marks.len();
        if self.is_voiced {
            open.n_voiced += 1;
            open.speech_end = n_hops;
            if let Some(attempt) = open.speculation.take() {
                self.lend(&open, Purpose::Abandon, attempt, 0, out);
            }
        }
        let silence = n_hops - open.speech_end;
        if silence >= self.limits.endpoint {
            self.end(&open, out);
        } else if n_hops >= self.limits.longest {
            self.cut(&open, out);
        } else {
            if self.speculates && Some(silence) == self.limits.speculate && self.is_worth(&open) {
                self.ask_more(&mut open, Purpose::Speculative, out);
                open.speculation = Some(open.attempt);
            } else if self.is_partial_due(&open) {
                self.ask_more(&mut open, Purpose::Partial, out);
            }
            self.open = Some(open);
        }
    }

    /// In a pause there is nothing new: a speculation or new speech follows within a moment.
    fn is_partial_due(&self, open: &Open) -> bool {
        let n_new = self.marks.len() - open.decoded_to;
        self.is_voiced && self.pace.is_some_and(|interval| n_new >= interval) && self.is_worth(open)
    }

    /// There is enough of it, and it is not music.
    fn is_worth(&self, open: &Open) -> bool {
        open.n_voiced >= self.limits.shortest && !self.is_music()
    }

    /// Once something was asked for, the final is.
    fn is_final_due(&self, open: &Open) -> bool {
        open.attempt > 0 || self.is_worth(open)
    }

    /// By all hops held: what a hop says of music is half a second old, and comes late enough in a pause.
    fn is_music(&self) -> bool {
        let surplus = |limit: f32| self.marks.iter().map(|mark| mark.music - limit).sum::<f32>();
        self.limits.music.is_some_and(|limit| surplus(limit) > self.limits.music_doubt as f32)
    }

    fn padded_end(&self, open: &Open) -> usize {
        (open.speech_end + self.limits.tail).min(self.marks.len())
    }

    fn ask_more(&mut self, open: &mut Open, purpose: Purpose, out: &mut dyn Emit<Ask>) {
        open.attempt += 1;
        open.decoded_to = self.marks.len();
        self.lend(open, purpose, open.attempt, self.padded_end(open), out);
    }

    /// The speaker paused.
    fn end(&mut self, open: &Open, out: &mut dyn Emit<Ask>) {
        let by = if self.is_final_due(open) { Settling::Endpoint } else { Settling::Quiet };
        self.close(open, out);
        self.settle(by, out);
    }

    /// The utterance is over: asks for its final, and waits again with what follows its audio as pre-roll.
    fn close(&mut self, open: &Open, out: &mut dyn Emit<Ask>) {
        let end = self.padded_end(open);
        if self.is_final_due(open) {
            match open.speculation {
                Some(attempt) => self.lend(open, Purpose::Confirm, attempt, end, out),
                None => self.lend(open, Purpose::Final, open.attempt + 1, end, out),
            }
        }
        self.drop_hops(end);
    }

    /// The utterance is as long as it may be: ends it at its best pause; what follows begins the next one.
    fn cut(&mut self, open: &Open, out: &mut dyn Emit<Ask>) {
        if open.speculation.is_some() || !self.is_final_due(open) {
            return self.end(open, out);
        }
        let cut = best_pause(&self.marks, self.limits.cut_search);
        let speech_end = self.marks[..cut].iter().rposition(|mark| mark.voiced).map_or(0, |last| last + 1);
        let first = Open { speech_end, ..*open };
        let end = cut.min(self.padded_end(&first));
        self.lend(&first, Purpose::Final, open.attempt + 1, end, out);
        self.drop_hops(cut);
        self.settle(Settling::Cut, out);
        let mut rest = self.reopened();
        if self.pace.is_some() && self.is_worth(&rest) {
            self.ask_more(&mut rest, Purpose::Partial, out);
        }
        self.open = Some(rest);
    }

    fn lend(&mut self, open: &Open, purpose: Purpose, attempt: u32, end: usize, out: &mut dyn Emit<Ask>) {
        let mut voiced = Voiced::default();
        for (hop_idx, _) in self.marks[..end].iter().enumerate().filter(|(_, mark)| mark.voiced) {
            voiced.set(hop_idx);
        }
        self.ask.head = AskHead {
            utterance: self.start.as_millis(),
            attempt,
            purpose,
            span: Span::new(self.start, time_after(self.start, end)),
            speech_end: time_after(self.start, open.speech_end),
            proof: time_after(self.start, self.marks.len()),
            voiced,
        };
        self.ask.lend(end);
        out.emit(&self.ask);
    }

    fn drop_hops(&mut self, n_hops: usize) {
        self.marks.drain(..n_hops);
        self.ask.drop_hops(n_hops);
        self.start = time_after(self.start, n_hops);
    }
}

impl Operator for Utterances {
    type In = Hop;
    type Out = Ask;

    fn push(&mut self, hop: &Hop, out: &mut dyn Emit<Ask>) {
        self.append(hop);
        match self.open.take() {
            Some(open) => self.follow(open, out),
            None => self.wait(out),
        }
    }

    fn flush(&mut self, out: &mut dyn Emit<Ask>) {
        if let Some(open) = self.open.take() {
            self.close(&open, out);
        }
        self.drop_hops(self.marks.len());
        self.settle(Settling::End, out);
    }

    /// The effort stays as it is.
    fn reset(&mut self) {
        self.marks.clear();
        self.ask.clear();
        self.is_voiced = false;
        self.onset = 0;
        self.open = None;
    }
}

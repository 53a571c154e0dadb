//! Turns what recognisers heard into events, per feed: partials with their stable prefix, finals in the order of
//! the utterances, and a gap for whatever was lost. No clock, no threads; decodes may come back in any order.

use std::collections::VecDeque;

use engine::event::{Body, Event, Gap, GapReason, GapReport, Onset, SpokenWord, Transcript};
use engine::operator::Emit;
use engine::time::{MediaTime, SampleRate, Span};
use models::Transcription;

use super::agreement::Agreement;
use super::decode::Outcome;
use super::settle::{Marks, Settler};
use crate::error::{BuildError, check_range};
use crate::fold::is_same;
use crate::utterances::{AskHead, Purpose};

/// What a transcriber has to know of its feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TranscriberConfig {
    /// Rate of the feed's own audio: gaps are counted in its frames.
    pub rate: SampleRate,
    /// Utterances that may wait for their final, 2 ..= 1000; the oldest above that is given up. Default 32.
    pub pending_max: usize,
}

impl TranscriberConfig {
    /// Defaults for a feed.
    #[must_use]
    pub const fn new(rate: SampleRate) -> Self {
        Self { rate, pending_max: 32 }
    }
}

/// A decode that came back.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// The request.
    pub head: &'a AskHead,
    /// What came of it.
    pub outcome: &'a Outcome,
    /// The words.
    pub transcription: &'a Transcription,
    /// Model that heard them.
    pub model: &'a str,
    /// Step of the degradation ladder, 0 = all.
    pub degraded: u8,
}

/// Keeps track of a feed's utterances. Tell it of each request when it is made, and of each decode.
#[derive(Debug)]
pub struct Transcriber {
    config: TranscriberConfig,
    pending: VecDeque<Pending>,
    settler: Settler,
}

/// An utterance between its first request and its final.
#[derive(Debug)]
struct Pending {
    head: AskHead,
    /// The request whose decode is the final.
    closing: Option<u32>,
    speculation: Option<u32>,
    verdict: Option<Verdict>,
    agreement: Agreement,
    last_attempt: u32,
    shown: Option<(String, usize)>,
    /// What is settled with it.
    marks: Marks,
}

/// Causes of gaps in what was decoded.
const LOOPING: &str = "it repeated itself";
const HOLE: &str = "it left speech out";

#[derive(Debug)]
enum Verdict {
    Said { transcript: Transcript, hole: Option<Span> },
    Nothing,
    Lost(GapReason),
    Failed(String),
}

impl Transcriber {
    /// Checks the configuration.
    pub fn new(config: TranscriberConfig) -> Result<Self, BuildError> {
        check_range("pending_max", config.pending_max as f64, 2.0..=1_000.0, "2 to 1000")?;
        Ok(Self { config, pending: VecDeque::new(), settler: Settler::default() })
    }

    /// Takes note of a request, in the order in which `Utterances` made them.
    pub fn asked(&mut self, head: &AskHead, out: &mut dyn Emit<Event>) {
        match (head.purpose, self.pending.back_mut()) {
            (Purpose::Onset, _) => out.emit(&onset(head)),
            (Purpose::Settled(by), Some(newest)) => newest.marks.add(by, head),
            (Purpose::Settled(by), None) => self.settler.settle(by, head, out),
            _ => self.asked_to_decode(head, out),
        }
    }

    fn asked_to_decode(&mut self, head: &AskHead, out: &mut dyn Emit<Event>) {
        self.make_newest(head, out);
        let Some(pending) = self.pending.back_mut() else { return };
        pending.head = *head;
        match head.purpose {
            Purpose::Partial | Purpose::Onset | Purpose::Settled(_) => {}
            Purpose::Speculative => pending.speculation = Some(head.attempt),
            Purpose::Abandon => {
                pending.speculation = None;
                pending.verdict = None;
            }
            Purpose::Confirm | Purpose::Final => pending.closing = Some(head.attempt),
        }
        self.publish(out);
    }

    /// Takes a decode. One that nobody waits for any more is ignored.
    pub fn heard(&mut self, heard: &Heard, out: &mut dyn Emit<Event>) {
        let Some(pending) = self.pending.iter_mut().find(|p| p.head.utterance == heard.head.utterance) else {
            return;
        };
        let attempt = heard.head.attempt;
        if pending.closing == Some(attempt) {
            pending.verdict = Some(verdict(heard));
            self.publish(out);
        } else if pending.closing.is_none() {
            if pending.speculation == Some(attempt) {
                pending.verdict = Some(verdict(heard));
            }
            // A decode in advance is also the newest partial, should the speaker go on.
            pending.show(heard, out);
        }
    }

    /// A request will not be decoded: it was shed. A lost final is a gap. A lost partial is nothing, nor is a lost
    /// speculation: its `Confirm` lends the audio again, decode that.
    pub fn lost(&mut self, head: &AskHead, reason: GapReason, out: &mut dyn Emit<Event>) {
        self.give_verdict(head, Verdict::Lost(reason), out);
    }

    /// The recogniser failed at a request, because of `cause`. Otherwise as [`Self::lost`].
    pub fn failed(&mut self, head: &AskHead, cause: &str, out: &mut dyn Emit<Event>) {
        self.give_verdict(head, Verdict::Failed(cause.to_owned()), out);
    }

    fn give_verdict(&mut self, head: &AskHead, verdict: Verdict, out: &mut dyn Emit<Event>) {
        let Some(pending) = self.pending.iter_mut().find(|p| p.head.utterance == head.utterance) else {
            return;
        };
        if pending.closing == Some(head.attempt) {
            pending.verdict = Some(verdict);
            self.publish(out);
        }
    }

    /// End of the feed, and nothing more will be heard: what is still awaited becomes gaps.
    pub fn give_up(&mut self, reason: GapReason, out: &mut dyn Emit<Event>) {
        for pending in &mut self.pending {
            pending.closing = Some(pending.closing.unwrap_or(pending.head.attempt));
            pending.verdict.get_or_insert(Verdict::Lost(reason));
        }
        self.publish(out);
    }

    /// Utterances whose final is awaited.
    #[must_use]
    pub fn n_pending(&self) -> usize {
        self.pending.iter().filter(|pending| pending.closing.is_some()).count()
    }

    /// Makes the utterance of `head` the newest one. An older one that was never closed, and the oldest when there are too many,
    /// are given up.
    fn make_newest(&mut self, head: &AskHead, out: &mut dyn Emit<Event>) {
        if self.pending.back().is_some_and(|newest| newest.head.utterance == head.utterance) {
            return;
        }
        if let Some(open) = self.pending.back_mut().filter(|newest| newest.closing.is_none()) {
            open.closing = Some(open.head.attempt);
            open.verdict = Some(Verdict::Lost(GapReason::Loss));
        }
        if self.pending.len() >= self.config.pending_max
            && let Some(oldest) = self.pending.front_mut()
        {
            oldest.verdict.get_or_insert(Verdict::Lost(GapReason::Overload));
        }
        self.publish(out);
        self.pending.push_back(Pending::new(head));
    }

    /// Emits what is due of the oldest utterances.
    fn publish(&mut self, out: &mut dyn Emit<Event>) {
        while let Some(pending) = self.pending.pop_front_if(|p| p.closing.is_some() && p.verdict.is_some()) {
            let marks = pending.marks;
            if matches!(pending.verdict, Some(Verdict::Said { .. })) {
                self.settler.said(pending.head.utterance);
            }
            close(pending, self.config.rate, out);
            self.settler.settle_all(marks, out);
        }
    }
}

impl Pending {
    fn new(head: &AskHead) -> Self {
        Self {
            head: *head,
            closing: None,
            speculation: None,
            verdict: None,
            agreement: Agreement::default(),
            last_attempt: 0,
            shown: None,
            marks: Marks::default(),
        }
    }

    /// Shows a decode of the growing utterance, unless a newer one was shown or there is nothing new in it.
    fn show(&mut self, heard: &Heard, out: &mut dyn Emit<Event>) {
        let is_said = matches!(heard.outcome, Outcome::Said { .. });
        if !is_said || heard.head.attempt <= self.last_attempt {
            return;
        }
        self.last_attempt = heard.head.attempt;
        let before: Vec<SpokenWord> = self.agreement.words().to_vec();
        self.agreement.update(&spoken(heard), heard.head.span.start);
        let shown = self.agreement.text();
        if self.shown.as_ref() == Some(&shown) {
            return;
        }
        let words = self.agreement.words().to_vec();
        let proof = newest(&before, &words).unwrap_or(heard.head.proof).min(heard.head.proof);
        let start = words.first().map_or(heard.head.span.start, |word| word.span.start);
        let end = words.last().map_or(start, |word| word.span.end);
        let transcript =
            Transcript { text: shown.0.clone(), stable_bytes: shown.1, ..described(heard, words) };
        self.shown = Some(shown);
        let span = Span::new(start.min(proof), end.min(proof));
        out.emit(&Event { span, proof, body: Body::Partial(transcript) });
    }
}

fn verdict(heard: &Heard) -> Verdict {
    match heard.outcome {
        Outcome::Said { hole } => {
            let text = heard.transcription.text.clone();
            let transcript = Transcript { stable_bytes: text.len(), text, ..described(heard, spoken(heard)) };
            let time = |at: usize| heard.head.time_of(at);
            let hole = hole.as_ref().map(|hole| Span::new(time(hole.start), time(hole.end)));
            Verdict::Said { transcript, hole }
        }
        Outcome::Nothing => Verdict::Nothing,
        Outcome::Looping => Verdict::Failed(LOOPING.to_owned()),
    }
}

/// Speech begins.
fn onset(head: &AskHead) -> Event {
    let at = head.speech_end;
    Event::new(Span::new(at, at), head.proof, Onset { utterance: head.utterance })
}

/// A transcript of `words`, without its text.
fn described(heard: &Heard, words: Vec<SpokenWord>) -> Transcript {
    let sum: f32 = words.iter().map(|word| word.confidence).sum();
    Transcript {
        utterance: heard.head.utterance,
        language: heard.transcription.language.clone(),
        confidence: sum / words.len().max(1) as f32,
        words,
        degraded: heard.degraded,
        model: heard.model.to_owned(),
        ..Transcript::default()
    }
}

/// The words in media time, within the audio that was decoded.
fn spoken(heard: &Heard) -> Vec<SpokenWord> {
    let transcription = heard.transcription;
    let word = |(at, word): (usize, &models::Word)| SpokenWord {
        text: transcription.word_text(at).to_owned(),
        span: Span::new(heard.head.time_of(word.span.start), heard.head.time_of(word.span.end)),
        confidence: word.probability.clamp(0.0, 1.0),
    };
    transcription.words.iter().enumerate().map(word).collect()
}

/// End of the last word of `words` that `before` does not have in its place.
fn newest(before: &[SpokenWord], words: &[SpokenWord]) -> Option<MediaTime> {
    let is_new =
        |at: usize, word: &SpokenWord| before.get(at).is_none_or(|old| !is_same(&old.text, &word.text));
    words.iter().enumerate().rev().find(|(at, word)| is_new(*at, word)).map(|(_, word)| word.span.end)
}

/// What becomes of an utterance for good.
fn close(pending: Pending, rate: SampleRate, out: &mut dyn Emit<Event>) {
    let Some(verdict) = pending.verdict else { return };
    let head = &pending.head;
    if pending.shown.is_some() && !matches!(verdict, Verdict::Said { .. }) {
        // An empty partial takes back what was shown.
        let transcript = Transcript { utterance: head.utterance, ..Transcript::default() };
        let span = Span::new(head.span.start, head.speech_end);
        out.emit(&Event { span, proof: head.proof, body: Body::Partial(transcript) });
    }
    let frames = |span: Span| span.end.to_frames(rate).saturating_sub(span.start.to_frames(rate));
    let mut gap = |span: Span, body: Body| out.emit(&Event::new(span, head.proof.max(span.end), body));
    match verdict {
        Verdict::Nothing => {}
        Verdict::Lost(reason) => gap(head.span, Gap { frames: frames(head.span), reason }.into()),
        Verdict::Failed(cause) => {
            gap(head.span, GapReport::recogniser_failed(frames(head.span), &cause).into());
        }
        Verdict::Said { transcript, hole } => {
            if let Some(hole) = hole {
                gap(hole, GapReport::recogniser_failed(frames(hole), HOLE).into());
            }
            let start = transcript.words.first().map_or(head.span.start, |word| word.span.start);
            let last = transcript.words.last().map_or(start, |word| word.span.end);
            let span = Span::new(start, head.speech_end.max(last));
            out.emit(&Event { span, proof: head.proof.max(span.end), body: Body::Final(transcript) });
        }
    }
}

//! What is said about one channel: from the events of its feed to messages. Finals are contiguous and never change: each
//! begins where the one before it ends, from the first sample to the last; an interim is about what no final covers
//! yet. A long utterance has finals before it ends. No socket, no clock.

use std::collections::VecDeque;
use std::sync::Arc;

use engine::event::{Body, Data, FeedState, GapReport, Settled, Settling, SpokenWord, Transcript};
use engine::time::{MediaTime, Span};

use super::early::Early;
use super::query::{Query, Spelling};
use super::wire::{Alternative, Alternatives, Gap, Message, Origin, Results, length, secs};

/// Silence after which it is covered by a final without words.
const SILENCE: MediaTime = MediaTime::from_secs(5);

/// What a client wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    interim_results: bool,
    vad_events: bool,
    gaps: bool,
    utterance_end: Option<MediaTime>,
    spelling: Spelling,
}

impl From<&Query> for Wanted {
    fn from(query: &Query) -> Self {
        let Query { interim_results, vad_events, gaps, utterance_end, spelling, .. } = *query;
        Self { interim_results, vad_events, gaps, utterance_end, spelling }
    }
}

/// See the module.
pub(super) struct Channel {
    index: [usize; 2],
    wanted: Wanted,
    origin: Arc<Origin>,
    /// Everything before it is in a final that was sent.
    covered: MediaTime,
    /// Every utterance that began before it is over, and in finals that were sent.
    closed: MediaTime,
    early: Early,
    /// Everything before it is known for good.
    settled: MediaTime,
    /// Utterance of the newest final that came.
    newest_final: Option<u64>,
    /// Finals that came and are not sent, and what settles them.
    finals: VecDeque<Transcript>,
    marks: VecDeque<(MediaTime, Settled)>,
    /// The newest interim, which waits for the final before it.
    partial: Option<(Span, Transcript)>,
    /// End of the last word, until its silence is told.
    last_word_end: Option<MediaTime>,
    /// Frames came out of what the client sent.
    is_heard: bool,
    n_channels: usize,
    /// Where the audio ended.
    end: Option<MediaTime>,
}

impl Channel {
    /// Channel `index[0]` of `index[1]`. Its utterances are cut after `whole` at the earliest.
    pub(super) fn new(index: [usize; 2], wanted: Wanted, origin: Arc<Origin>, whole: MediaTime) -> Self {
        Self {
            index,
            wanted,
            origin,
            covered: MediaTime::ZERO,
            closed: MediaTime::ZERO,
            early: Early::new(whole),
            settled: MediaTime::ZERO,
            newest_final: None,
            finals: VecDeque::new(),
            marks: VecDeque::new(),
            partial: None,
            last_word_end: None,
            is_heard: false,
            n_channels: 0,
            end: None,
        }
    }

    /// Whether there was audio in what the client sent.
    pub(super) fn is_heard(&self) -> bool {
        self.is_heard
    }

    /// Whether the audio came to an end of its own, or that of the client.
    pub(super) fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Channels of the audio, 0 as long as nobody knows.
    pub(super) fn n_channels(&self) -> usize {
        self.n_channels
    }

    /// Length of the audio so far.
    pub(super) fn duration(&self) -> MediaTime {
        self.end.unwrap_or(self.settled)
    }

    /// Takes an event of the feed; `say` gets what follows from it.
    pub(super) fn take(&mut self, data: &Data<Body>, say: &mut dyn FnMut(Message)) {
        match &data.body {
            Body::Final(transcript) => {
                self.newest_final = Some(transcript.utterance);
                self.finals.push_back(transcript.clone());
                self.settle(say);
            }
            Body::Settled(settled) => {
                self.marks.push_back((data.span.end, *settled));
                self.settle(say);
            }
            Body::Partial(transcript) if self.wanted.interim_results => {
                self.partial = Some((data.span, transcript.clone()));
                self.show_partial(say);
            }
            Body::Onset(_) if self.wanted.vad_events => {
                say(Message::SpeechStarted { channel: self.index, timestamp: secs(data.span.start) });
            }
            Body::Gap(gap) if self.wanted.gaps => say(self.gap(data.span, gap)),
            Body::Feed(feed) => match feed.state {
                FeedState::Format => {
                    self.is_heard = true;
                    self.n_channels = feed.channels.unwrap_or(self.n_channels);
                }
                FeedState::Ended => {
                    self.end = Some(data.span.end);
                    self.settle(say);
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// The last event of the feed came: covers the rest.
    pub(super) fn finish(&mut self, say: &mut dyn FnMut(Message)) {
        for (until, settled) in std::mem::take(&mut self.marks) {
            self.close(until, settled.by, Some(u64::MAX), say);
        }
        let end = self.duration();
        if end > self.covered || !self.finals.is_empty() {
            self.send_final(end, Settling::End, Some(u64::MAX), say);
        }
    }

    /// Closes what is settled as soon as its finals are there: they are stored first, and may come later than the news.
    fn settle(&mut self, say: &mut dyn FnMut(Message)) {
        while let Some((until, settled)) = self.marks.front().copied() {
            // The last hop is longer than the audio: where that ended is told by the feed.
            let is_last = settled.by == Settling::End && self.marks.len() == 1 && self.end.is_none();
            if settled.last_final > self.newest_final || is_last {
                break;
            }
            self.marks.pop_front();
            self.close(until, settled.by, settled.last_final, say);
        }
        self.show_partial(say);
    }

    /// Everything before `until` is known; its finals are those up to utterance `last_final`.
    fn close(
        &mut self,
        until: MediaTime,
        by: Settling,
        last_final: Option<u64>,
        say: &mut dyn FnMut(Message),
    ) {
        let until = self.end.map_or(until, |end| until.min(end)).max(self.settled);
        self.settled = until;
        let is_quiet = by == Settling::Quiet && !self.has_final(last_final);
        if !is_quiet || until.saturating_sub(self.covered) >= SILENCE {
            self.send_final(until, by, last_final, say);
        }
        self.tell_utterance_end(say);
    }

    fn has_final(&self, last_final: Option<u64>) -> bool {
        self.finals.front().is_some_and(|said| Some(said.utterance) <= last_final)
    }

    fn send_final(
        &mut self,
        until: MediaTime,
        by: Settling,
        last_final: Option<u64>,
        say: &mut dyn FnMut(Message),
    ) {
        let mut words = Vec::new();
        while let Some(transcript) = self.finals.pop_front_if(|said| Some(said.utterance) <= last_final) {
            words.extend(self.early.rest(&transcript).iter().cloned());
        }
        // What was heard of it before may have placed its words later.
        let until = until.max(self.covered);
        words.iter_mut().for_each(|word| word.span = after(word.span, self.covered));
        self.last_word_end = words.last().map(|word| word.span.end).or(self.last_word_end);
        let speech_final = matches!(by, Settling::Endpoint | Settling::Demand | Settling::End);
        let results = Results {
            is_final: true,
            speech_final,
            from_finalize: by == Settling::Demand,
            ..self.results(until, &words)
        };
        say(Message::Results(results));
        (self.covered, self.closed) = (until, until);
    }

    /// Shows the newest interim once nothing before its utterance can change, less what of it is final before the utterance
    /// ends. One of what finals cover is forgotten.
    fn show_partial(&mut self, say: &mut dyn FnMut(Message)) {
        // An utterance is numbered by the position of its first sample, ms.
        let (closed, settled) = (self.closed.as_millis(), self.settled.as_millis());
        self.partial.take_if(|(_, transcript)| transcript.utterance < closed);
        if let Some((span, transcript)) =
            self.partial.take_if(|(_, transcript)| transcript.utterance <= settled)
        {
            let words = self.early.take(&transcript);
            self.say_early(&words, say);
            let rest = self.early.rest(&transcript);
            if words.is_empty() || !rest.is_empty() {
                let last = rest.last().map_or(span.end, |word| word.span.end);
                let end = last.max(self.settled).max(self.covered);
                say(Message::Results(self.results(end, rest)));
            }
        }
    }

    /// A final in the middle of an utterance.
    fn say_early(&mut self, words: &[SpokenWord], say: &mut dyn FnMut(Message)) {
        let Some(until) = words.last().map(|word| word.span.end.max(self.covered)) else { return };
        say(Message::Results(Results { is_final: true, ..self.results(until, words) }));
        self.last_word_end = Some(until);
        self.covered = until;
    }

    /// An interim up to `end`.
    fn results(&self, end: MediaTime, words: &[SpokenWord]) -> Results {
        Results {
            channel_index: self.index,
            duration: length(self.covered, end),
            start: secs(self.covered),
            is_final: false,
            speech_final: false,
            channel: Alternatives { alternatives: [Alternative::new(words, self.wanted.spelling)] },
            metadata: Origin::clone(&self.origin),
            from_finalize: false,
        }
    }

    fn tell_utterance_end(&mut self, say: &mut dyn FnMut(Message)) {
        let Some(silence) = self.wanted.utterance_end else { return };
        let settled = self.settled;
        if let Some(end) = self.last_word_end.take_if(|end| settled.saturating_sub(*end) >= silence) {
            say(Message::UtteranceEnd { channel: self.index, last_word_end: secs(end) });
        }
    }

    fn gap(&self, span: Span, gap: &GapReport) -> Message {
        Message::AircheckGap(Gap {
            channel: self.index,
            start: secs(span.start),
            duration: length(span.start, span.end),
            reason: gap.reason,
            cause: gap.cause.clone(),
        })
    }
}

/// `span` without what lies before `covered`.
fn after(span: Span, covered: MediaTime) -> Span {
    let start = span.start.max(covered);
    Span::new(start, span.end.max(start))
}

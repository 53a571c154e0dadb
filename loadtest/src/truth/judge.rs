//! The judge of one feed: takes what a server told, and says what became of each fact.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use engine::budget::Budgets;
use engine::time::{MediaTime, Span};

use super::alerts::Alerts;
use super::observed::{Observation, Observed};
use super::rounds::Rounds;
use super::spans::Spans;
use super::transcript::{AHEAD, Transcript};
use super::verdict::{Terms, Verdict};
use crate::pace::Anchor;
use crate::programme::Programme;

/// Most media time that is judged in one step: bounds the cost of an alignment, however seldom the judge is asked.
const STRIDE: MediaTime = MediaTime::from_secs(30);
/// How long gaps are remembered, for those that are told late and twice.
const MEMORY: MediaTime = MediaTime::from_secs(300);
/// Reasons of gaps in which everything but the transcript was analysed (docs/events.md): they excuse no alert.
const WORDS_ONLY: [&str; 1] = ["recogniser_failed"];

/// See the module.
///
/// - A word is *first seen* in the first message, interim or final, that has what it was heard as in the end, be it right
///   or wrong (wrong words count in the word error rate); one that no final has, where it was shown right at first. It
///   is *final* in the final that has it.
/// - What never comes is infinite, unless a gap tells of it: then the promise was withdrawn, loudly. Such facts are
///   neither expected nor missing; gaps count against coverage.
/// - Each final has a latency, from the end of its last word as the server states it, or of the last word said that it is
///   about. A sentence that no final is about is a final that never came.
/// - An alert is told if its edge lies near the true one (see `alerts`). Told again it is a duplicate, of nothing it is
///   wrong, before its proof was due it is early, beyond its budget late.
///
/// Memory holds what is not judged yet and about a minute of what was: ask often. What is told of time that was judged
/// already does not count; leave the server a grace.
#[derive(Debug)]
pub struct Judge {
    terms: Terms,
    rounds: Rounds,
    waiting: Vec<Observed>,
    transcript: Transcript,
    alerts: Alerts,
    gaps: Spans,
    /// Gaps in which alerts could not be known.
    deaf: Spans,
    told_gaps: VecDeque<(Span, String)>,
    settled: MediaTime,
}

impl Judge {
    /// Of a feed that plays `programme`.
    #[must_use]
    pub fn new(programme: Arc<Programme>, anchor: Anchor, budgets: Budgets) -> Self {
        Self {
            terms: Terms { anchor, budgets, from: MediaTime::ZERO },
            rounds: Rounds::new(programme, anchor.position),
            waiting: Vec::new(),
            transcript: Transcript::default(),
            alerts: Alerts::default(),
            gaps: Spans::default(),
            deaf: Spans::default(),
            told_gaps: VecDeque::new(),
            settled: MediaTime::ZERO,
        }
    }

    /// What begins before `from` is not expected, and not wrong either: a burst of old audio, a warm-up.
    #[must_use]
    pub const fn expecting_from(mut self, from: MediaTime) -> Self {
        self.terms.from = from;
        self
    }

    /// Takes a message. Cheap: it is looked at when the judge is asked.
    pub fn hear(&mut self, observed: Observed) {
        self.waiting.push(observed);
    }

    /// Judges all facts that are proven by `until`, media time of the feed, and forgets them.
    pub fn judge(&mut self, until: MediaTime) -> Verdict {
        let mut verdict = Verdict::default();
        self.listen(&mut verdict);
        self.advance(until, &mut verdict);
        verdict
    }

    /// Judges what is left of a feed that ended at `end`. What is proven later is not expected.
    #[must_use]
    pub fn finish(mut self, end: MediaTime) -> Verdict {
        let mut verdict = Verdict::default();
        self.listen(&mut verdict);
        self.advance(end.saturating_sub(STRIDE), &mut verdict);
        self.expect(end + AHEAD);
        self.transcript.finish(end, &self.terms, &self.gaps, &mut verdict);
        self.alerts.finish(end, &self.terms, &self.deaf, &mut verdict);
        self.cover(end, &mut verdict);
        verdict
    }

    fn advance(&mut self, until: MediaTime, verdict: &mut Verdict) {
        while self.settled < until {
            let next = until.min(self.settled + STRIDE);
            self.expect(next + AHEAD);
            self.transcript.settle(next, &self.terms, &self.gaps, verdict);
            self.alerts.settle(next, &self.terms, &self.deaf, verdict);
            self.cover(next, verdict);
        }
        let forgotten = self.settled.saturating_sub(MEMORY);
        self.gaps.forget(forgotten);
        self.deaf.forget(forgotten);
        self.told_gaps.retain(|(span, _)| span.end >= forgotten);
    }

    /// The facts that begin before `to`.
    fn expect(&mut self, to: MediaTime) {
        let Self { rounds, transcript, alerts, terms, .. } = self;
        rounds.until(to, |fact| {
            transcript.expect(&fact, terms);
            alerts.expect(&fact, terms);
        });
    }

    fn listen(&mut self, verdict: &mut Verdict) {
        let mut waiting = mem::take(&mut self.waiting);
        waiting.sort_by_key(|observed| observed.at);
        for observed in waiting {
            let at = observed.at;
            self.expect(self.terms.media(at) + AHEAD);
            match &observed.what {
                Observation::Interim(words) => self.transcript.interim(words, at, &self.terms, verdict),
                Observation::Final(words) => self.transcript.definite(words, at, &self.terms, verdict),
                Observation::Alert(alert) => self.alerts.hear(alert, at, verdict),
                Observation::Gap { span, reason } => self.gap(*span, reason, verdict),
                Observation::Other { .. } => {}
            }
        }
    }

    /// A gap; what it tells of time that was judged already counts against coverage all the same.
    fn gap(&mut self, told: Span, reason: &str, verdict: &mut Verdict) {
        let is_known = self.told_gaps.iter().any(|(span, why)| *span == told && why == reason);
        if is_known || told.end < self.terms.from {
            return;
        }
        *verdict.score.gaps.entry(reason.to_owned()).or_default() += 1;
        self.told_gaps.push_back((told, reason.to_owned()));
        let judged = Span::new(self.terms.from.max(self.settled.saturating_sub(MEMORY)), self.settled);
        let span = Span::new(told.start.max(judged.start), told.end);
        let before = self.gaps.within(judged);
        self.gaps.insert(span);
        if !WORDS_ONLY.contains(&reason) {
            self.deaf.insert(span);
        }
        verdict.score.coverage.in_gaps += self.gaps.within(judged).saturating_sub(before).to_duration();
    }

    /// Counts the audio up to `until`.
    fn cover(&mut self, until: MediaTime, verdict: &mut Verdict) {
        let slice = Span::new(self.settled.max(self.terms.from), until);
        verdict.score.coverage.sent += slice.duration().to_duration();
        verdict.score.coverage.in_gaps += self.gaps.within(slice).to_duration();
        self.settled = self.settled.max(until);
    }
}

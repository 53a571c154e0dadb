//! The judge of one feed: takes what a server told, and says what became of each fact.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use engine::budget::Budgets;
use engine::time::{MediaTime, Span};

use super::alerts::Alerts;
use super::legs::Legs;
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
/// - A fact is expected if all of it and of its proof lies in legs that go on from each other, a second (see `legs`) or more
///   from any cut or loss. Other due times alone (drift, a burst) cut nothing. Nearer than that, nothing is expected and
///   nothing is wrong: words said may have been heard as anything, words heard are no insertions, finals that end there
///   have no latency (what ends a sentence may be behind the cut), and alerts that reach there are neither wrong nor
///   duplicates. What is told of a fact that is expected counts as ever.
/// - Audio that was lost on purpose is not covered, and no gap in it counts: who tells of it is right.
///
/// Memory holds what is not judged yet and about a minute of what was: ask often. What is told of time that was judged
/// already does not count, and legs and losses that are told after their audio was judged come too late: leave a grace that
/// is longer than any stall or burst of the feed, and than the server may take.
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
    /// Of one media clock (a session) of a feed that plays `programme`. Nothing is expected before the first leg is told.
    #[must_use]
    pub fn new(programme: Arc<Programme>, budgets: Budgets) -> Self {
        Self {
            terms: Terms { legs: Legs::default(), budgets, from: MediaTime::ZERO },
            rounds: Rounds::new(programme),
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

    /// From `from` on, until the next leg, audio lies where `anchor` says; to be told before what a server says of that
    /// audio. Of audio that was judged already nothing changes.
    pub fn leg(&mut self, from: MediaTime, anchor: Anchor) {
        let is_first = self.terms.legs.is_empty();
        if !self.terms.legs.add(from, anchor) {
            return;
        }
        let cut = from.max(self.settled);
        if !is_first {
            self.terms.legs.tear(Span::new(from, cut));
        }
        self.expect(cut);
        self.transcript.cut(cut);
        self.alerts.cut(cut);
        self.rounds.begin(cut, anchor.position);
    }

    /// There is no audio in `span`, on purpose.
    pub fn lost(&mut self, span: Span) {
        self.terms.legs.lose(span);
    }

    /// End of the audio that was due by `at`, as far as legs were told: media time of the feed. What is held back was not.
    /// For [`Self::judge`], ask for a time that lies a grace back.
    #[must_use]
    pub fn due_by(&self, at: Instant) -> MediaTime {
        self.terms.media(at)
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
        self.terms.legs.forget(forgotten);
        self.told_gaps.retain(|(span, _)| span.end >= forgotten);
    }

    /// The facts that begin before `to`.
    fn expect(&mut self, to: MediaTime) {
        let Self { rounds, transcript, alerts, .. } = self;
        rounds.until(to, |fact| {
            transcript.expect(&fact);
            alerts.expect(&fact);
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
                Observation::Alert(alert) => self.alerts.hear(alert, at, &self.terms),
                Observation::Gap { span, reason } => self.gap(*span, reason, verdict),
                Observation::Refused { .. } | Observation::Other { .. } => {}
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
        let before = self.terms.legs.audio_in(&self.gaps, judged);
        self.gaps.insert(span);
        if !WORDS_ONLY.contains(&reason) {
            self.deaf.insert(span);
        }
        let after = self.terms.legs.audio_in(&self.gaps, judged);
        verdict.score.coverage.in_gaps += after.saturating_sub(before).to_duration();
    }

    /// Counts the audio up to `until`.
    fn cover(&mut self, until: MediaTime, verdict: &mut Verdict) {
        let slice = Span::new(self.settled.max(self.terms.from), until);
        verdict.score.coverage.sent += self.terms.legs.audio(slice).to_duration();
        verdict.score.coverage.in_gaps += self.terms.legs.audio_in(&self.gaps, slice).to_duration();
        self.settled = self.settled.max(until);
    }
}

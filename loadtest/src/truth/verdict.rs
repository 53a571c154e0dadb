//! What a judge says, and the terms that it judges by.

use std::time::{Duration, Instant};

use engine::budget::Budgets;
use engine::event::EventKind;
use engine::time::{MediaTime, Span};

use super::legs::Legs;
use crate::measure::{Counts, Figure, Score};

/// The algorithmic wait of `transcript.partial` at most, the step of partials (docs/events.md): a word that ends just
/// after one step is proven to the server by the next.
const STEP: Duration = Duration::from_secs(1);
/// The algorithmic wait of `transcript.final`, the endpoint (docs/events.md).
const ENDPOINT: Duration = Duration::from_millis(300);
/// Earlier than this before its proof was due nothing can be known. Less is told apart neither by the truth nor by a
/// server: windows of 10 ms on either side, 26 ms of an mp3 frame that smears an edge, pieces of up to 50 ms whose
/// samples are sent together.
pub const EARLY: Duration = Duration::from_millis(100);

/// What became of the facts that were judged. Latencies, counts and words of `score` are of these facts alone: merge it.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Merged over all verdicts it is the score of the feed.
    pub score: Score,
    /// Every latency in `score`, for slices of time.
    pub points: Vec<Point>,
}

/// A latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Of what.
    pub figure: Figure,
    /// When the audio that carries the fact was due.
    pub due: Instant,
    /// From then until it was told. `None`: it never was.
    pub latency: Option<Duration>,
}

/// What a judge goes by.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) legs: Legs,
    pub(super) budgets: Budgets,
    /// What begins before is not expected.
    pub(super) from: MediaTime,
}

impl Terms {
    /// Media time of the feed that was due at `at`.
    pub(super) fn media(&self, at: Instant) -> MediaTime {
        self.legs.media(at)
    }

    /// Whether what lies in `span` is expected, and wrong if it is not true.
    pub(super) fn expects(&self, span: Span) -> bool {
        span.start >= self.from && !self.legs.is_torn(span)
    }

    /// Whether nobody could know at `at` what is in the audio at `proof`.
    pub(super) fn is_early(&self, at: Instant, proof: MediaTime) -> bool {
        self.legs.due(proof).is_some_and(|due| at + EARLY < due)
    }

    /// Latency that is promised, from the due time of a fact's proof. `None`: there is no promise.
    fn allowed(&self, figure: Figure) -> Option<Duration> {
        let budget = |kind| self.budgets.of(kind).map(|budget| budget.duration());
        match figure {
            Figure::WordFirstSeen => Some(budget(EventKind::TranscriptPartial)? + STEP),
            Figure::WordFinal | Figure::BlockTaken => None,
            Figure::Final => Some(budget(EventKind::TranscriptFinal)? + ENDPOINT),
            Figure::Alert(kind) => budget(kind),
        }
    }
}

impl Verdict {
    /// Counts of a figure.
    pub(super) fn counts(&mut self, figure: Figure) -> &mut Counts {
        &mut self.score.figures.entry(figure).or_default().1
    }

    /// What is proven by the sample at `proof` was told at `at`. Told before that sample was due it has no latency. What
    /// lies before the first leg was never due: it counts for nothing.
    pub(super) fn told(&mut self, terms: &Terms, figure: Figure, proof: MediaTime, at: Instant) {
        let Some(due) = terms.legs.due(proof) else { return };
        let latency = at.saturating_duration_since(due);
        let (latencies, counts) = self.score.figures.entry(figure).or_default();
        latencies.record(latency);
        counts.n_expected += 1;
        counts.n_late += u64::from(terms.allowed(figure).is_some_and(|allowed| latency > allowed));
        self.points.push(Point { figure, due, latency: Some(latency) });
    }

    /// It was never told.
    pub(super) fn never(&mut self, terms: &Terms, figure: Figure, proof: MediaTime) {
        let Some(due) = terms.legs.due(proof) else { return };
        let (latencies, counts) = self.score.figures.entry(figure).or_default();
        latencies.record_never();
        counts.n_expected += 1;
        counts.n_missing += 1;
        self.points.push(Point { figure, due, latency: None });
    }
}

//! Alerts expected beside alerts told.

use std::time::Instant;

use engine::event::EventKind;
use engine::time::{MediaTime, Span};

use super::observed::{Alert, Edge};
use super::rounds::Expected;
use super::spans::Spans;
use super::verdict::{Terms, Verdict};
use crate::measure::Figure;
use crate::programme::What;

/// How far the stated edge of an alert may lie from the true one: 10 ms windows, the delay of a decoder (AAC at 16 kHz:
/// 2 112 samples, 132 ms), and a frame of the codec where a listener joins (64 ms), rounded up.
const TOLERANCE: MediaTime = MediaTime::from_millis(250);
/// How much further the edges of clipping may lie: its passage may be told from pause to pause, where the pauses are
/// within a second.
const PASSAGE: MediaTime = MediaTime::from_secs(1);
/// How long what was judged is remembered, so that a second telling of it is known as one.
const MEMORY: MediaTime = MediaTime::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    facts: Vec<Fact>,
    unknown: Vec<Told>,
}

#[derive(Debug)]
struct Fact {
    kind: EventKind,
    edge: Edge,
    span: Span,
    proven_at: MediaTime,
    is_whole: bool,
    is_judged: bool,
    told: Option<Instant>,
}

/// An alert that is none of the facts, or one again.
#[derive(Clone, Copy, Debug)]
struct Told {
    kind: EventKind,
    edge: Edge,
    at: MediaTime,
    /// As far as anybody knew then.
    span: Span,
    /// It was told before.
    is_again: bool,
}

impl Alerts {
    /// A fact of the feed.
    pub(super) fn expect(&mut self, fact: &Expected) {
        let (kind, edge) = match fact.what {
            What::Opens(kind) => (*kind, Edge::Open),
            What::Closes(kind) => (*kind, Edge::Close),
            What::Word(_) | What::Sentence(_) => return,
        };
        let (span, proven_at, is_whole) = (fact.span, fact.proven_at, fact.is_whole);
        self.facts.push(Fact { kind, edge, span, proven_at, is_whole, is_judged: false, told: None });
    }

    /// From `from` on there is something else than expected so far. What the cut divides ends there.
    pub(super) fn cut(&mut self, from: MediaTime) {
        self.facts.retain(|fact| fact.span.start < from);
        for fact in self.facts.iter_mut().filter(|fact| fact.proven_at.max(fact.span.end) > from) {
            fact.is_whole &= fact.proven_at <= from;
            fact.span.end = fact.span.end.min(from);
            fact.proven_at = fact.proven_at.min(from);
        }
    }

    /// An alert was here: it is the nearest fact of its kind that was not told yet, or one that was.
    pub(super) fn hear(&mut self, alert: &Alert, at: Instant, terms: &Terms) {
        let Alert { kind, edge: side, span, .. } = *alert;
        let known = if side == Edge::Open { span.end.max(terms.media(at)) } else { span.end };
        let span_known = Span::new(span.start, known);
        let told = Told { kind, edge: side, at: edge(side, span), span: span_known, is_again: false };
        let distance = |fact: &Fact| apart(edge(fact.edge, fact.span), told.at);
        let is_it = |fact: &&mut Fact| {
            (fact.kind, fact.edge) == (told.kind, told.edge) && distance(fact) <= tolerance(told.kind)
        };
        let nearest =
            self.facts.iter_mut().filter(is_it).min_by_key(|fact| (fact.told.is_some(), distance(fact)));
        match nearest {
            None => self.unknown.push(told),
            Some(fact) if fact.told.is_none() && !fact.is_judged => fact.told = Some(at),
            Some(fact) if fact.told.is_none() => {}
            Some(_) => self.unknown.push(Told { is_again: true, ..told }),
        }
    }

    /// Judges the facts that are proven by `until`, and what was told of the time before. `deaf`: where no alert could
    /// be known.
    pub(super) fn settle(&mut self, until: MediaTime, terms: &Terms, deaf: &Spans, verdict: &mut Verdict) {
        for fact in self.facts.iter_mut().filter(|fact| !fact.is_judged && fact.proven_at <= until) {
            fact.is_judged = true;
            fact.book(terms, deaf, verdict);
        }
        let (over, later) = self.unknown.iter().partition::<Vec<Told>, _>(|told| told.at <= until);
        self.unknown = later;
        for told in over {
            if told.at < terms.from || terms.legs.is_torn(told.span) {
                continue;
            }
            if told.is_again {
                verdict.counts(Figure::Alert(told.kind)).n_duplicate += 1;
            } else if !self.facts.iter().any(|fact| fact.excuses(told, terms, deaf)) {
                verdict.counts(Figure::Alert(told.kind)).n_wrong += 1;
            }
        }
        self.facts.retain(|fact| !fact.is_judged || fact.proven_at + MEMORY > until);
    }

    /// Judges the rest; the audio ended at `end`, where a server may close what is open.
    pub(super) fn finish(&mut self, end: MediaTime, terms: &Terms, deaf: &Spans, verdict: &mut Verdict) {
        let Self { facts, unknown } = self;
        let is_open = |kind| {
            facts.iter().any(|fact| fact.kind == kind && fact.span.start < end && fact.proven_at > end)
        };
        unknown.retain(|told| {
            let is_end = told.edge == Edge::Close && apart(told.at, end) <= TOLERANCE;
            told.is_again || !is_end || !is_open(told.kind)
        });
        self.settle(end, terms, deaf, verdict);
        self.facts.retain(|fact| fact.is_judged);
        self.settle(MediaTime::MAX, terms, deaf, verdict);
    }
}

impl Fact {
    fn book(&self, terms: &Terms, deaf: &Spans, verdict: &mut Verdict) {
        let figure = Figure::Alert(self.kind);
        match self.told {
            _ if !self.is_expected(terms) => {}
            Some(at) => {
                verdict.told(terms, figure, self.proven_at, at);
                verdict.counts(figure).n_early += u64::from(terms.is_early(at, self.proven_at));
            }
            None if self.is_hit(deaf) => {}
            None => verdict.never(terms, figure, self.proven_at),
        }
    }

    fn is_expected(&self, terms: &Terms) -> bool {
        self.is_whole && terms.expects(Span::new(self.span.start, self.proven_at))
    }

    fn is_hit(&self, deaf: &Spans) -> bool {
        deaf.overlaps(Span::new(self.span.start, self.proven_at))
    }

    /// Whether `told` may be what is left of this: its start was cut off, or a gap lies within it.
    fn excuses(&self, told: Told, terms: &Terms, deaf: &Spans) -> bool {
        let reach = tolerance(self.kind);
        let is_about = told.kind == self.kind
            && told.at + reach >= self.span.start
            && told.at <= self.proven_at.max(self.span.end) + reach;
        is_about && (!self.is_expected(terms) || self.is_hit(deaf))
    }
}

/// Where an edge is.
const fn edge(edge: Edge, span: Span) -> MediaTime {
    match edge {
        Edge::Open => span.start,
        Edge::Close => span.end,
    }
}

fn apart(one: MediaTime, other: MediaTime) -> MediaTime {
    one.saturating_sub(other).max(other.saturating_sub(one))
}

fn tolerance(kind: EventKind) -> MediaTime {
    if kind == EventKind::AlertClipping { TOLERANCE + PASSAGE } else { TOLERANCE }
}

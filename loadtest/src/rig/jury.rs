//! A judge for each media clock of each feed, and what all of them say together, slice by slice. Reads no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::budget::Budgets;
use engine::time::MediaTime;

use crate::measure::{Latencies, Sample, Score};
use crate::pace::Anchor;
use crate::programme::Programme;
use crate::report::N_SLICES_MAX;
use crate::transport::{Departure, Note, Noted, share};
use crate::truth::{Judge, Observed, Verdict};

/// Shortest slice of the series.
const SLICE_MIN: Duration = Duration::from_secs(1);
/// Messages about a media clock that may come before it is known.
const EARLY_MAX: usize = 64;

/// The time that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) start: Instant,
    pub(super) length: Duration,
}

impl Window {
    pub(super) fn end(&self) -> Instant {
        self.start + self.length
    }

    /// Length of a slice.
    pub(super) fn slice(&self) -> Duration {
        SLICE_MIN.max(self.length / u32::try_from(N_SLICES_MAX).unwrap_or(1))
    }
}

/// See the module.
pub(super) struct Jury {
    programme: Arc<Programme>,
    n_feeds: usize,
    window: Window,
    /// Media time goes on when a connection is over.
    goes_on: bool,
    seats: BTreeMap<(usize, u32), Seat>,
    /// Feeds that somebody heard.
    heard: BTreeSet<usize>,
    early: BTreeMap<(usize, u32), Vec<Observed>>,
    score: Score,
    slices: BTreeMap<usize, BTreeMap<&'static str, Latencies>>,
    faults: Vec<String>,
}

struct Seat {
    judge: Judge,
    /// Where its last connection was over.
    left: MediaTime,
}

impl Jury {
    /// Of `n_feeds`. `goes_on`: media time goes on when a connection is over and another one made.
    pub(super) fn new(programme: Arc<Programme>, n_feeds: usize, window: Window, goes_on: bool) -> Self {
        Self {
            programme,
            n_feeds,
            window,
            goes_on,
            seats: BTreeMap::new(),
            heard: BTreeSet::new(),
            early: BTreeMap::new(),
            score: Score::default(),
            slices: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    /// Takes what a transport tells.
    pub(super) fn note(&mut self, note: Note) {
        let key = (note.feed_idx, note.session);
        match note.what {
            Noted::Leg { from, anchor } => self.leg(key, from, anchor),
            Noted::Lost(span) => {
                if let Some(seat) = self.seats.get_mut(&key) {
                    seat.judge.lost(span);
                }
            }
            Noted::Observed(observed) => self.hear(key, observed),
            Noted::Left { at, .. } if self.goes_on => {
                if let Some(seat) = self.seats.get_mut(&key) {
                    seat.left = at;
                }
            }
            Noted::Left { at, how } => {
                if let Departure::Fault(why) = how {
                    self.faults.push(format!("feed {}: {why}", note.feed_idx));
                }
                self.rise(key, at);
            }
        }
    }

    /// Takes what a server told.
    pub(super) fn hear(&mut self, key: (usize, u32), observed: Observed) {
        match self.seats.get_mut(&key) {
            Some(seat) => seat.judge.hear(observed),
            None => {
                let early = self.early.entry(key).or_default();
                if early.len() < EARLY_MAX {
                    early.push(observed);
                }
            }
        }
    }

    /// Judges what was due by `until`.
    pub(super) fn settle(&mut self, until: Instant) {
        let until = until.min(self.window.end());
        let mut verdicts = Vec::new();
        for seat in self.seats.values_mut() {
            let until = seat.judge.due_by(until);
            verdicts.push(seat.judge.judge(until));
        }
        verdicts.into_iter().for_each(|verdict| self.count(verdict));
    }

    /// What was judged so far.
    pub(super) const fn score(&self) -> &Score {
        &self.score
    }

    /// Judges the rest. Answers the score, the series, and connections that the server ended.
    pub(super) fn finish(mut self) -> (Score, Vec<Sample>, Vec<String>) {
        self.settle(self.window.end());
        for feed_idx in (0..self.n_feeds).filter(|idx| !self.heard.contains(idx)).collect::<Vec<_>>() {
            self.unheard(feed_idx, self.window.end());
        }
        let slice = self.window.slice();
        let sample = |(idx, latencies): (usize, BTreeMap<&'static str, Latencies>)| Sample {
            at: slice * u32::try_from(idx).unwrap_or(u32::MAX),
            latencies: latencies.into_iter().map(|(name, latencies)| (name.to_owned(), latencies)).collect(),
        };
        (self.score, self.slices.into_iter().map(sample).collect(), self.faults)
    }

    fn leg(&mut self, key: (usize, u32), from: MediaTime, anchor: Anchor) {
        if let Some(seat) = self.seats.get_mut(&key) {
            seat.judge.leg(from, anchor);
            return;
        }
        // A server that was started anew begins anew; what was due while it was away is expected of nobody.
        if let Some(before) = key.1.checked_sub(1).map(|session| (key.0, session)) {
            let left = self.seats.get(&before).map(|seat| seat.left);
            self.rise(before, left.unwrap_or_default());
        }
        if self.heard.insert(key.0) {
            self.unheard(key.0, anchor.due(from));
        }
        let starts = anchor.media(self.window.start);
        let mut judge = Judge::new(Arc::clone(&self.programme), Budgets::default()).expecting_from(starts);
        judge.leg(from, anchor);
        self.early.remove(&key).into_iter().flatten().for_each(|observed| judge.hear(observed));
        self.seats.insert(key, Seat { judge, left: MediaTime::MAX });
    }

    /// A feed that nobody heard before `until`, because the server refused it or never fetched it: all that was due is
    /// missing, and none of it was analysed. Its programme begins where it would have begun, to the warm-up.
    fn unheard(&mut self, feed_idx: usize, until: Instant) {
        let length = until.min(self.window.end()).saturating_duration_since(self.window.start);
        let round = self.programme.length();
        let position = MediaTime::from_flicks((share(feed_idx) * round.flicks() as f64) as u64);
        let mut judge = Judge::new(Arc::clone(&self.programme), Budgets::default());
        let anchor = Anchor::new(self.window.start, position);
        judge.leg(MediaTime::ZERO, anchor);
        let mut verdict = judge.finish(anchor.media(self.window.start + length));
        verdict.score.coverage.in_gaps = verdict.score.coverage.sent;
        self.count(verdict);
    }

    /// Judges the rest of a media clock that ended at `at`. What it told after the time that counts is of no interest.
    fn rise(&mut self, key: (usize, u32), at: MediaTime) {
        if let Some(mut seat) = self.seats.remove(&key) {
            let end = seat.judge.due_by(self.window.end());
            let verdict = if at < end { seat.judge.finish(at) } else { seat.judge.judge(end) };
            self.count(verdict);
        }
    }

    fn count(&mut self, verdict: Verdict) {
        self.score.merge(&verdict.score);
        let slice = self.window.slice();
        for point in verdict.points {
            let since = point.due.saturating_duration_since(self.window.start);
            let idx = (since.as_nanos() / slice.as_nanos().max(1)) as usize;
            let latencies = self.slices.entry(idx).or_default().entry(point.figure.name()).or_default();
            match point.latency {
                Some(latency) => latencies.record(latency),
                None => latencies.record_never(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::time::{SampleRate, Span};

    use super::*;
    use crate::programme::{Fact, What};

    const SECOND: Duration = Duration::from_secs(1);

    /// Ten seconds in which a word is said each second.
    fn programme() -> Arc<Programme> {
        let rate = SampleRate::HZ_16000;
        let word = |second: u64| {
            let start = MediaTime::from_millis(second * 1_000);
            let span = Span::new(start, start + MediaTime::from_millis(400));
            Fact { what: What::Word(format!("w{second}")), span, proven_at: span.end }
        };
        let facts = (0..10).map(word).collect();
        Arc::new(Programme { rate, samples: vec![0; 10 * rate.hz() as usize].into(), facts })
    }

    /// A window of 20 s in which feeds are heard from so many seconds after its start on; words expected of all, and
    /// seconds that were sent and that nobody heard.
    fn check(heard_from: &[Option<u32>], expected: std::ops::Range<u64>, sent: u64, unheard: u64) {
        let start = Instant::now();
        let window = Window { start, length: 20 * SECOND };
        let mut jury = Jury::new(programme(), heard_from.len(), window, true);
        for (feed_idx, from) in heard_from.iter().enumerate() {
            let Some(from) = from else { continue };
            let anchor = Anchor::new(start + *from * SECOND, MediaTime::ZERO);
            let what = Noted::Leg { from: MediaTime::ZERO, anchor };
            jury.note(Note { feed_idx, session: 0, what });
        }
        let (score, ..) = jury.finish();
        let words = score.figures.get(&crate::measure::Figure::WordFinal).map(|(_, counts)| *counts);
        let words = words.unwrap_or_default();
        assert!(expected.contains(&words.n_expected), "{heard_from:?}: {words:?}");
        assert_eq!(words.n_missing, words.n_expected, "nobody told anything");
        let secs = |of: Duration| of.as_secs_f64().round() as u64;
        assert_eq!(
            (secs(score.coverage.sent), secs(score.coverage.in_gaps)),
            (sent, unheard),
            "{heard_from:?}"
        );
    }

    #[test]
    fn what_nobody_heard_was_due_all_the_same() {
        check(&[Some(0)], 18..21, 20, 0);
        check(&[None], 18..21, 20, 20);
        check(&[Some(0), None, Some(0), None], 72..81, 80, 40);
        check(&[Some(6)], 16..21, 20, 6);
        check(&[Some(30)], 18..21, 20, 20);
    }
}

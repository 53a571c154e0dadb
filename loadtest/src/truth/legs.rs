//! Where the media time of a feed lies, leg by leg, what of it is lost, and what lies too near a cut to be judged.

use std::collections::VecDeque;
use std::time::Instant;

use engine::time::{FLICKS_PER_SECOND, MediaTime, Span};

use super::spans::Spans;
use crate::pace::Anchor;

/// So near a cut or a loss nothing is expected and nothing is wrong. What is told of a second depends on the next: partials
/// come in steps of one second, finals at the end of a pause (docs/events.md), and words are torn with the audio.
pub(super) const EDGE: MediaTime = MediaTime::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Legs {
    /// By `from`.
    legs: VecDeque<Leg>,
    lost: Spans,
    /// Whatever is within [`EDGE`] of a cut or a loss.
    torn: Spans,
}

#[derive(Clone, Copy, Debug)]
struct Leg {
    from: MediaTime,
    anchor: Anchor,
}

impl Legs {
    /// Nothing is known yet.
    pub(super) fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    /// From `from` on audio lies where `anchor` says, whatever was told before. Returns whether its programme goes on at
    /// another position there: nothing is cut by other due times.
    pub(super) fn add(&mut self, from: MediaTime, anchor: Anchor) -> bool {
        let n_kept = self.legs.partition_point(|leg| leg.from < from);
        let mut replaced = self.legs.range(n_kept.saturating_sub(1)..);
        let is_cut = self.legs.is_empty() || replaced.any(|leg| leg.anchor.position != anchor.position);
        self.legs.truncate(n_kept);
        self.legs.push_back(Leg { from, anchor });
        is_cut
    }

    /// Audio is cut somewhere in `span`.
    pub(super) fn tear(&mut self, span: Span) {
        self.torn.insert(Span::new(span.start.saturating_sub(EDGE), span.end + EDGE));
    }

    /// There is no audio in `span`.
    pub(super) fn lose(&mut self, span: Span) {
        self.lost.insert(span);
        self.tear(span);
    }

    /// When everything before `at` was due: as the leg has it that the last sample before `at` lies in. `None`: before the
    /// first leg.
    pub(super) fn due(&self, at: MediaTime) -> Option<Instant> {
        let n_begun = self.legs.partition_point(|leg| leg.from < at);
        self.legs.get(n_begun.saturating_sub(1)).map(|leg| leg.anchor.due(at))
    }

    /// End of the audio that was due by `at`. Goes on with the last leg as long as no other is known.
    pub(super) fn media(&self, at: Instant) -> MediaTime {
        let mut end = MediaTime::MAX;
        for leg in self.legs.iter().rev() {
            let due = leg.due_by(at);
            if due > leg.from {
                return due.min(end);
            }
            end = leg.from;
        }
        end.min(self.legs.front().map_or(MediaTime::ZERO, |leg| leg.from))
    }

    /// Whether any of `span` is within [`EDGE`] of a cut or a loss; an empty one is the sample at its start.
    pub(super) fn is_torn(&self, span: Span) -> bool {
        let end = span.end.max(span.start + MediaTime::from_flicks(1));
        self.torn.overlaps(Span::new(span.start, end))
    }

    /// How much of `span` is audio.
    pub(super) fn audio(&self, span: Span) -> MediaTime {
        span.duration().saturating_sub(self.lost.within(span))
    }

    /// How much of `span` is audio and in `gaps`.
    pub(super) fn audio_in(&self, gaps: &Spans, span: Span) -> MediaTime {
        let lost = self.lost.parts(span).fold(MediaTime::ZERO, |sum, lost| sum + gaps.within(lost));
        gaps.within(span).saturating_sub(lost)
    }

    /// Forgets what ends before `before`.
    pub(super) fn forget(&mut self, before: MediaTime) {
        while self.legs.get(1).is_some_and(|next| next.from < before) {
            self.legs.pop_front();
        }
        self.lost.forget(before);
        self.torn.forget(before);
    }
}

impl Leg {
    /// End of the audio that was due by `at`, if this leg were all there is.
    fn due_by(&self, at: Instant) -> MediaTime {
        if self.anchor.held_until.is_some_and(|until| at < until) {
            return MediaTime::ZERO;
        }
        let nanos = at.saturating_duration_since(self.anchor.due).as_nanos();
        let flicks = nanos * u128::from(FLICKS_PER_SECOND) / 1_000_000_000;
        MediaTime::from_flicks(u64::try_from(flicks).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ms(millis: u64) -> MediaTime {
        MediaTime::from_millis(millis)
    }

    /// Legs of position 0: from, due time of media time 0, held until; all ms.
    fn legs(zero: Instant, told: &[(u64, u64, Option<u64>)]) -> Legs {
        let mut legs = Legs::default();
        for &(from, due, held) in told {
            let at = |millis| zero + Duration::from_millis(millis);
            let anchor = Anchor { held_until: held.map(at), ..Anchor::new(at(due), MediaTime::ZERO) };
            let _is_cut = legs.add(ms(from), anchor);
        }
        legs
    }

    /// Due times of `at`, and what was due by then, ms.
    fn check(told: &[(u64, u64, Option<u64>)], dues: &[(u64, u128)], medias: &[(u64, u64)]) {
        let zero = Instant::now();
        let legs = legs(zero, told);
        for &(at, expected) in dues {
            assert_eq!(legs.due(ms(at)).map(|due| (due - zero).as_millis()), Some(expected), "due {at}");
        }
        for &(at, expected) in medias {
            assert_eq!(legs.media(zero + Duration::from_millis(at)), ms(expected), "media {at}");
        }
    }

    #[test]
    fn the_end_of_a_leg_is_due_with_it() {
        let stall = [(0, 100, None), (2_000, 5_100, None)];
        let medias = [(50, 0), (1_100, 1_000), (2_100, 2_000), (6_000, 2_000), (7_500, 2_400)];
        check(&stall, &[(0, 100), (1_000, 1_100), (2_000, 2_100), (2_001, 7_101)], &medias);
    }

    #[test]
    fn a_burst_is_due_when_it_is_let_go() {
        let burst = [(0, 0, None), (2_000, 0, Some(5_000)), (5_000, 0, None)];
        let medias = [(1_999, 1_999), (4_999, 2_000), (5_000, 5_000), (5_500, 5_500)];
        check(&burst, &[(2_000, 2_000), (2_001, 5_000), (5_000, 5_000), (5_100, 5_100)], &medias);
    }

    #[test]
    fn before_the_first_leg_there_is_nothing() {
        let none = Legs::default();
        assert_eq!((none.due(ms(5)), none.media(Instant::now())), (None, MediaTime::ZERO));
        check(&[(1_000, 0, None)], &[(1_000, 1_000), (1_100, 1_100)], &[(500, 1_000), (1_500, 1_500)]);
    }

    #[test]
    fn a_leg_replaces_what_was_told_of_its_audio() {
        let told = [(0, 0, None), (1_000, 500, None), (2_000, 900, None), (1_000, 700, None)];
        check(&told, &[(1_000, 1_000), (1_500, 2_200), (2_500, 3_200)], &[]);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let drift: Vec<_> = (0..1_000).map(|n| (n * 100, n, None)).collect();
        let mut legs = legs(Instant::now(), &drift);
        [ms(1_000), ms(90_000)].into_iter().for_each(|at| legs.lose(Span::new(at, at + ms(50))));
        legs.forget(ms(89_950));
        assert_eq!(legs.legs.len(), 101);
        let is_torn = |at| legs.is_torn(Span::new(ms(at), ms(at)));
        assert_eq!([1_000, 88_999, 89_000, 91_049, 91_050].map(is_torn), [false, false, true, true, false]);
        assert_eq!(legs.audio(Span::new(ms(0), ms(100_000))), ms(99_950));
    }

    #[test]
    fn a_gap_where_no_audio_was_counts_for_nothing() {
        let (mut legs, mut gaps) = (Legs::default(), Spans::default());
        legs.lose(Span::new(ms(1_000), ms(2_000)));
        gaps.insert(Span::new(ms(500), ms(1_800)));
        assert_eq!(legs.audio_in(&gaps, Span::new(ms(0), ms(3_000))), ms(500));
        assert_eq!(legs.audio_in(&gaps, Span::new(ms(600), ms(900))), ms(300));
    }
}

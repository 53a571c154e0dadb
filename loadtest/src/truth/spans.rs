//! A set of media time: spans, merged where they touch.

use engine::time::{MediaTime, Span};

/// See the module. Empty spans are not in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans(Vec<Span>);

impl Spans {
    /// Adds `span`.
    pub(super) fn insert(&mut self, span: Span) {
        if span.end <= span.start {
            return;
        }
        let first = self.0.partition_point(|known| known.end < span.start);
        let last = self.0.partition_point(|known| known.start <= span.end).max(first);
        let touched = self.0.get(first..last).unwrap_or(&[]);
        let start = touched.first().map_or(span.start, |known| known.start.min(span.start));
        let end = touched.last().map_or(span.end, |known| known.end.max(span.end));
        self.0.splice(first..last, [Span { start, end }]);
    }

    /// Whether any of `span` is in the set.
    pub(super) fn overlaps(&self, span: Span) -> bool {
        let first = self.0.partition_point(|known| known.end <= span.start);
        self.0.get(first).is_some_and(|known| known.start < span.end && span.start < span.end)
    }

    /// How much of `span` is in the set.
    pub(super) fn within(&self, span: Span) -> MediaTime {
        self.parts(span).fold(MediaTime::ZERO, |sum, part| sum + part.duration())
    }

    /// What of `span` is in the set, in order.
    pub(super) fn parts(&self, span: Span) -> impl Iterator<Item = Span> {
        let first = self.0.partition_point(|known| known.end <= span.start);
        let touched = self.0.iter().skip(first).take_while(move |known| known.start < span.end);
        touched.map(move |known| Span::new(known.start.max(span.start), known.end.min(span.end)))
    }

    /// Forgets what ends before `before`.
    pub(super) fn forget(&mut self, before: MediaTime) {
        self.0.retain(|known| known.end >= before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(start: u64, end: u64) -> Span {
        Span::new(MediaTime::from_millis(start), MediaTime::from_millis(end))
    }

    fn check(inserted: &[(u64, u64)], expected: &[(u64, u64)]) {
        let mut spans = Spans::default();
        inserted.iter().for_each(|&(start, end)| spans.insert(ms(start, end)));
        let expected: Vec<Span> = expected.iter().map(|&(start, end)| ms(start, end)).collect();
        assert_eq!(spans.0, expected, "{inserted:?}");
    }

    #[test]
    fn what_touches_is_merged_in_any_order() {
        check(&[(10, 20), (30, 40), (0, 5)], &[(0, 5), (10, 20), (30, 40)]);
        check(&[(10, 20), (30, 40), (15, 35)], &[(10, 40)]);
        check(&[(10, 20), (20, 30), (10, 20), (7, 7)], &[(10, 30)]);
        check(&[(10, 20), (0, 50)], &[(0, 50)]);
    }

    #[test]
    fn what_is_common_is_measured() {
        let mut spans = Spans::default();
        [ms(10, 20), ms(30, 40)].into_iter().for_each(|span| spans.insert(span));
        assert_eq!(spans.within(ms(15, 35)), MediaTime::from_millis(10));
        assert!(spans.overlaps(ms(19, 25)) && spans.overlaps(ms(0, 99)));
        assert!(!spans.overlaps(ms(20, 30)) && !spans.overlaps(ms(15, 15)));
        spans.forget(MediaTime::from_millis(25));
        assert_eq!(spans.within(ms(0, 99)), MediaTime::from_millis(10));
    }
}

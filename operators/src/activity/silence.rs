//! Where silence begins and ends, to the hop, once that is certain.

/// Hops that a silence lasts at least, 1 s: shorter ones are pauses of what is around them.
const SILENCE_HOPS: u64 = 100;
/// Loud hops, less the quiet ones among them, that end a silence, 150 ms: less is a click.
const SOUND_HOPS: u64 = 15;
/// Borders that may wait to be told: they are at least this far apart in pairs, and are told within 1.5 s.
const BORDERS_MAX: usize = 4;

/// A border of silence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Border {
    /// Number of the first hop after it.
    pub(super) hop_idx: u64,
    /// Whether silence follows.
    pub(super) silent: bool,
}

/// Watches the level of hops.
#[derive(Clone, Debug, Default)]
pub(super) struct Silence {
    /// Where the quiet stretch began that may become a silence, or is one.
    quiet_since: Option<u64>,
    /// Whether it is one.
    certain: bool,
    /// Where the loud stretch began that may end it, and its loud hops less its quiet ones.
    loud_since: u64,
    n_loud: u64,
}

impl Silence {
    /// Takes hop number `hop_idx`; tells of a border once it is certain: a beginning after [`SILENCE_HOPS`], an end
    /// mostly after [`SOUND_HOPS`].
    pub(super) fn push(&mut self, hop_idx: u64, loud: bool) -> Option<Border> {
        if loud && self.n_loud == 0 {
            self.loud_since = hop_idx;
        }
        self.n_loud = if loud { (self.n_loud + 1).min(SOUND_HOPS) } else { self.n_loud.saturating_sub(1) };
        if self.n_loud == SOUND_HOPS {
            self.quiet_since = None;
            let end = Border { hop_idx: self.loud_since, silent: false };
            return std::mem::take(&mut self.certain).then_some(end);
        }
        if !loud {
            self.quiet_since.get_or_insert(hop_idx);
        }
        let since = self.quiet_since?;
        if self.certain || self.n_loud > 0 || hop_idx + 1 < since + SILENCE_HOPS {
            return None;
        }
        self.certain = true;
        Some(Border { hop_idx: since, silent: true })
    }
}

/// Borders that are certain but not told yet, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Borders {
    waiting: [Option<Border>; BORDERS_MAX],
    /// Whether what was taken last is silence.
    silent: bool,
}

impl Borders {
    /// Adds a border after all others. A fifth would be left out; silences of 1 s leave no room for one.
    pub(super) fn add(&mut self, border: Border) {
        if let Some(slot) = self.waiting.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(border);
        }
    }

    /// The first border, if it lies before `hop_idx`.
    pub(super) fn take(&mut self, hop_idx: u64) -> Option<Border> {
        let border = self.next().filter(|border| border.hop_idx < hop_idx)?;
        self.waiting[0] = None;
        self.waiting.rotate_left(1);
        self.silent = border.silent;
        Some(border)
    }

    /// The first border.
    pub(super) fn next(&self) -> Option<Border> {
        self.waiting[0]
    }

    /// Whether hop `hop_idx`, not before the last border taken, lies in a silence, as far as is certain.
    pub(super) fn silent_at(&self, hop_idx: u64) -> bool {
        let before = self.waiting.iter().flatten().take_while(|border| border.hop_idx <= hop_idx);
        before.last().map_or(self.silent, |border| border.silent)
    }

    /// Whether what follows the last border taken is silence.
    pub(super) fn silent(&self) -> bool {
        self.silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs of loud and quiet hops in turn; borders expected, silence first.
    fn check(lengths: &[u64], expected: &[u64]) {
        let mut silence = Silence::default();
        let loud = lengths.iter().enumerate().flat_map(|(i, n)| (0..*n).map(move |_| i % 2 == 0));
        let borders: Vec<Border> =
            loud.enumerate().filter_map(|(i, loud)| silence.push(i as u64, loud)).collect();
        let expected: Vec<Border> = expected
            .iter()
            .enumerate()
            .map(|(i, hop_idx)| Border { hop_idx: *hop_idx, silent: i % 2 == 0 })
            .collect();
        assert_eq!(borders, expected, "{lengths:?}");
    }

    #[test]
    fn a_silence_is_a_second_and_clicks_do_not_break_it() {
        check(&[50, 99, 50], &[]);
        check(&[50, 100, 50], &[50, 150]);
        check(&[0, 200, 4, 200, 15], &[0, 404]);
        check(&[50, 60, 14, 60, 50], &[50, 184]);
        check(&[50, 60, 15, 60, 50], &[]);
    }

    #[test]
    fn borders_wait_in_order() {
        let mut borders = Borders::default();
        borders.add(Border { hop_idx: 100, silent: true });
        borders.add(Border { hop_idx: 210, silent: false });
        assert_eq!([99, 100, 209, 210].map(|i| borders.silent_at(i)), [false, true, true, false]);
        assert_eq!(borders.take(100), None);
        assert_eq!(borders.take(110).map(|border| border.hop_idx), Some(100));
        assert!(borders.silent() && borders.silent_at(150) && !borders.silent_at(300));
    }
}

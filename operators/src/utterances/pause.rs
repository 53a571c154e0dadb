//! Where to cut speech that does not pause for long enough. A search over hops, no state.

/// Hops averaged around a candidate: 90 ms, shorter than a syllable and longer than a stop consonant's closure.
const SMOOTH_HOPS: usize = 9;
/// Decibels that weigh as much as the whole range of the speech probability.
const POWER_SCALE_DB: f32 = 40.0;

/// What is remembered of a hop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mark {
    /// Probability of speech, 0..=1.
    pub(super) speech: f32,
    /// Mean power, dBFS.
    pub(super) power_db: f32,
    /// Whether it counts as speech.
    pub(super) voiced: bool,
    /// Probability of music less that of a voice, -1..=1.
    pub(super) music: f32,
}

/// The hop before which to cut: the middle of the quietest and least speech-like 90 ms among the last `n_search`
/// hops. The number of hops when there are too few to choose from.
pub(super) fn best_pause(marks: &[Mark], n_search: usize) -> usize {
    let from = marks.len().saturating_sub(n_search);
    let mut best = (f32::INFINITY, marks.len());
    for (at, near) in marks[from..].windows(SMOOTH_HOPS).enumerate() {
        let cost: f32 = near.iter().map(|mark| mark.speech + mark.power_db / POWER_SCALE_DB).sum();
        if cost <= best.0 {
            best = (cost, from + at + SMOOTH_HOPS / 2);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl Fn(usize, &mut Mark), expected: std::ops::RangeInclusive<usize>) {
        let mut marks = [Mark { speech: 0.9, power_db: -20.0, voiced: true, music: 0.0 }; 400];
        for (at, mark) in marks.iter_mut().enumerate() {
            change(at, mark);
        }
        let cut = best_pause(&marks, 300);
        assert!(expected.contains(&cut), "cut at {cut}, expected {expected:?}");
    }

    #[test]
    fn the_deepest_pause_among_the_last_hops_is_chosen() {
        let dip = |depth: f32, range: std::ops::Range<usize>| {
            move |at: usize, mark: &mut Mark| {
                if range.contains(&at) {
                    mark.power_db -= depth;
                }
            }
        };
        let (early, shallow, deep) = (dip(60.0, 50..70), dip(10.0, 150..160), dip(30.0, 300..310));
        check(
            |at, mark| {
                early(at, mark);
                shallow(at, mark);
                deep(at, mark);
            },
            304..=306,
        );
        check(|at, mark| mark.speech = if (200..209).contains(&at) { 0.2 } else { 0.9 }, 204..=204);
    }

    #[test]
    fn without_a_pause_the_cut_is_late_and_too_few_hops_are_kept_whole() {
        check(|_, _| {}, 395..=395);
        let silence = Mark { speech: 0.0, power_db: -90.0, voiced: false, music: 0.0 };
        assert_eq!(best_pause(&[silence; 8], 300), 8);
    }
}

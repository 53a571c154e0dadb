//! `find-max`: how many feeds a server carries. Doubles up to the first load that is not carried, halves the gap, and then
//! goes down until three runs in a row are met.

use super::{Capacity, Course, Outcome, Trial, Verdict};
use crate::failure::Failure;
use crate::scenario::Search;

/// Runs in a row that confirm a load.
pub const N_CONFIRMATIONS: usize = 3;

/// The loads in between: `carried` held, `refused` did not.
struct Bracket {
    carried: usize,
    /// Load, and why; a saturated generator is a bound to the search, but says nothing about the server.
    refused: Option<(usize, Failure)>,
}

/// Looks for the largest load that is met, between 1 and `search.to`, beginning with `search.from`.
#[must_use]
pub fn find_max(mut course: Course<'_>, search: Search) -> Outcome {
    let found = find(&mut course, search);
    course.outcome("find-max", found)
}

fn find(course: &mut Course<'_>, search: Search) -> Result<Option<Capacity>, Failure> {
    let mut bracket = Bracket { carried: 0, refused: None };
    while let Some(n_feeds) = bracket.next(search) {
        match attempt(course, n_feeds)? {
            None => bracket.carried = n_feeds,
            Some(why) => bracket.refused = Some((n_feeds, why)),
        }
    }
    while bracket.carried > 0 {
        match confirm(course, bracket.carried)? {
            None => break,
            Some(why) => {
                bracket.refused = Some((bracket.carried, why));
                bracket.carried -= step(bracket.carried).min(bracket.carried);
            }
        }
    }
    match bracket {
        // Not the server was at its limit, but this program.
        Bracket { refused: Some((_, why @ Failure::Saturated { .. })), .. } => Err(why),
        Bracket { carried: 0, refused } => refused.map_or(Ok(None), |(_, why)| Err(why)),
        Bracket { carried, refused } => {
            Ok(Some(Capacity { n_feeds: carried, n_refused: refused.map(|(n_feeds, _)| n_feeds) }))
        }
    }
}

impl Bracket {
    /// The next load to try; `None` when the gap is as small as can be told apart.
    fn next(&self, search: Search) -> Option<usize> {
        match &self.refused {
            None if self.carried == 0 => Some(search.from),
            None => (self.carried < search.to).then(|| (self.carried * 2).min(search.to)),
            Some((refused, _)) => {
                (refused - self.carried > step(self.carried)).then(|| self.carried.midpoint(*refused))
            }
        }
    }
}

/// 2.5 % of a load, at least one feed: half of what two searches may differ by.
const fn step(n_feeds: usize) -> usize {
    let step = n_feeds / 40;
    if step == 0 { 1 } else { step }
}

/// Why a load is not carried. A run that is missed narrowly, or in which the generator was late, may have been bad luck: it
/// is made again, and the second one counts. So the search errs upwards only, which the confirmations put right.
fn attempt(course: &mut Course<'_>, n_feeds: usize) -> Result<Option<Failure>, Failure> {
    let first = match course.trial(n_feeds) {
        Err(why @ Failure::Refused(_)) => return Ok(Some(why)),
        first => first?,
    };
    if first.verdict == Verdict::Met || first.is_far_off() {
        return Ok(first.failure());
    }
    play(course, n_feeds)
}

/// Plays a load once: why it is not carried.
fn play(course: &mut Course<'_>, n_feeds: usize) -> Result<Option<Failure>, Failure> {
    match course.trial(n_feeds).map(Trial::failure) {
        Err(why @ Failure::Refused(_)) => Ok(Some(why)),
        played => played,
    }
}

/// Why a load is not carried three times in a row; where only the generator was late, that run is made again, once.
fn confirm(course: &mut Course<'_>, n_feeds: usize) -> Result<Option<Failure>, Failure> {
    for _ in 0..N_CONFIRMATIONS {
        let mut why = play(course, n_feeds)?;
        if matches!(why, Some(Failure::Saturated { .. })) {
            why = play(course, n_feeds)?;
        }
        if why.is_some() {
            return Ok(why);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mode::fake::Fake;

    const SEARCH: Search = Search { from: 4, to: 512, step: 4 };

    fn search(fake: &mut Fake) -> Outcome {
        fake.course(1, |course| find_max(course, SEARCH))
    }

    #[test]
    fn the_capacity_of_a_quiet_server_is_found_exactly() {
        for capacity in [1, 2, 3, 4, 5, 7, 8, 16, 31, 37, 39] {
            let found = search(&mut Fake::of(capacity)).capacity.unwrap();
            assert_eq!(found, Capacity { n_feeds: capacity, n_refused: Some(capacity + 1) });
        }
        let mut fake = Fake::of(37);
        search(&mut fake);
        let far_off = fake.played.iter().filter(|n| **n == 64).count();
        assert_eq!(
            (far_off, &fake.played[fake.played.len() - 3..]),
            (1, &[37, 37, 37][..]),
            "{:?}",
            fake.played
        );
    }

    #[test]
    fn large_capacities_are_found_to_five_percent() {
        for capacity in [100, 250, 499] {
            let found = search(&mut Fake::of(capacity)).capacity.unwrap();
            assert!(
                found.n_feeds <= capacity && found.n_feeds * 100 >= capacity * 95,
                "{found:?} of {capacity}"
            );
        }
    }

    #[test]
    fn two_searches_on_a_noisy_server_agree() {
        for capacity in [6, 20, 40, 120] {
            let found = |seed: u64| search(&mut Fake::noisy(capacity, 0.03, seed)).capacity.unwrap().n_feeds;
            let all: Vec<usize> = (1..=25).map(found).collect();
            let (min, max) = (*all.iter().min().unwrap(), *all.iter().max().unwrap());
            let apart = (max - min) as f64;
            // Of 25 searches no two differ by more than any two may.
            assert!(apart <= (max as f64 * 0.05).max(1.0), "{capacity}: {min} to {max}");
        }
    }

    #[test]
    fn one_bad_run_does_not_halve_the_capacity() {
        for bad in 0..12 {
            let mut fake = Fake { misses: vec![bad], ..Fake::of(37) };
            let found = search(&mut fake).capacity.unwrap().n_feeds;
            assert!(found >= 36, "{found} when run {bad} is bad: {:?}", fake.played);
        }
    }

    #[test]
    fn a_late_generator_is_no_capacity() {
        let mut fake = Fake { saturates_at: 20, ..Fake::of(100) };
        let outcome = search(&mut fake);
        assert!(matches!(outcome.end, Some(Failure::Saturated { .. })), "{:?}", outcome.end);
        assert_eq!(outcome.capacity, None);
    }

    #[test]
    fn a_generator_that_is_late_only_far_above_the_capacity_is_no_matter() {
        let mut fake = Fake { saturates_at: 60, ..Fake::of(37) };
        let outcome = search(&mut fake);
        assert_eq!(outcome.capacity.unwrap().n_feeds, 37);
        assert!(fake.played.contains(&64) && outcome.end.is_none());
    }

    #[test]
    fn what_the_server_refuses_is_not_carried() {
        let mut fake = Fake { refuses_at: 21, ..Fake::of(100) };
        let outcome = search(&mut fake);
        assert_eq!(outcome.capacity, Some(Capacity { n_feeds: 20, n_refused: Some(21) }));
        let outcome = search(&mut Fake { refuses_at: 1, ..Fake::of(100) });
        assert!(matches!(outcome.end, Some(Failure::Refused(_))) && outcome.capacity.is_none());
        let outcome = search(&mut Fake { fails: vec![1], ..Fake::of(100) });
        assert!(matches!(outcome.end, Some(Failure::Runtime(_))) && outcome.trials.len() == 1);
    }

    #[test]
    fn nothing_carried_is_missed_and_everything_carried_has_no_end() {
        let outcome = search(&mut Fake { capacity: 0.5, ..Fake::of(1) });
        assert!(matches!(outcome.end, Some(Failure::Missed(_))) && outcome.capacity.is_none());
        let outcome = search(&mut Fake::of(10_000));
        assert_eq!(outcome.capacity, Some(Capacity { n_feeds: 512, n_refused: None }));
    }
}

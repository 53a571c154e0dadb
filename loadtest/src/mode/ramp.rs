//! `ramp`: a staircase of loads, up to the knee and one step beyond it.

use super::{Capacity, Course, Outcome, Verdict};
use crate::failure::Failure;
use crate::scenario::Search;

/// Plays each load of the staircase once.
#[must_use]
pub fn ramp(mut course: Course<'_>, stairs: Search) -> Outcome {
    let found = climb(&mut course, stairs);
    course.outcome("ramp", found)
}

fn climb(course: &mut Course<'_>, stairs: Search) -> Result<Option<Capacity>, Failure> {
    let (mut n_carried, mut knee) = (None, None);
    let mut first_missed = None;
    for n_feeds in (stairs.from..=stairs.to).step_by(stairs.step.max(1)) {
        let trial = match course.trial(n_feeds) {
            Err(why @ Failure::Refused(_)) => {
                knee = knee.or(Some(n_feeds));
                first_missed = first_missed.or(Some(why));
                break;
            }
            trial => trial?,
        };
        match trial.verdict {
            // What lies behind it cannot be seen.
            Verdict::Saturated => return trial.failure().map_or(Ok(None), Err),
            _ if knee.is_some() => break,
            Verdict::Met => n_carried = Some(n_feeds),
            Verdict::Missed => {
                knee = Some(n_feeds);
                first_missed = trial.failure();
            }
        }
    }
    match (n_carried, first_missed) {
        (None, Some(missed)) => Err(missed),
        (carried, _) => Ok(carried.map(|n_feeds| Capacity { n_feeds, n_refused: knee })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::fake::Fake;

    const STAIRS: Search = Search { from: 4, to: 40, step: 4 };

    #[test]
    fn the_staircase_ends_one_step_behind_the_knee() {
        let mut fake = Fake::of(18);
        let outcome = fake.course(1, |course| ramp(course, STAIRS));
        assert_eq!(fake.played, [4, 8, 12, 16, 20, 24]);
        assert_eq!(outcome.capacity, Some(Capacity { n_feeds: 16, n_refused: Some(20) }));
        assert!(outcome.end.is_none());
    }

    #[test]
    fn without_a_knee_more_may_be_carried() {
        let mut fake = Fake::of(100);
        let outcome = fake.course(1, |course| ramp(course, STAIRS));
        assert_eq!(outcome.capacity, Some(Capacity { n_feeds: 40, n_refused: None }));
        assert_eq!(fake.played.len(), 10);
    }

    #[test]
    fn a_refused_load_is_the_knee() {
        let outcome = Fake { refuses_at: 18, ..Fake::of(100) }.course(1, |course| ramp(course, STAIRS));
        assert_eq!(outcome.capacity, Some(Capacity { n_feeds: 16, n_refused: Some(20) }));
        assert_eq!(outcome.trials.len(), 4);
    }

    #[test]
    fn nothing_carried_is_missed_and_a_late_generator_ends_it() {
        let outcome = Fake::of(2).course(1, |course| ramp(course, STAIRS));
        assert!(matches!(outcome.end, Some(Failure::Missed(_))) && outcome.capacity.is_none());
        let mut fake = Fake { saturates_at: 12, ..Fake::of(100) };
        let outcome = fake.course(1, |course| ramp(course, STAIRS));
        assert!(matches!(outcome.end, Some(Failure::Saturated { .. })) && outcome.capacity.is_none());
        assert_eq!(fake.played, [4, 8, 12]);
    }
}

//! The circuit breaker: after too many deaths in a while it rests, and lets one try through now and then. Reads no clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// First rest, and the longest one; each is twice the one before.
const REST_MIN: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(30);

/// Counts deaths.
#[derive(Debug)]
pub(super) struct Breaker {
    deaths_max: usize,
    window: Duration,
    deaths: VecDeque<Instant>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    rest: Duration,
    until: Instant,
}

impl Breaker {
    /// Opens when more than `deaths_max` happen within `window`.
    pub(super) fn new(deaths_max: usize, window: Duration) -> Self {
        Self { deaths_max, window, deaths: VecDeque::new(), open: None }
    }

    /// How long to rest still. `None`: a try is allowed.
    pub(super) fn resting(&self, now: Instant) -> Option<Duration> {
        let rest = self.open.as_ref()?.until.saturating_duration_since(now);
        (!rest.is_zero()).then_some(rest)
    }

    /// A process died. Gives the rest that begins with it, if one does.
    pub(super) fn died(&mut self, now: Instant) -> Option<Duration> {
        self.deaths.push_back(now);
        while self.deaths.front().is_some_and(|death| now.saturating_duration_since(*death) > self.window) {
            self.deaths.pop_front();
        }
        let rest = match &self.open {
            Some(open) => (open.rest * 2).min(REST_MAX),
            None if self.deaths.len() > self.deaths_max => REST_MIN,
            None => return None,
        };
        // As many as matter: the first try after a rest decides, not their number.
        self.deaths.truncate(self.deaths_max + 1);
        self.open = Some(Open { rest, until: now + rest });
        Some(rest)
    }

    /// A request was answered: after a rest, all is forgotten.
    pub(super) fn answered(&mut self) {
        if self.open.take().is_some() {
            self.deaths.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> (Breaker, impl Fn(u64) -> Instant) {
        let start = Instant::now();
        (Breaker::new(5, Duration::from_secs(60)), move |secs| start + Duration::from_secs(secs))
    }

    #[test]
    fn the_sixth_death_in_a_minute_opens_it() {
        let (mut breaker, at) = breaker();
        for secs in [0, 10, 20, 30, 40] {
            assert_eq!(breaker.died(at(secs)), None);
            breaker.answered();
        }
        assert_eq!(breaker.resting(at(40)), None);
        assert_eq!(breaker.died(at(60)), Some(REST_MIN));
        assert_eq!(breaker.resting(at(60)), Some(REST_MIN));
        assert_eq!(breaker.resting(at(61)), None);
    }

    #[test]
    fn deaths_far_apart_do_not() {
        let (mut breaker, at) = breaker();
        for n in 0..100 {
            assert_eq!(breaker.died(at(n * 13)), None, "death {n}");
        }
    }

    #[test]
    fn rests_double_up_to_a_limit_and_an_answer_forgets_them() {
        let (mut breaker, at) = breaker();
        let mut rests = Vec::new();
        let mut secs = 0;
        for _ in 0..12 {
            if let Some(rest) = breaker.died(at(secs)) {
                rests.push(rest.as_secs());
                secs += rest.as_secs();
                assert_eq!(breaker.resting(at(secs)), None, "one try");
            }
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 30, 30]);
        breaker.answered();
        for _ in 0..5 {
            assert_eq!(breaker.died(at(secs)), None);
        }
        assert_eq!(breaker.died(at(secs)), Some(REST_MIN));
    }
}

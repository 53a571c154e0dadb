//! Budgets (allowed durations) and deadlines (instants). No clock is read here.

use std::time::{Duration, Instant};

/// How long something may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget(Duration);

impl Budget {
    /// From milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// The instant by which work that began at `start` is due.
    #[must_use]
    pub fn deadline(self, start: Instant) -> Deadline {
        Deadline(start.checked_add(self.0).unwrap_or(start))
    }
}

/// When something is due. Ordered: the earliest is the most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

impl Deadline {
    /// The instant.
    #[must_use]
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// What is left of it at `now`; `None` when it is missed.
    #[must_use]
    pub fn left(self, now: Instant) -> Option<Duration> {
        self.0.checked_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_the_start_and_the_budget() {
        let start = Instant::now();
        let deadline = Budget::from_millis(250).deadline(start);
        assert_eq!(deadline.left(start), Some(Duration::from_millis(250)));
        assert_eq!(deadline.left(start + Duration::from_millis(251)), None);
        assert!(deadline < Budget::from_millis(300).deadline(start));
    }
}

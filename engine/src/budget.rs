//! Budgets (allowed durations) and deadlines (instants). No clock is read here.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::event::EventKind;

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

/// What a feed promises of its events: the usual budgets, but for those that were set for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budgets(BTreeMap<EventKind, Budget>);

impl Budgets {
    /// The budget of a type. `None`: it is no reaction to audio.
    #[must_use]
    pub fn of(&self, kind: EventKind) -> Option<Budget> {
        self.0.get(&kind).copied().or_else(|| kind.budget())
    }
}

/// Those that are set, in place of the usual ones.
impl FromIterator<(EventKind, Budget)> for Budgets {
    fn from_iter<I: IntoIterator<Item = (EventKind, Budget)>>(set: I) -> Self {
        Self(set.into_iter().collect())
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
    fn what_is_not_set_is_as_usual() {
        let budgets: Budgets = [(EventKind::Gap, Budget::from_millis(7))].into_iter().collect();
        assert_eq!(budgets.of(EventKind::Gap), Some(Budget::from_millis(7)));
        assert_eq!(budgets.of(EventKind::Segment), EventKind::Segment.budget());
        assert_eq!(budgets.of(EventKind::Heartbeat), None);
    }

    #[test]
    fn a_deadline_is_the_start_and_the_budget() {
        let start = Instant::now();
        let deadline = Budget::from_millis(250).deadline(start);
        assert_eq!(deadline.left(start), Some(Duration::from_millis(250)));
        assert_eq!(deadline.left(start + Duration::from_millis(251)), None);
        assert!(deadline < Budget::from_millis(300).deadline(start));
    }
}

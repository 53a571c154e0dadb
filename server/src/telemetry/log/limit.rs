//! How often the same message may be logged: a burst, then one now and then, with the number of those left out. Reads no clock.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Messages of a class that may come at once.
pub(super) const BURST: u32 = 10;
/// Time after which there may be one more.
pub(super) const EVERY: Duration = Duration::from_secs(10);
/// Classes that are remembered. Beyond, all feeds of a place in the program share one class.
const CLASSES_MAX: usize = 1_024;

/// What counts as the same message: a place in the program, and the feed that it speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Class {
    /// As `tracing` names it: file and line.
    pub(super) callsite: &'static str,
    pub(super) feed: Option<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Limits(HashMap<Class, Bucket>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// When it is full again (the virtual scheduling algorithm of ITU-T I.371, annex A).
    full_at: Instant,
    n_left_out: u64,
}

impl Bucket {
    const fn new(now: Instant) -> Self {
        Self { full_at: now, n_left_out: 0 }
    }

    /// `Some`: one may be logged, and so many were left out before it.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        let full_at = self.full_at.max(now);
        if full_at.duration_since(now) > EVERY * (BURST - 1) {
            self.n_left_out += 1;
            return None;
        }
        self.full_at = full_at + EVERY;
        Some(std::mem::take(&mut self.n_left_out))
    }
}

impl Limits {
    /// Whether one of `class` may be logged at `now`; then, how many of it were left out before.
    pub(super) fn admit(&mut self, class: Class, now: Instant) -> Option<u64> {
        let class = self.known(class, now);
        self.0.entry(class).or_insert_with(|| Bucket::new(now)).admit(now)
    }

    /// The class, or where there is no room for it the one of its callsite.
    fn known(&mut self, class: Class, now: Instant) -> Class {
        if self.0.len() < CLASSES_MAX || self.0.contains_key(&class) {
            return class;
        }
        self.0.retain(|_, bucket| bucket.full_at > now);
        if self.0.len() < CLASSES_MAX { class } else { Class { feed: None, ..class } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(feed: &str) -> Class {
        Class { callsite: "event a.rs:1", feed: Some(feed.to_owned()) }
    }

    #[test]
    fn after_a_burst_there_is_one_now_and_then_with_the_number_of_the_others() {
        let (mut limits, start) = (Limits::default(), Instant::now());
        let mut logged = Vec::new();
        // A feed that flaps once a second for two minutes.
        for second in 0..120 {
            let now = start + Duration::from_secs(second);
            logged.extend(limits.admit(class("a"), now).map(|n_left_out| (second, n_left_out)));
        }
        let (burst, rest) = logged.split_at(11);
        // One more within the burst: ten seconds have passed meanwhile.
        assert!(burst.iter().all(|(_, n_left_out)| *n_left_out == 0), "{burst:?}");
        assert!(rest.iter().all(|(_, n_left_out)| *n_left_out == 9), "{rest:?}");
        assert_eq!(rest.len(), 10);
        // Another feed has its own burst, and a quiet hour gives the first one a new one.
        let later = start + Duration::from_secs(3_600);
        assert_eq!(limits.admit(class("b"), later), Some(0));
        let again: Vec<_> = (0..11).map(|_| limits.admit(class("a"), later)).collect();
        assert_eq!((again[0], again[9], again[10]), (Some(9), Some(0), None));
    }

    #[test]
    fn a_night_of_flapping_is_a_few_thousand_lines() {
        let (mut limits, start) = (Limits::default(), Instant::now());
        let night = (0..8 * 3_600 * 10).map(|tenth| start + Duration::from_millis(tenth * 100));
        let n_logged = night.filter_map(|now| limits.admit(class("a"), now)).count() as u64;
        assert!(n_logged <= u64::from(BURST) + 8 * 3_600 / EVERY.as_secs(), "{n_logged}");
    }

    #[test]
    fn classes_are_bounded_and_idle_ones_are_forgotten() {
        let (mut limits, start) = (Limits::default(), Instant::now());
        let n_admitted = (0..10_000).filter_map(|n| limits.admit(class(&n.to_string()), start)).count();
        assert!(limits.0.len() <= CLASSES_MAX + 1, "{}", limits.0.len());
        assert_eq!(n_admitted, CLASSES_MAX + BURST as usize);
        let later = start + EVERY * 2;
        assert_eq!(limits.admit(class("new"), later), Some(0));
        assert!(limits.0.len() < 10, "{}", limits.0.len());
    }
}

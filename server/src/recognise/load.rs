//! How busy the recognisers are, and how often partials may be asked for because of that. No clock: time is passed in.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use super::mailbox::Due;

/// Between two judgements, microseconds.
const PERIOD: u64 = 1_000_000;
/// Share of the recognisers' time, in thousandths, above which partials become rarer, and below which they become more
/// frequent. A step changes the load by about the ratio of the two: it does not go back and forth for ever.
const BUSY: u32 = 920;
const IDLE: u32 = 780;
/// Steps: the time between partials in tenths of the configured one; after the last there are none.
const STEPS: [u64; 8] = [10, 12, 14, 17, 20, 24, 29, 35];

/// How often partials may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At this many tenths of the configured interval, from 10 on.
    Tenths(u64),
    /// Not at all.
    None,
}

/// Judges the load and sets the pace, for all feeds alike.
#[derive(Debug)]
pub(super) struct Load {
    n_recognisers: u64,
    busy: AtomicU64,
    judged_at: AtomicU64,
    judged_busy: AtomicU64,
    /// Thousandths.
    load: AtomicU32,
    step: AtomicU8,
}

impl Load {
    /// Of `n_recognisers`, at least one.
    pub(super) fn new(n_recognisers: usize) -> Self {
        Self {
            n_recognisers: n_recognisers.max(1) as u64,
            busy: AtomicU64::new(0),
            judged_at: AtomicU64::new(0),
            judged_busy: AtomicU64::new(0),
            load: AtomicU32::new(0),
            step: AtomicU8::new(0),
        }
    }

    /// A recogniser was busy for `micros` until `now`.
    pub(super) fn note(&self, micros: u64, now: Due) {
        let busy = self.busy.fetch_add(micros, Ordering::AcqRel) + micros;
        let since = self.judged_at.load(Ordering::Acquire);
        let elapsed = now.saturating_sub(since);
        let is_mine = elapsed >= PERIOD
            && self.judged_at.compare_exchange(since, now, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if is_mine {
            let before = self.judged_busy.swap(busy, Ordering::AcqRel);
            self.judge(busy.saturating_sub(before) * 1_000 / (elapsed * self.n_recognisers));
        }
    }

    fn judge(&self, thousandths: u64) {
        let now = u32::try_from(thousandths).unwrap_or(u32::MAX).min(1_000);
        // Half of what was: two seconds of a burst do not count, four do.
        let load = (self.load.load(Ordering::Acquire) + now) / 2;
        self.load.store(load, Ordering::Release);
        let step = self.step.load(Ordering::Acquire);
        let step = match load {
            BUSY.. => (step + 1).min(STEPS.len() as u8),
            IDLE..BUSY => step,
            _ => step.saturating_sub(1),
        };
        self.step.store(step, Ordering::Release);
    }

    /// What partials may cost now.
    pub(super) fn pace(&self) -> Pace {
        let step = usize::from(self.step.load(Ordering::Acquire));
        STEPS.get(step).map_or(Pace::None, |tenths| Pace::Tenths(*tenths))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pace after seconds with this share of two recognisers' time, in percent.
    fn paces(seconds: &[u64]) -> Vec<Pace> {
        let load = Load::new(2);
        let mut now = 0;
        let second = |percent: &u64| {
            now += PERIOD;
            load.note(percent * 10_000, now - PERIOD / 2);
            load.note(percent * 10_000, now);
            load.pace()
        };
        seconds.iter().map(second).collect()
    }

    #[test]
    fn partials_become_rarer_while_it_is_busy_and_come_back() {
        use Pace::{None, Tenths};
        let busy = [100; 13];
        let expected = [10, 10, 10, 12, 14, 17, 20, 24, 29, 35].map(Tenths);
        assert_eq!(paces(&busy)[..10], expected);
        assert_eq!(paces(&busy)[11..], [None, None], "at last there are none");
        assert_eq!(paces(&[100, 0, 100, 0, 100, 0]).last(), Some(&Tenths(10)), "bursts do not count");
        let back = paces(&[100, 100, 100, 100, 100, 100, 80, 80, 80, 20, 20, 20, 20, 20]);
        assert_eq!(back[5..], [17, 17, 17, 17, 14, 12, 10, 10, 10].map(Tenths), "{back:?}");
    }
}

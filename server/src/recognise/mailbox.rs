//! A feed's jobs that wait for a recogniser: some finals and the newest partial, each with its deadline. One thread puts
//! in, many take out; nobody waits and nothing locks.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::queue::ArrayQueue;

/// No job.
const EMPTY: u64 = u64::MAX;

/// When a job is due, in microseconds of a clock that all who use the mailbox share. Below `u64::MAX`.
pub(super) type Due = u64;

/// One job with its deadline.
struct Slot<J> {
    due: AtomicU64,
    job: ArrayQueue<J>,
}

impl<J> Slot<J> {
    fn new() -> Self {
        Self { due: AtomicU64::new(EMPTY), job: ArrayQueue::new(1) }
    }

    /// The job comes before its deadline, so that whoever sees the deadline finds a job: this one or a newer one.
    fn put(&self, due: Due, job: J) -> Result<(), J> {
        self.job.push(job)?;
        self.due.store(due, Ordering::Release);
        Ok(())
    }

    /// The deadline of what is replaced stays: what it would have shown is still not shown.
    fn replace(&self, due: Due, job: J) -> Option<J> {
        let old_due = self.due.load(Ordering::Acquire);
        let old = self.job.force_push(job);
        let due = if old.is_some() { due.min(old_due) } else { due };
        self.due.store(due, Ordering::Release);
        old
    }

    fn due(&self) -> Option<Due> {
        Some(self.due.load(Ordering::Acquire)).filter(|due| *due != EMPTY)
    }

    /// `None`: somebody else took it. A deadline without a job is left behind when a partial is taken while it is being
    /// replaced; it is cleared here.
    fn take(&self, due: Due) -> Option<J> {
        self.due.compare_exchange(due, EMPTY, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        self.job.pop()
    }
}

/// A job that can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// When it is due.
    pub(super) due: Due,
    /// Whether it is a partial.
    pub(super) is_partial: bool,
    slot: usize,
}

/// Jobs that wait.
pub(super) struct Mailbox<J> {
    /// The partial's, then those of finals.
    slots: Box<[Slot<J>]>,
}

impl<J> Mailbox<J> {
    /// With room for `n_finals`.
    pub(super) fn new(n_finals: usize) -> Self {
        Self { slots: (0..=n_finals).map(|_| Slot::new()).collect() }
    }

    /// Puts a final in. `Err` gives it back: too many wait.
    pub(super) fn put_final(&self, due: Due, job: J) -> Result<(), J> {
        let mut job = job;
        for slot in self.slots.iter().skip(1) {
            match slot.put(due, job) {
                Ok(()) => return Ok(()),
                Err(back) => job = back,
            }
        }
        Err(job)
    }

    /// Puts a partial in, and gives back the one that still waited.
    pub(super) fn put_partial(&self, due: Due, job: J) -> Option<J> {
        self.slots.first().and_then(|slot| slot.replace(due, job))
    }

    /// Whether a partial waits.
    pub(super) fn has_partial(&self) -> bool {
        self.slots.first().is_some_and(|slot| !slot.job.is_empty())
    }

    /// Takes the partial back.
    pub(super) fn take_partial(&self) -> Option<J> {
        let slot = self.slots.first()?;
        slot.due().and_then(|due| slot.take(due))
    }

    /// What waits, in no order.
    pub(super) fn offers(&self) -> impl Iterator<Item = Offer> {
        let offer = |(slot, waiting): (usize, &Slot<J>)| {
            waiting.due().map(|due| Offer { due, is_partial: slot == 0, slot })
        };
        self.slots.iter().enumerate().filter_map(offer)
    }

    /// Takes what was offered. `None`: somebody else did.
    pub(super) fn take(&self, offer: Offer) -> Option<J> {
        self.slots.get(offer.slot).and_then(|slot| slot.take(offer.due))
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| slot.job.is_empty())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    fn offered<J>(mailbox: &Mailbox<J>) -> Vec<(Due, bool)> {
        let mut offers: Vec<_> = mailbox.offers().map(|offer| (offer.due, offer.is_partial)).collect();
        offers.sort_unstable();
        offers
    }

    #[test]
    fn finals_wait_until_there_is_no_room_and_the_newest_partial_replaces_the_last() {
        let mailbox = Mailbox::new(2);
        assert_eq!((mailbox.put_final(30, "a"), mailbox.put_final(20, "b")), (Ok(()), Ok(())));
        assert_eq!(mailbox.put_final(10, "c"), Err("c"));
        assert_eq!((mailbox.put_partial(5, "p"), mailbox.put_partial(6, "q")), (None, Some("p")));
        assert_eq!(offered(&mailbox), [(5, true), (20, false), (30, false)]);
        let first = mailbox.offers().min_by_key(|offer| offer.due).unwrap();
        assert_eq!((mailbox.take(first), mailbox.take(first)), (Some("q"), None));
        assert_eq!(mailbox.take_partial(), None);
        for expected in ["b", "a"] {
            let next = mailbox.offers().min_by_key(|offer| offer.due).unwrap();
            assert_eq!(mailbox.take(next), Some(expected));
        }
        assert!(mailbox.is_empty() && mailbox.offers().next().is_none());
        assert_eq!(mailbox.put_final(40, "d"), Ok(()));
    }

    #[test]
    fn with_many_takers_each_final_is_taken_once_and_partials_come_in_order() {
        const N: u64 = 20_000;
        let (mailbox, done) = (Mailbox::new(4), AtomicBool::new(false));
        let taken: Vec<Vec<(bool, u64)>> = thread::scope(|scope| {
            let take = || {
                let mut taken = Vec::new();
                loop {
                    let is_over = done.load(Ordering::Acquire);
                    let job = mailbox.offers().min_by_key(|offer| offer.due).and_then(|o| mailbox.take(o));
                    match job {
                        Some(job) => taken.push(job),
                        None if is_over && mailbox.offers().next().is_none() => return taken,
                        None => thread::yield_now(),
                    }
                }
            };
            let takers: Vec<_> = (0..3).map(|_| scope.spawn(take)).collect();
            for n in 0..N {
                let mut job = (false, n);
                while let Err(back) = mailbox.put_final(n, job) {
                    job = back;
                    thread::yield_now();
                }
                let _ = mailbox.put_partial(n, (true, n));
            }
            done.store(true, Ordering::Release);
            takers.into_iter().map(|taker| taker.join().unwrap()).collect()
        });
        assert!(mailbox.is_empty());
        let mut finals: Vec<u64> = taken.iter().flatten().filter(|job| !job.0).map(|job| job.1).collect();
        finals.sort_unstable();
        assert_eq!(finals, (0..N).collect::<Vec<_>>());
        let mut partials: Vec<u64> = taken.iter().flatten().filter(|job| job.0).map(|job| job.1).collect();
        partials.sort_unstable();
        assert!(partials.windows(2).all(|pair| pair[0] < pair[1]), "none is taken twice");
        assert_eq!(partials.last(), Some(&(N - 1)), "the last one is not lost");
    }
}

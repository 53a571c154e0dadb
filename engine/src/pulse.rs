//! Signs of life: somebody asks, and a thread answers when it next comes round. Waits for nothing and knows no time: how long is
//! too long, the one who asks decides.

use std::sync::atomic::{AtomicU64, Ordering};

/// Questions and answers between one who asks and one thread.
#[derive(Debug, Default)]
pub struct Pulse {
    n_asked: AtomicU64,
    n_answered: AtomicU64,
}

impl Pulse {
    /// Asks. Whoever is to answer has to be woken, where it sleeps.
    pub fn ask(&self) {
        self.n_asked.fetch_add(1, Ordering::Release);
    }

    /// Answers everything that was asked so far; called by the thread at a place that it passes only while it works.
    pub fn answer(&self) {
        self.n_answered.store(self.n_asked.load(Ordering::Acquire), Ordering::Release);
    }

    /// Whether everything is answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.n_answered.load(Ordering::Acquire) >= self.n_asked.load(Ordering::Acquire)
    }
}

#[test]
fn it_is_answered_until_it_is_asked_and_again_once_somebody_answers() {
    let pulse = Pulse::default();
    assert!(pulse.is_answered());
    pulse.ask();
    pulse.ask();
    assert!(!pulse.is_answered());
    pulse.answer();
    assert!(pulse.is_answered());
    pulse.ask();
    assert!(!pulse.is_answered());
}

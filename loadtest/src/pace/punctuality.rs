//! How punctual this program was, counted by all feeds of one thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::measure::{Generator, Latencies};

/// A handle to the count of one thread; clones count into the same.
#[derive(Clone, Debug)]
pub struct Punctuality(Rc<RefCell<Generator>>);

impl Punctuality {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let (n_pieces, n_held_back, cpu) = (0, 0, Duration::ZERO);
        Self(Rc::new(RefCell::new(Generator { lateness: Latencies::new(), n_pieces, n_held_back, cpu })))
    }

    /// A piece was sent so long after it was to be.
    pub fn sent(&self, late_by: Duration) {
        let mut counts = self.0.borrow_mut();
        counts.lateness.record(late_by);
        counts.n_pieces += 1;
    }

    /// A piece was sent late because the server had not taken its predecessor when it was due.
    pub fn held_back(&self) {
        let mut counts = self.0.borrow_mut();
        counts.n_held_back += 1;
        counts.n_pieces += 1;
    }

    /// The count so far. `cpu` is left to who knows the thread ([`crate::transport::thread_cpu`]).
    #[must_use]
    pub fn count(&self) -> Generator {
        self.0.borrow().clone()
    }

    /// Forgets: the warm-up is over.
    pub fn reset(&self) {
        *self.0.borrow_mut() = Self::new().count();
    }
}

impl Default for Punctuality {
    fn default() -> Self {
        Self::new()
    }
}

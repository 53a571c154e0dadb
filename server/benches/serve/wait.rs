//! Waiting for moments.

use std::time::{Duration, Instant};

use crossbeam::sync::Parker;

/// Waits until `due`.
pub(crate) fn until(due: Instant) {
    let parker = Parker::new();
    while Instant::now() < due {
        parker.park_deadline(due);
    }
}

/// Calls `is_it` each 100 ms until it holds, at most for `patience`. Whether it did.
pub(crate) fn until_it(patience: Duration, mut is_it: impl FnMut() -> bool) -> bool {
    let give_up_at = Instant::now() + patience;
    while !is_it() {
        if Instant::now() >= give_up_at {
            return false;
        }
        until(Instant::now() + Duration::from_millis(100));
    }
    true
}

/// Calls `look` every `period` for `length`, with the time since the beginning.
pub(crate) fn looking(length: Duration, period: Duration, mut look: impl FnMut(Duration)) {
    let began = Instant::now();
    let mut due = began + period;
    while due < began + length {
        until(due);
        look(began.elapsed());
        due += period;
    }
    until(began + length);
}

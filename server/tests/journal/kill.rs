//! G1: kill -9 at any instant. What was shown is there, and goes on.

use std::time::Duration;

use crate::child::{Witness, check_kept};
use crate::support::{Random, count_of};

#[test]
fn nothing_that_was_shown_is_lost_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(std::process::id().into());
    let mut n_seen = 0;
    for n in 0..count_of("AIRCHECK_KILLS", 60, 500) {
        // A new file now and then: the first moments of a journal are as dangerous as any.
        let path = folder.path().join(format!("{}/journal.db", n / 10));
        let mut witness = Witness::start(&path, false);
        let n_events = usize::try_from(random.below(300)).unwrap();
        witness.see(n_events, Duration::from_micros(random.below(20_000)));
        let seen = witness.kill();
        n_seen += seen.len();
        if path.exists() {
            check_kept(&path, &seen);
        } else {
            assert!(seen.is_empty());
        }
    }
    assert!(n_seen > 1_000, "{n_seen} events were seen: the child does nothing");
}

//! Signals ask for an end instead of being one. A process of its own: a signal concerns all of it.

use std::time::Duration;

use loadtest::mode::Stop;
use rustix::process::{Signal, getpid, kill_process};

#[test]
fn sigterm_asks_for_an_end() -> Result<(), Box<dyn std::error::Error>> {
    let stop = Stop::on_signals()?;
    assert!(!stop.is_asked());
    kill_process(getpid(), Signal::TERM)?;
    // Long enough for any machine; it returns as soon as the signal is there.
    stop.wait(Duration::from_secs(60));
    assert!(stop.is_asked());
    Ok(())
}

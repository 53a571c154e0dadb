//! Asks what runs to end: a flag that signals set, and that can be waited for.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// Cheap to clone; all clones are one. Whoever plays looks at [`Stop::is_asked`] at least once a second, ends as at the end
/// of a run, and cleans up.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// One that SIGINT and SIGTERM ask; a second signal kills, for those who cannot wait.
    pub fn on_signals() -> Result<Self, Failure> {
        let stop = Self::default();
        let asked = stop.clone();
        let failed = |error: std::io::Error| Failure::runtime("signals", error);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (mut interrupt, mut terminate) = {
            let _entered = runtime.enter();
            (
                signal(SignalKind::interrupt()).map_err(failed)?,
                signal(SignalKind::terminate()).map_err(failed)?,
            )
        };
        let wait = move || {
            runtime.block_on(async {
                loop {
                    tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
                    if asked.is_asked() {
                        // It fails for nobody but oneself, who is there.
                        let _ = rustix::process::kill_process(
                            rustix::process::getpid(),
                            rustix::process::Signal::KILL,
                        );
                    }
                    asked.ask();
                }
            });
        };
        thread::Builder::new().name("signals".to_owned()).spawn(wait).map_err(failed)?;
        Ok(stop)
    }

    /// Asks.
    pub fn ask(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits so long, or until somebody asks.
    pub fn wait(&self, length: Duration) {
        let asked = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.0.1.wait_timeout_while(asked, length, |asked| !*asked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_woken() {
        let stop = Stop::default();
        let other = stop.clone();
        assert!(!stop.is_asked());
        thread::scope(|scope| {
            scope.spawn(|| other.ask());
            stop.wait(Duration::from_secs(600));
        });
        assert!(stop.is_asked());
        stop.wait(Duration::from_secs(600));
    }
}

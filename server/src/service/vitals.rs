//! Whether the service does its work: the parts without which it is of no use are asked for signs of life, and the service
//! manager's watchdog is fed while all of them answer. Ends nothing itself.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::sync::{Parker, Unparker};
use engine::pulse::Pulse;
use tokio::runtime::Handle;

use super::notify::Notify;
use crate::host::Host;
use crate::journal::Journal;
use crate::publish::Hub;
use crate::telemetry;

/// How long an answer may take where no watchdog says otherwise: far longer than anything that happens on a machine that is only busy.
const USUAL: Duration = Duration::from_secs(10);
/// Of the time of the watchdog, what an answer may take; and what lies between two questions.
const BOUND_PARTS: u32 = 3;
const ROUND_PARTS: u32 = 12;

/// A part of the service that has to go on.
pub trait Vital: Send + Sync {
    /// Its name, for people and metrics.
    fn name(&self) -> &'static str;

    /// Asks for a sign of life.
    fn ask(&self);

    /// Whether it has given one since.
    fn has_answered(&self) -> bool;
}

/// How long may be waited, and who is told.
#[derive(Debug)]
pub struct VitalsConfig {
    /// Longest time that an answer may take.
    pub bound: Duration,
    /// Time between two questions.
    pub round: Duration,
    /// Whose watchdog is fed.
    pub notify: Arc<Notify>,
}

impl VitalsConfig {
    /// For a watchdog that has to be fed every so often, if there is one.
    #[must_use]
    pub fn new(watchdog: Option<Duration>, notify: Arc<Notify>) -> Self {
        let bound = watchdog.map_or(USUAL, |every| every / BOUND_PARTS);
        Self { bound, round: bound * BOUND_PARTS / ROUND_PARTS, notify }
    }
}

/// A part that has not answered for longer than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Which.
    pub part: &'static str,
    /// For how long it has been asked.
    pub since: Duration,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has not answered for {:.1?}", self.part, self.since)
    }
}

/// See the module. Its thread ends when it is dropped.
pub struct Vitals {
    shared: Arc<Shared>,
    unparker: Unparker,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    parts: Vec<Part>,
    config: VitalsConfig,
    is_over: AtomicBool,
}

struct Part {
    vital: Box<dyn Vital>,
    /// When it was asked what it has not answered, as far as is known.
    asked_at: Mutex<Option<Instant>>,
}

impl Vitals {
    /// Asks `vitals` from now on; `status` says in one line how the service is.
    pub fn start(
        vitals: Vec<Box<dyn Vital>>,
        config: VitalsConfig,
        status: impl Fn() -> String + Send + 'static,
    ) -> io::Result<Self> {
        let parts = vitals.into_iter().map(|vital| Part { vital, asked_at: Mutex::default() }).collect();
        let shared = Arc::new(Shared { parts, config, is_over: AtomicBool::new(false) });
        let parker = Parker::new();
        let unparker = parker.unparker().clone();
        let watching = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("vitals".into())
            .spawn(move || watch(&watching, &parker, &status))?;
        Ok(Self { shared, unparker, thread: Some(thread) })
    }

    /// What is stuck now. Waits for nothing.
    #[must_use]
    pub fn stuck(&self) -> Vec<Stuck> {
        self.shared.stuck(Instant::now())
    }
}

impl Drop for Vitals {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        self.unparker.unpark();
        // One that waits for a part that is stuck would wait for ever, and this with it.
        if let Some(thread) = self.thread.take()
            && self.stuck().is_empty()
        {
            let _ = thread.join();
        }
    }
}

fn watch(shared: &Shared, parker: &Parker, status: &dyn Fn() -> String) {
    let (notify, round) = (&shared.config.notify, shared.config.round);
    let mut told = String::new();
    while !shared.is_over.load(Ordering::Acquire) {
        let due = Instant::now() + round;
        shared.ask(Instant::now());
        let stuck = shared.stuck(Instant::now());
        match stuck.first() {
            None => notify.alive(),
            Some(first) => tracing::error!("{first}: the watchdog is not fed"),
        }
        shared.count(&stuck);
        if notify.is_heard() {
            let now = stuck.first().map_or_else(status, ToString::to_string);
            if now != told {
                notify.status(&now);
                told = now;
            }
        }
        parker.park_deadline(due);
    }
}

impl Shared {
    /// Asks everybody who has answered.
    fn ask(&self, now: Instant) {
        for part in &self.parts {
            if part.pending().is_none() {
                *part.asked_at() = Some(now);
                // May wait as well, for a lock that somebody holds: then it has not answered.
                part.vital.ask();
            }
        }
    }

    fn stuck(&self, now: Instant) -> Vec<Stuck> {
        let waits = self.parts.iter().filter_map(|part| {
            let since = now.saturating_duration_since(part.pending()?);
            Some(Stuck { part: part.vital.name(), since })
        });
        waits.filter(|stuck| stuck.since > self.config.bound).collect()
    }

    fn count(&self, stuck: &[Stuck]) {
        for part in &self.parts {
            let name = part.vital.name();
            telemetry::vital(name, stuck.iter().all(|stuck| stuck.part != name));
        }
    }
}

impl Part {
    fn asked_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.asked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when an answer is waited for.
    fn pending(&self) -> Option<Instant> {
        let asked_at = *self.asked_at();
        asked_at.filter(|_| !self.vital.has_answered())
    }
}

/// What the service cannot do without.
#[must_use]
pub fn of_service(
    journal: Arc<Journal>,
    hub: Arc<Hub>,
    host: Arc<Host>,
    runtime: Handle,
) -> Vec<Box<dyn Vital>> {
    let sockets = Sockets { runtime, pulse: Arc::default() };
    vec![
        Box::new(journal),
        Box::new(Showing { hub, pulse: Pulse::default() }),
        Box::new(host),
        Box::new(sockets),
    ]
}

impl Vital for Arc<Journal> {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn ask(&self) {
        Journal::ask(self);
    }

    fn has_answered(&self) -> bool {
        Journal::has_answered(self)
    }
}

impl Vital for Arc<Host> {
    fn name(&self) -> &'static str {
        "workers"
    }

    fn ask(&self) {
        Host::ask(self);
    }

    fn has_answered(&self) -> bool {
        Host::has_answered(self)
    }
}

/// The hub: it answers by being asked, unless somebody holds what it needs.
struct Showing {
    hub: Arc<Hub>,
    pulse: Pulse,
}

impl Vital for Showing {
    fn name(&self) -> &'static str {
        "hub"
    }

    fn ask(&self) {
        self.pulse.ask();
        self.hub.probe();
        self.pulse.answer();
    }

    fn has_answered(&self) -> bool {
        self.pulse.is_answered()
    }
}

/// The threads that serve all sockets.
struct Sockets {
    runtime: Handle,
    pulse: Arc<Pulse>,
}

impl Vital for Sockets {
    fn name(&self) -> &'static str {
        "sockets"
    }

    fn ask(&self) {
        self.pulse.ask();
        let pulse = Arc::clone(&self.pulse);
        self.runtime.spawn(async move { pulse.answer() });
    }

    fn has_answered(&self) -> bool {
        self.pulse.is_answered()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str, Arc<Pulse>);

    impl Vital for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn ask(&self) {
            self.1.ask();
        }

        fn has_answered(&self) -> bool {
            self.1.is_answered()
        }
    }

    #[test]
    fn who_does_not_answer_within_the_bound_is_stuck_until_it_does() {
        let (quick, slow) = (Arc::new(Pulse::default()), Arc::new(Pulse::default()));
        let vitals = [Named("quick", Arc::clone(&quick)), Named("slow", Arc::clone(&slow))];
        let parts =
            vitals.map(|vital| Part { vital: Box::new(vital) as Box<dyn Vital>, asked_at: Mutex::default() });
        let config = VitalsConfig::new(Some(Duration::from_secs(30)), Arc::default());
        assert_eq!((config.bound, config.round), (Duration::from_secs(10), Duration::from_millis(2_500)));
        let shared = Shared { parts: parts.into(), config, is_over: AtomicBool::new(false) };
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        shared.ask(at(0));
        quick.answer();
        shared.ask(at(9));
        quick.answer();
        assert_eq!(shared.stuck(at(10)), []);
        let stuck = Stuck { part: "slow", since: Duration::from_secs(11) };
        assert_eq!(shared.stuck(at(11)), [stuck]);
        assert_eq!(stuck.to_string(), "slow has not answered for 11.0s");
        slow.answer();
        assert_eq!(shared.stuck(at(11)), []);
        // The next question counts from when it is asked.
        shared.ask(at(20));
        assert_eq!(shared.stuck(at(30)), []);
        assert_eq!(shared.stuck(at(31)).len(), 2);
    }
}

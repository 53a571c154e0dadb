//! A server as a process, with all that it started: what it takes, and what is done to it. Knows no protocol.

mod lines;
mod tree;

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::Pid;

use self::lines::Lines;
pub use self::tree::MemoryKind;
use self::tree::{Stat, Taken};
use crate::failure::Failure;
use crate::measure::Machine;

/// A killed process is gone within it, on a machine however busy.
const DEATH_PATIENCE: Duration = Duration::from_secs(30);
/// Between the end of what a process says and its own, either way round.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What an error quotes of what the process said, lines.
const QUOTED_LINES: usize = 10;

/// A running server. One that was started here is killed with the value; one that was not is left running.
#[derive(Debug)]
pub struct Process {
    origin: Origin,
    root: Pid,
    /// Tells it apart from a later process of the same number.
    started: u64,
    is_frozen: bool,
    /// Processor time of earlier lives, and of this one as last seen.
    cpu_before: Duration,
    cpu_seen: Duration,
    /// Processor time when it began to count.
    cpu_base: Duration,
    memory_kind: MemoryKind,
}

#[derive(Debug)]
enum Origin {
    Started { launch: Launch, child: Child, lines: Lines },
    Attached,
}

#[derive(Clone, Debug)]
struct Launch {
    command: Vec<String>,
    env: Vec<(String, String)>,
}

impl Launch {
    fn start(self) -> Result<Origin, Failure> {
        let [program, arguments @ ..] = self.command.as_slice() else {
            return Err(Failure::Usage("no command for the server".into()));
        };
        let mut command = Command::new(program);
        command.args(arguments).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Failure::runtime(program, error))?;
        let lines = child.stderr.take().map_or_else(|| Ok(Lines::default()), Lines::of)?;
        Ok(Origin::Started { launch: self, child, lines })
    }
}

impl Process {
    /// Starts `command` (a program and its arguments) with the variables `env` beside those of this program. Its
    /// standard output is dropped; of its standard error the last lines are kept.
    pub fn spawn(command: &[String], env: &[(String, String)]) -> Result<Self, Failure> {
        let origin = Launch { command: command.to_vec(), env: env.to_vec() }.start()?;
        let root = match &origin {
            Origin::Started { child, .. } => Pid::from_child(child),
            Origin::Attached => return Err(Failure::Usage("not started".into())),
        };
        Ok(Self::new(origin, root))
    }

    /// The process `pid`, which runs already.
    pub fn attach(pid: u32) -> Result<Self, Failure> {
        let nobody = || Failure::Usage(format!("there is no process {pid}"));
        let root = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(nobody)?;
        Stat::of(root).ok_or_else(nobody)?;
        let mut process = Self::new(Origin::Attached, root);
        process.count_from_here();
        Ok(process)
    }

    fn new(origin: Origin, root: Pid) -> Self {
        Self {
            origin,
            root,
            started: Stat::of(root).map_or(0, |stat| stat.started),
            is_frozen: false,
            cpu_before: Duration::ZERO,
            cpu_seen: Duration::ZERO,
            cpu_base: Duration::ZERO,
            memory_kind: MemoryKind::Proportional,
        }
    }

    /// Number of the first process.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.root.as_raw_nonzero().get().unsigned_abs()
    }

    /// Whether the first process lives.
    #[must_use]
    pub fn is_running(&self) -> bool {
        Stat::of(self.root).is_some_and(|stat| stat.started == self.started)
    }

    /// Fails if the first process has ended, with how and with its last words.
    pub fn check(&mut self) -> Result<(), Failure> {
        if self.is_running() {
            return Ok(());
        }
        Err(self.ended())
    }

    /// The last lines of its standard error, in order; none of a process that was not started here.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        match &self.origin {
            Origin::Started { lines, .. } => lines.last(),
            Origin::Attached => Vec::new(),
        }
    }

    /// Waits, blocking, for a line of its standard error with `what` in it, at most `patience`.
    pub fn until_said(&mut self, what: &str, patience: Duration) -> Result<String, Failure> {
        let Origin::Started { lines, .. } = &self.origin else {
            return Err(Failure::Usage(format!("process {} is not ours to listen to", self.root)));
        };
        if let Some(line) = lines.until(what, patience) {
            return Ok(line);
        }
        if lines.is_over() {
            // It is about to end, unless it only closed its standard error.
            tree::await_end(self.root, LAST_WORDS);
        }
        self.check()?;
        let quoted = self.quoted();
        Err(Failure::Runtime(format!(
            "the server did not say {what:?} within {patience:?}; it said:\n{quoted}"
        )))
    }

    /// Stops all its processes (SIGSTOP), until [`Self::thaw`].
    pub fn freeze(&mut self) -> Result<(), Failure> {
        self.check()?;
        self.is_frozen = true;
        tree::stop(self.root);
        Ok(())
    }

    /// Lets them run on.
    pub fn thaw(&mut self) -> Result<(), Failure> {
        self.is_frozen = false;
        self.check()?;
        tree::go_on(self.root);
        Ok(())
    }

    /// Kills all its processes (SIGKILL), and waits, blocking, until they are gone.
    pub fn kill(&mut self) -> Result<(), Failure> {
        self.check()?;
        self.is_frozen = false;
        self.look();
        let is_gone = tree::kill(self.root, DEATH_PATIENCE);
        if let Origin::Started { child, .. } = &mut self.origin {
            child.wait().map_err(|error| Failure::runtime("waiting for the server's end", error))?;
        }
        let why = || {
            Failure::Runtime(format!("process {} is not gone {DEATH_PATIENCE:?} after SIGKILL", self.root))
        };
        is_gone.then_some(()).ok_or_else(why)
    }

    /// Starts it again, as it was started, killed first if it runs.
    pub fn restart(&mut self) -> Result<(), Failure> {
        let Origin::Started { launch, .. } = &self.origin else {
            let who = format!("process {} was not started here, and cannot be started again", self.root);
            return Err(Failure::Usage(who));
        };
        let launch = launch.clone();
        if self.is_running() {
            self.kill()?;
        }
        let mut next = Self::spawn(&launch.command, &launch.env)?;
        next.cpu_before = self.cpu_before + self.cpu_seen;
        next.cpu_base = self.cpu_base;
        *self = next;
        Ok(())
    }

    /// Counts processor time from now on.
    pub fn count_from_here(&mut self) {
        self.look();
        self.cpu_base = self.cpu_before + self.cpu_seen;
    }

    /// What it takes, `at` so long since the run began. Processor time is that of all its lives since it was started,
    /// or since [`Self::count_from_here`].
    pub fn sample(&mut self, at: Duration) -> Machine {
        let taken = self.look();
        let cpu = (self.cpu_before + self.cpu_seen).saturating_sub(self.cpu_base);
        Machine { at, memory: taken.memory, n_files: taken.n_files, cpu }
    }

    /// What memory meant when it was last looked at.
    #[must_use]
    pub const fn memory_kind(&self) -> MemoryKind {
        self.memory_kind
    }

    fn look(&mut self) -> Taken {
        let taken = Taken::by(self.root);
        if taken.n_processes > 0 {
            self.memory_kind = taken.kind;
        }
        // Of children that ended without being waited for nobody knows any more.
        self.cpu_seen = self.cpu_seen.max(taken.cpu);
        taken
    }

    fn ended(&mut self) -> Failure {
        let Origin::Started { child, lines, .. } = &mut self.origin else {
            return Failure::Runtime(format!("process {} has ended", self.root));
        };
        let how = child.try_wait().ok().flatten().map_or_else(|| "ended".into(), |status| status.to_string());
        // Its last words may still be on their way, or some child may keep the line open.
        lines.until_over(LAST_WORDS);
        Failure::Runtime(format!("the server has ended ({how}); it said:\n{}", self.quoted()))
    }

    fn quoted(&self) -> String {
        let lines = self.said();
        lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        match &mut self.origin {
            Origin::Started { child, .. } => {
                tree::kill(self.root, DEATH_PATIENCE);
                let _reaped = child.wait();
            }
            Origin::Attached if self.is_frozen => tree::go_on(self.root),
            Origin::Attached => {}
        }
    }
}

/// Below the ports that the system gives away by itself (32 768 and more, ip(7)), to connections for example: a server that
/// is started, or started again, finds its port free.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A port of this machine that nothing listens on now, for a server that is started again at the same address.
pub fn free_port() -> Result<u16, Failure> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Load tests that run at once have process ids that are close to each other.
    let first = std::process::id().wrapping_mul(101) % u32::from(PORTS.end - PORTS.start);
    let start = first + u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
    let mut ports = PORTS.cycle().skip(start as usize % PORTS.len()).take(PORTS.len());
    let none = || Failure::runtime("a free port", format!("none from {} to {}", PORTS.start, PORTS.end));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).ok_or_else(none)
}

#[cfg(test)]
mod tests;

//! A process and all that came from it, as /proc shows them: proc(5).

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// Of the kernel's times, a second: Linux, on every architecture.
const CLOCK_TICKS: u32 = 100;

/// What memory means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// What processes share counts for each of them by its share.
    Proportional,
    /// What processes share counts for each of them in full: the kernel did not let us look closer.
    Resident,
}

/// What a tree takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) n_processes: usize,
    /// Bytes.
    pub(super) memory: u64,
    pub(super) kind: MemoryKind,
    /// Open files and sockets.
    pub(super) n_files: u64,
    /// Processor time since the start, children that were waited for included.
    pub(super) cpu: Duration,
}

impl Taken {
    /// By the tree of `root`; nothing if there is none.
    pub(super) fn by(root: Pid) -> Self {
        let mut taken = Self {
            n_processes: 0,
            memory: 0,
            kind: MemoryKind::Proportional,
            n_files: 0,
            cpu: Duration::ZERO,
        };
        for pid in all(root) {
            let Some(stat) = Stat::of(pid) else { continue };
            let proportional = kilobytes(pid, "smaps_rollup", "Pss:");
            if proportional.is_none() {
                taken.kind = MemoryKind::Resident;
            }
            taken.n_processes += 1;
            taken.memory +=
                1_024 * proportional.or_else(|| kilobytes(pid, "status", "VmRSS:")).unwrap_or_default();
            taken.n_files += fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |files| files.count() as u64);
            taken.cpu += stat.cpu;
        }
        taken
    }
}

/// What tells processes of one number apart, and how busy it was. A process that ended is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Since the machine started, ticks.
    pub(super) started: u64,
    /// Of it and of the children that it waited for.
    pub(super) cpu: Duration,
}

impl Stat {
    pub(super) fn of(pid: Pid) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may contain anything; after it comes field 3, the state.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let field = |n: usize| fields.get(n - 3)?.parse::<u64>().ok();
        if matches!(*fields.first()?, "Z" | "X") {
            return None;
        }
        let ticks = field(14)? + field(15)? + field(16)? + field(17)?;
        let millis = ticks.saturating_mul(1_000) / u64::from(CLOCK_TICKS);
        Some(Self { started: field(22)?, cpu: Duration::from_millis(millis) })
    }
}

/// A process and all that came from it, parents first.
pub(super) fn all(root: Pid) -> Vec<Pid> {
    let mut found = vec![root];
    let mut n_seen = 0;
    while let Some(&pid) = found.get(n_seen) {
        n_seen += 1;
        found.extend(children(pid));
    }
    found
}

/// Stops a tree, also what is started meanwhile; all of it, parents first.
pub(super) fn stop(root: Pid) -> Vec<Pid> {
    let mut stopped: Vec<Pid> = Vec::new();
    loop {
        let new: Vec<Pid> = all(root).into_iter().filter(|pid| !stopped.contains(pid)).collect();
        if new.is_empty() {
            return stopped;
        }
        for pid in new {
            // One that is gone needs no signal.
            let _gone = kill_process(pid, Signal::STOP);
            stopped.push(pid);
        }
    }
}

/// Lets a tree run on.
pub(super) fn go_on(root: Pid) {
    for pid in all(root) {
        let _gone = kill_process(pid, Signal::CONT);
    }
}

/// Kills a tree, and waits until all of it is gone, at most `patience`. Whether it is.
pub(super) fn kill(root: Pid, patience: Duration) -> bool {
    // Stopped first: the children of one that is dead belong to nobody.
    let stopped = stop(root);
    let open = |pid: &Pid| pidfd_open(*pid, PidfdFlags::empty()).ok();
    let handles: Vec<OwnedFd> = stopped.iter().filter_map(open).collect();
    for handle in &handles {
        let _gone = pidfd_send_signal(handle, Signal::KILL);
    }
    let deadline = Instant::now() + patience;
    handles.iter().all(|handle| has_ended(handle, deadline.saturating_duration_since(Instant::now())))
}

/// Waits for the end of one process, at most `patience`. Whether it has ended.
pub(super) fn await_end(pid: Pid, patience: Duration) -> bool {
    pidfd_open(pid, PidfdFlags::empty()).map_or(true, |handle| has_ended(&handle, patience))
}

/// A handle is readable once its process has ended: pidfd_open(2).
fn has_ended(handle: &OwnedFd, patience: Duration) -> bool {
    let patience = Timespec::try_from(patience).ok();
    poll(&mut [PollFd::new(handle, PollFlags::IN)], patience.as_ref()) == Ok(1)
}

fn kilobytes(pid: Pid, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// proc_tid_children(5).
fn children(pid: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().filter_map(Result::ok);
    let of = |task: &Path| fs::read_to_string(task.join("children")).unwrap_or_default();
    let all: String = tasks.map(|task| of(&task.path())).collect();
    all.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

//! What a program takes, with all the processes that it started: processor time, memory, open files.

use std::fs;
use std::path::Path;

/// Of the kernel's times, a second: Linux, on every architecture.
const CLOCK_TICKS: f64 = 100.0;

/// What processes take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) n_processes: usize,
    /// Processor time since their start, children that are gone included, s.
    pub(crate) cpu_secs: f64,
    /// Resident memory, bytes; what processes share counts for each of them.
    pub(crate) memory: f64,
    /// The same of the first process alone.
    pub(crate) memory_root: f64,
    /// Open files and sockets.
    pub(crate) n_files: usize,
}

impl Taken {
    /// By a process and all that came from it.
    pub(crate) fn by(root: u32) -> Self {
        let mut all = Self { memory_root: memory(root), ..Self::default() };
        let mut waiting = vec![root];
        while let Some(pid) = waiting.pop() {
            waiting.extend(children(pid));
            all.n_processes += 1;
            all.cpu_secs += cpu_secs(pid);
            all.memory += memory(pid);
            all.n_files += fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().count();
        }
        all
    }

    /// By this process alone.
    pub(crate) fn here() -> f64 {
        cpu_secs(std::process::id())
    }
}

/// proc_pid_stat(5): user and system time, its own and of children that were waited for.
fn cpu_secs(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    // `fields` begin with the third.
    let ticks = fields.split(' ').skip(14 - 3).take(4).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / CLOCK_TICKS
}

fn memory(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).map_or(0.0, |kb: f64| kb * 1_024.0)
}

/// proc_tid_children(5).
fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().filter_map(Result::ok);
    let of = |task: &Path| fs::read_to_string(task.join("children")).unwrap_or_default();
    let all: String = tasks.map(|task| of(&task.path())).collect();
    all.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The processor's name, how many cores there are, and how busy they were in the last minute.
pub(crate) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = info.lines().find(|line| line.starts_with("model name"));
    let name = named.and_then(|line| line.split_once(": ")).map_or("unknown processor", |(_, name)| name);
    let n_cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    let build = if cfg!(debug_assertions) { ", DEBUG BUILD: these figures say little" } else { "" };
    format!("{name}, {n_cores} cores, load before {load}{build}")
}

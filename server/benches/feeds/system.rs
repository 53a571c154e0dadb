//! What the kernel says of this process and its children: processor time, memory, who they are.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// Of the kernel's times, a second: Linux, on every architecture.
const CLOCK_TICKS: f64 = 100.0;
/// As the kernel calls a recogniser process.
const RECOGNISER: &str = "aircheck";

/// Processor time, s: of this process with its children, dead ones too, and of recognition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    pub(crate) all: f64,
    pub(crate) recognise: f64,
}

impl Cpu {
    /// Since the start. Recognition is what the recognisers' threads and processes take.
    pub(crate) fn now() -> Self {
        let own = Stat::read("/proc/self/stat").unwrap_or_default();
        let living: f64 = children().iter().map(|child| child.secs).sum();
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().filter_map(Result::ok);
        let threads = tasks.filter_map(|task| Stat::read(&task.path().join("stat").to_string_lossy()));
        let deciding: f64 =
            threads.filter(|stat| stat.name.starts_with("recognise-")).map(|stat| stat.secs).sum();
        let children = living + own.children_secs;
        Self { all: own.secs + children, recognise: deciding + children }
    }

    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self { all: self.all - earlier.all, recognise: self.recognise - earlier.recognise }
    }
}

/// Resident memory of this process, kB.
pub(crate) fn memory_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or(0)
}

/// Kills the recogniser process that has lived longest: so it is each one's turn.
pub(crate) fn kill_a_recogniser() {
    let recognisers = children().into_iter().filter(|child| child.name == RECOGNISER);
    let oldest = recognisers.min_by_key(|child| (child.started, child.id));
    if let Some(pid) = oldest.and_then(|child| Pid::from_raw(child.id)) {
        // It may have died by itself.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// The processor's name and how many cores there are.
pub(crate) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = info.lines().find(|line| line.starts_with("model name"));
    let name = named.and_then(|line| line.split_once(": ")).map_or("unknown processor", |(_, name)| name);
    let n_cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    format!("{name}, {n_cores} cores")
}

/// What proc_pid_stat(5) says of a process or a thread.
#[derive(Debug, Default)]
struct Stat {
    id: i32,
    name: String,
    parent: u32,
    /// Processor time, s; that of children which are gone.
    secs: f64,
    children_secs: f64,
    /// Ticks since the kernel's.
    started: u64,
}

impl Stat {
    fn read(path: &str) -> Option<Self> {
        let stat = fs::read_to_string(path).ok()?;
        let (head, rest) = stat.rsplit_once(") ")?;
        let (id, name) = head.split_once(" (")?;
        let fields: Vec<u64> = rest.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        let ticks = |field: usize| *fields.get(field - 3).unwrap_or(&0);
        let secs = |user: usize| (ticks(user) + ticks(user + 1)) as f64 / CLOCK_TICKS;
        Some(Self {
            id: id.parse().ok()?,
            name: name.to_owned(),
            parent: ticks(4) as u32,
            secs: secs(14),
            children_secs: secs(16),
            started: ticks(22),
        })
    }
}

/// This process's.
fn children() -> Vec<Stat> {
    let all = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let stats = all.filter_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.parse::<u32>().ok()?;
        Stat::read(&entry.path().join("stat").to_string_lossy())
    });
    stats.filter(|stat| stat.parent == std::process::id()).collect()
}

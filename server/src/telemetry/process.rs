//! What the process itself takes and how it does: its start, its memory, its disk, its parts. As the system says it, when it is asked.

use std::fs;
use std::sync::OnceLock;

use jiff::Timestamp;
use metrics::gauge;

use super::Metric;
use crate::journal::Journal;

/// Says since when this process runs: from the first call on.
pub(super) fn started() {
    static AT: OnceLock<Timestamp> = OnceLock::new();
    let at = AT.get_or_init(Timestamp::now);
    gauge!(Metric::StartTime.name()).set(at.as_millisecond() as f64 / 1e3);
}

/// Says whether a part of the service answers.
pub fn vital(part: &'static str, answers: bool) {
    gauge!(Metric::VitalState.name(), "part" => part).set(if answers { 1.0 } else { 0.0 });
}

/// Says what memory and disk there are.
pub fn resources(journal: &Journal) {
    if let Some(bytes) = journal.free_bytes() {
        gauge!(Metric::JournalFree.name()).set(bytes as f64);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(bytes) = resident_bytes(&status) {
        gauge!(Metric::Resident.name()).set(bytes as f64);
    }
}

/// As proc_pid_status(5) has it.
fn resident_bytes(status: &str) -> Option<u64> {
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?;
    kib.parse::<u64>().ok()?.checked_mul(1_024)
}

#[test]
fn resident_memory_is_read_as_the_kernel_writes_it() {
    assert_eq!(resident_bytes("Name:\taircheck\nVmRSS:\t   30700 kB\nThreads:\t4\n"), Some(30_700 * 1_024));
    assert_eq!(resident_bytes("Name:\tkthreadd\n"), None);
    assert!(resident_bytes(&fs::read_to_string("/proc/self/status").unwrap()) > Some(100_000));
}

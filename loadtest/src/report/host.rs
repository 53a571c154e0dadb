//! The machine that the load test runs on, as `/proc` tells it.

use std::fs;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A machine. What is not known is empty or 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Name of the processor.
    pub cpu: String,
    /// Processors that may be used.
    pub cores: usize,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Release of the kernel.
    pub kernel: String,
    /// Load average of the minute before the run; near 0 on a machine that does nothing else.
    pub load_before: f64,
}

impl Host {
    /// This machine, now: to be called before the run.
    #[must_use]
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            cpu: cpu(&read("/proc/cpuinfo")),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: memory_bytes(&read("/proc/meminfo")),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: load(&read("/proc/loadavg")),
        }
    }
}

/// proc_cpuinfo(5); machines without model names have none.
fn cpu(cpuinfo: &str) -> String {
    let mut fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    fields
        .find(|(key, _)| key.trim() == "model name")
        .map(|(_, name)| name.trim().to_owned())
        .unwrap_or_default()
}

/// proc_meminfo(5): `MemTotal:       16316412 kB`.
fn memory_bytes(meminfo: &str) -> u64 {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|total| total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1_024)
}

/// proc_loadavg(5): the first number.
fn load(loadavg: &str) -> f64 {
    loadavg.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_proc_are_read() {
        assert_eq!(cpu("processor\t: 0\nmodel name\t: AMD EPYC 9B14\nmodel name\t: x\n"), "AMD EPYC 9B14");
        assert_eq!(memory_bytes("MemTotal:       16316412 kB\nMemFree: 1 kB\n"), 16_316_412 * 1_024);
        assert_eq!(load("0.52 0.58 0.59 1/389 12345\n"), 0.52);
        assert_eq!((cpu(""), memory_bytes("MemTotal: x"), load("")), (String::new(), 0, 0.0));
    }

    #[test]
    fn this_machine_is_known() {
        let here = Host::here();
        assert!(here.cores >= 1 && here.memory_bytes > 1 << 20 && !here.kernel.is_empty(), "{here:?}");
    }
}

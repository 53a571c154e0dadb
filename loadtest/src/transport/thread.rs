//! The one thread that carries all feeds.

use std::future::Future;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::failure::Failure;

/// Lowest of the real-time priorities, 1 to 99: before ordinary threads, behind the kernel's.
const REAL_TIME_PRIORITY: &str = "1";

/// Runs what `work` makes to its end on a thread of its own called `name`, on a runtime for this thread alone: what it
/// spawns locally (`tokio::task::spawn_local`) needs no locks.
pub fn on_thread<T, F, W>(name: &str, work: W) -> Result<JoinHandle<Result<T, Failure>>, Failure>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Failure>>,
    W: FnOnce() -> F + Send + 'static,
{
    let run = move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::runtime("start a runtime", error))?;
        LocalSet::new().block_on(&runtime, async { work().await })
    };
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|error| Failure::runtime("start a thread", error))
}

/// Processor time that the calling thread took so far. Zero where the kernel does not say (no `/proc`).
#[must_use]
pub fn thread_cpu() -> Duration {
    // Linux, Documentation/scheduler/sched-stats: the first number is the time on a processor, ns.
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// Lets the calling thread run before all others (SCHED_FIFO, by `chrt` of util-linux), so that a machine that is shared
/// with the server does not make it late. Needs the capability `CAP_SYS_NICE`; fails without it, and nothing changes.
pub fn real_time() -> Result<(), Failure> {
    let tried = "run in real time";
    // `1234/task/5678`
    let own = std::fs::read_link("/proc/thread-self").map_err(|error| Failure::runtime(tried, error))?;
    let own = own.file_name().ok_or_else(|| Failure::runtime(tried, "no number of the thread"))?;
    let output = Command::new("chrt").args(["--fifo", "--pid", REAL_TIME_PRIORITY]).arg(own).output();
    let output = output.map_err(|error| Failure::runtime(tried, error))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(Failure::runtime(tried, String::from_utf8_lossy(&output.stderr).trim()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn work_runs_on_its_own_thread_and_its_processor_time_is_known() {
        let work = || async {
            let inner = tokio::task::spawn_local(async { std::thread::current().name().map(str::to_owned) });
            while thread_cpu() == Duration::ZERO {}
            Ok(inner.await.unwrap())
        };
        let name = on_thread("feeds", work).unwrap().join().unwrap().unwrap();
        assert_eq!(name.as_deref(), Some("feeds"));
    }

    #[test]
    fn real_time_is_had_or_refused() {
        let is_had = real_time().is_ok();
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        // proc(5): field 41 is the policy, SCHED_FIFO is 1; the name before field 3 may hold anything.
        let policy = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(41 - 3));
        assert_eq!(policy, Some(if is_had { "1" } else { "0" }));
    }
}

//! Real processes: shells that sleep, spin and die.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

/// Nothing here takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A shell, which has begun once it says so.
fn shell(script: &str) -> Process {
    let command = ["sh", "-c", &format!("echo begun $GREETING >&2; {script}")].map(str::to_owned);
    let mut process = Process::spawn(&command, &[("GREETING".into(), "hello".into())]).unwrap();
    process.until_said("begun hello", PATIENCE).unwrap();
    process
}

/// A shell with a child, which is there.
fn family() -> (Process, Vec<Pid>) {
    let process = shell("sleep 600 & echo born >&2; wait");
    let all = until(|| Some(tree::all(process.root)).filter(|all| all.len() == 2));
    (process, all)
}

/// Waits for the kernel.
fn until<T>(is: impl Fn() -> Option<T>) -> T {
    loop {
        if let Some(value) = is() {
            return value;
        }
        std::thread::yield_now();
    }
}

/// R, S, T (stopped), Z ...
fn state(pid: Pid) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").map_or_else(String::new, |(_, fields)| fields[..1].to_owned())
}

#[test]
fn all_of_a_tree_is_frozen_thawed_and_killed() {
    let (mut process, all) = family();
    process.freeze().unwrap();
    for &pid in &all {
        until(|| (state(pid) == "T").then_some(()));
    }
    process.thaw().unwrap();
    for &pid in &all {
        until(|| (state(pid) == "S").then_some(()));
    }
    process.freeze().unwrap();
    process.kill().unwrap();
    assert_eq!(all.iter().filter(|pid| Stat::of(**pid).is_some()).count(), 0);
    assert!(!process.is_running());
    let error = process.freeze().unwrap_err().to_string();
    assert!(error.contains("signal: 9") && error.ends_with("it said:\nbegun hello\nborn"), "{error}");
}

#[test]
fn one_that_was_started_here_goes_with_the_value_and_others_run_on() {
    let (process, all) = family();
    let mut other = Process::attach(process.pid()).unwrap();
    other.freeze().unwrap();
    drop(other);
    for &pid in &all {
        until(|| (state(pid) == "S").then_some(()));
    }
    drop(process);
    assert_eq!(all.iter().filter(|pid| Stat::of(**pid).is_some()).count(), 0);
}

#[test]
fn it_is_started_again_as_it_was_and_its_processor_time_goes_on() {
    let mut process = shell("while :; do :; done");
    let spun = Duration::from_millis(20);
    while process.sample(Duration::ZERO).cpu < spun {}
    let pid = process.pid();
    process.restart().unwrap();
    process.until_said("begun hello", PATIENCE).unwrap();
    assert!(process.pid() != pid && process.is_running());
    let sample = process.sample(Duration::from_secs(7));
    assert!(sample.cpu >= spun, "{sample:?}");
    process.kill().unwrap();
    let dead = process.sample(Duration::from_secs(8));
    assert!(dead.cpu >= sample.cpu && (dead.memory, dead.n_files) == (0, 0), "{dead:?}");
    process.count_from_here();
    assert_eq!(process.sample(PATIENCE).cpu, Duration::ZERO);
    process.restart().unwrap();
    assert!(process.is_running());
}

#[test]
fn memory_and_files_are_those_of_the_whole_tree() {
    let (mut process, all) = family();
    let one = |pid: Pid| std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64;
    let sample = process.sample(Duration::from_secs(7));
    assert_eq!(sample.n_files, all.iter().map(|pid| one(*pid)).sum::<u64>());
    // Shells and sleeps take something, and no two of them 100 MB.
    assert!((10_000..100_000_000).contains(&sample.memory), "{sample:?}");
    assert_eq!(sample.at, Duration::from_secs(7));
}

#[test]
fn how_it_ended_is_told() {
    let error = shell("echo boom >&2; exit 3").until_said("ready", PATIENCE).unwrap_err().to_string();
    assert_eq!(error, "the server has ended (exit status: 3); it said:\nbegun hello\nboom");
    let error = shell("sleep 600").until_said("ready", Duration::ZERO).unwrap_err().to_string();
    assert!(error.ends_with("did not say \"ready\" within 0ns; it said:\nbegun hello"), "{error}");
    assert!(
        Process::spawn(&["/no/such/program".into()], &[])
            .unwrap_err()
            .to_string()
            .starts_with("/no/such/program")
    );
    assert!(matches!(Process::spawn(&[], &[]), Err(Failure::Usage(_))));
}

#[test]
fn others_are_not_started_again_nor_listened_to() {
    let process = shell("sleep 600");
    let mut other = Process::attach(process.pid()).unwrap();
    assert!(matches!(other.restart(), Err(Failure::Usage(_))) && other.said().is_empty());
    assert!(matches!(other.until_said("x", PATIENCE), Err(Failure::Usage(_))));
    drop(process);
    assert!(other.check().unwrap_err().to_string().ends_with("has ended"));
    assert!(matches!(Process::attach(0), Err(Failure::Usage(_))));
    assert!(matches!(Process::attach(u32::MAX), Err(Failure::Usage(_))));
}

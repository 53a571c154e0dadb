//! Several recognisers in one process: they work at the same time, and none pays for what another one does to it.

use std::fs;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::time::Duration;

use server::recognise::process::{ProcessConfig, ProcessRecognizer};

use crate::fake::{Misdeed, Random, audio, config, recognize, text_of};
use crate::support::scratch;

const N_STATES: NonZeroUsize = NonZeroUsize::new(4).unwrap();
/// Samples of a request whose limit is far off where that of two samples is not, see [`short_limits`].
const LONG: usize = 16_000;

/// Two recognisers of the same process, out of two processes with four each.
fn two(config: &ProcessConfig) -> (ProcessRecognizer, ProcessRecognizer) {
    let mut all = start(config);
    let (first, second) = (all.remove(0), all.remove(0));
    assert_eq!(first.process_id(), second.process_id());
    assert_ne!(Some(first.process_id()), all.last().map(ProcessRecognizer::process_id));
    (first, second)
}

fn start(config: &ProcessConfig) -> Vec<ProcessRecognizer> {
    let config = ProcessConfig { states_max: N_STATES, ..config.clone() };
    ProcessRecognizer::start(&config, 8).expect("the fakes start")
}

/// A limit that a request of two samples reaches at once and a long one never.
fn short_limits(config: &mut ProcessConfig) {
    config.decode_max = Duration::from_millis(100);
    config.decode_max_per_second = Duration::from_secs(1_000);
}

#[test]
fn they_work_at_the_same_time() {
    let (mut first, mut second) = two(&config(Path::new("/nothing")));
    let pcm = audio(Misdeed::Meet, false, LONG);
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(recognize(&mut first, &pcm), Ok(text_of(&pcm))));
        assert_eq!(recognize(&mut second, &pcm), Ok(text_of(&pcm)));
    });
    let counts = second.counters().now();
    assert_eq!((counts.starts, counts.deaths), (2, 0), "eight recognisers in two processes");
}

/// While one request hangs, another one in the same process does `misdeed`: what comes of that, and how often a process
/// died and a request was tried again. The one that hangs does so only once: it is answered.
fn beside_another_one(misdeed: Misdeed, expected: &str, n_deaths: u64, n_retries: u64) {
    let dir = scratch();
    let marker = dir.path().join("once");
    let mut config = config(&marker);
    short_limits(&mut config);
    let (mut bystander, mut culprit) = two(&config);
    fs::write(&marker, "").unwrap();
    let hangs_once = audio(Misdeed::Hang, true, LONG);
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(recognize(&mut bystander, &hangs_once), Ok(text_of(&hangs_once))));
        // It removes the marker when it begins.
        while marker.exists() {
            std::thread::yield_now();
        }
        assert_eq!(recognize(&mut culprit, &audio(misdeed, false, 2)), Err(expected.to_owned()));
    });
    let counts = culprit.counters().now();
    assert_eq!((counts.deaths, counts.retries), (n_deaths, n_retries));
    assert_eq!(counts.timeouts, u64::from(misdeed == Misdeed::Hang));
    assert_eq!(counts.starts, 2 + n_deaths);
}

#[test]
fn who_runs_out_of_time_is_killed_and_the_other_one_is_tried_again() {
    beside_another_one(Misdeed::Hang, "took longer than 0.2 s and was killed", 1, 1);
}

#[test]
fn a_death_with_two_at_work_is_the_doing_of_the_one_that_dies_alone_too() {
    beside_another_one(Misdeed::Abort, "exited with signal 6", 2, 2);
}

#[test]
fn nobody_is_lost_by_what_others_do() {
    for misdeed in [Misdeed::Abort, Misdeed::Garbage, Misdeed::WrongId, Misdeed::Hang] {
        let mut config = config(Path::new("/nothing"));
        short_limits(&mut config);
        std::thread::scope(|scope| {
            for (idx, mut recognizer) in start(&config).into_iter().enumerate() {
                let mut random = Random(0x9e37_79b9 + idx as u64);
                scope.spawn(move || {
                    for _ in 0..25 {
                        let good = audio(Misdeed::None, false, LONG + random.below(3_000));
                        assert_eq!(
                            recognize(&mut recognizer, &good),
                            Ok(text_of(&good)),
                            "{misdeed:?}, {idx}"
                        );
                        if random.below(8) == 0 {
                            recognize(&mut recognizer, &audio(misdeed, false, 2)).expect_err("no answer");
                        }
                    }
                });
            }
        });
    }
}

#[test]
fn a_process_is_relieved_while_others_are_at_work() {
    let mut config = config(Path::new("/nothing"));
    config.recycle_after = NonZeroU64::new(10).unwrap();
    let all = start(&config);
    let counters = all[0].counters();
    std::thread::scope(|scope| {
        for mut recognizer in all {
            scope.spawn(move || {
                // Until its process has been relieved three times.
                let (mut last, mut n_relieved) = (recognizer.process_id(), 0);
                while n_relieved < 3 {
                    let pcm = audio(Misdeed::None, false, 160);
                    assert_eq!(recognize(&mut recognizer, &pcm), Ok(text_of(&pcm)));
                    n_relieved += u32::from(recognizer.process_id() != last);
                    last = recognizer.process_id();
                }
            });
        }
    });
    let counts = counters.now();
    assert_eq!((counts.deaths, counts.retries), (0, 0));
    assert_eq!(counts.starts, counts.recycled + 2);
}

#[test]
fn the_last_one_to_go_ends_the_process() {
    let (first, second) = two(&config(Path::new("/nothing")));
    let process = format!("/proc/{}", first.process_id().unwrap());
    drop(first);
    assert!(Path::new(&process).exists(), "the other one needs it");
    drop(second);
    assert!(!Path::new(&process).exists());
}

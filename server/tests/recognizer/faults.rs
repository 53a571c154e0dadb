//! G7: each way to fail, 200 times at random utterances. The engine's side lives, each request ends in an answer or in
//! an error that names the cause, and the next one works.

use std::fs;
use std::time::Duration;

use server::recognise::process::ProcessConfig;

use crate::fake::{Misdeed, Random, audio, config, recognize, start, text_of};
use crate::support::scratch;

const N_FAULTS: usize = 200;

/// What one recogniser went through.
struct Run {
    misdeed: Misdeed,
    cause: &'static str,
    n_faults: usize,
    seed: u64,
}

impl Run {
    /// Faults of every other kind of request are mended by the second try; the others end in an error.
    fn run(&self, tune: fn(&mut ProcessConfig)) {
        let dir = scratch();
        let marker = dir.path().join("once");
        let mut config = config(&marker);
        tune(&mut config);
        let mut recognizer = start(&config);
        let mut random = Random(self.seed);
        let (mut n_faults, mut n_retries) = (0, 0);
        while n_faults < self.n_faults {
            if random.below(2) == 0 {
                let pcm = audio(Misdeed::None, false, 160 + random.below(3_000));
                assert_eq!(recognize(&mut recognizer, &pcm), Ok(text_of(&pcm)), "seed {}", self.seed);
                continue;
            }
            n_faults += 1;
            let once = random.below(2) == 0;
            if once {
                fs::write(&marker, "").unwrap();
            }
            let pcm = audio(self.misdeed, once, 2 + random.below(3));
            let outcome = recognize(&mut recognizer, &pcm);
            let is_retried = self.misdeed != Misdeed::Hang;
            n_retries += u64::from(is_retried);
            if once && is_retried {
                assert_eq!(outcome, Ok(text_of(&pcm)), "{:?}, seed {}", self.misdeed, self.seed);
            } else {
                let cause = outcome.expect_err("no answer");
                assert!(cause.contains(self.cause), "{cause}, expected {}; seed {}", self.cause, self.seed);
            }
        }
        let pcm = audio(Misdeed::None, false, 160);
        assert_eq!(recognize(&mut recognizer, &pcm), Ok(text_of(&pcm)));
        assert_eq!(recognizer.counters().now().retries, n_retries);
    }
}

fn check_with(misdeed: Misdeed, cause: &'static str, n_threads: usize, tune: fn(&mut ProcessConfig)) {
    std::thread::scope(|scope| {
        for thread in 0..n_threads {
            let seed = 0x9e37_79b9 + thread as u64;
            let run = Run { misdeed, cause, n_faults: N_FAULTS / n_threads, seed };
            scope.spawn(move || run.run(tune));
        }
    });
}

fn check(misdeed: Misdeed, cause: &'static str) {
    check_with(misdeed, cause, 4, |_| {});
}

#[test]
fn a_process_that_aborts() {
    check(Misdeed::Abort, "exited with signal 6");
}

#[test]
fn a_process_that_exits() {
    check(Misdeed::Exit, "exited with status 3");
}

#[test]
fn a_process_that_panics() {
    check(Misdeed::Panic, "exited with status 101");
}

#[test]
fn a_process_that_hangs() {
    // Only requests that hang are so short that their limit is: nothing here depends on the speed of the machine.
    check_with(Misdeed::Hang, "took longer than 0.", 20, |config| {
        config.decode_max = Duration::from_millis(100);
        config.decode_max_per_second = Duration::from_secs(1_000);
    });
}

#[test]
fn a_process_that_eats_memory() {
    check(Misdeed::Eat, "exited with signal 6");
}

#[test]
fn a_process_that_answers_garbage() {
    check(Misdeed::Garbage, "answered garbage: a frame of 1713401710 bytes");
}

#[test]
fn a_process_that_answers_another_question() {
    check(Misdeed::WrongId, "answered garbage: an answer to request ");
}

#[test]
fn a_process_that_stops_in_the_middle_of_an_answer() {
    check(Misdeed::Truncate, "bytes that are no answer; then it exited with status 0");
}

#[test]
fn a_process_that_floods_us() {
    check(Misdeed::Flood, "answered garbage: a frame of 4294967295 bytes");
}

#[test]
fn a_process_that_never_stops_talking() {
    check(Misdeed::Chatter, "answered garbage: a message that is no answer");
}

#[test]
fn a_process_whose_words_are_not_in_its_text() {
    check(Misdeed::BadRange, "answered garbage: a frame whose text of a word makes no sense");
}

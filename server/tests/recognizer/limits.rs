//! What bounds a recogniser process: time to start and to answer, its term, the circuit breaker, the fence.

use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;

use server::recognise::process::frame::{self, Ready};
use server::recognise::process::{ProcessConfig, ProcessRecognizer};

use crate::fake::{Misdeed, audio, config, recognize, start, text_of};

fn fake() -> ProcessConfig {
    config(Path::new("/nothing"))
}

fn shell(script: &str) -> ProcessConfig {
    ProcessConfig::new("sh".into(), ["-c", script])
}

/// How starting fails.
fn check_start(config: &ProcessConfig, expected: &str) {
    let error = ProcessRecognizer::start(config, 2).expect_err("no recogniser").to_string();
    assert_eq!(error, format!("recogniser failed: {expected}"));
}

#[test]
fn a_program_that_is_no_recogniser_is_an_error_at_the_start() {
    let missing = ProcessConfig::new("/no/such/program".into(), [""; 0]);
    check_start(&missing, "cannot be started: No such file or directory (os error 2)");
    check_start(&shell("exit 4"), "exited with status 4");
    check_start(
        &shell("echo hello, world"),
        "answered garbage: a frame of 1819043176 bytes, expected 1 to 1920064",
    );
    let mut mute = shell("read forever");
    mute.start_max = Duration::from_millis(100);
    check_start(&mute, "took longer than 0.1 s and was killed");
}

#[test]
fn a_process_that_does_not_listen_cannot_hold_us_up() {
    let mut config = fake();
    config.decode_max = Duration::from_millis(100);
    config.decode_max_per_second = Duration::ZERO;
    let mut recognizer = start(&config);
    // While it hangs it does not read, and more than a pipe holds is sent to it.
    let pcm = audio(Misdeed::Hang, false, 480_000);
    for _ in 0..3 {
        let cause = recognize(&mut recognizer, &pcm).expect_err("no answer");
        assert_eq!(cause, "took longer than 0.1 s and was killed");
    }
    assert_eq!(recognizer.counters().now().timeouts, 3);
}

#[test]
fn a_process_that_closes_its_output_is_killed() {
    let mut frame = Vec::new();
    frame::put_ready(&Ready { model: "mute".into(), is_multilingual: false, load_ms: 1 }, &mut frame);
    let octal: String = frame.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let config = shell(&format!("printf '{octal}'; exec cat >/dev/null"));
    let mut recognizer = start(&config);
    let cause = recognize(&mut recognizer, &audio(Misdeed::None, false, 2)).expect_err("no answer");
    assert_eq!(cause, "closed its output and was killed");
}

#[test]
fn a_process_serves_its_term_and_is_relieved() {
    let mut config = fake();
    config.recycle_after = NonZeroU64::new(10).unwrap();
    let mut recognizer = start(&config);
    let (mut ids, mut n_answers) = (vec![recognizer.process_id()], 0_u64);
    // Each serves until its successor is ready.
    while ids.len() < 5 {
        let pcm = audio(Misdeed::None, false, 160);
        assert_eq!(recognize(&mut recognizer, &pcm), Ok(text_of(&pcm)));
        n_answers += 1;
        if ids.last() != Some(&recognizer.process_id()) {
            ids.push(recognizer.process_id());
        }
    }
    let counts = recognizer.counters().now();
    assert!(n_answers >= 40, "{n_answers} answers by four processes");
    assert_eq!((counts.recycled, counts.starts), (4, 5));
    assert_eq!((counts.deaths, counts.retries), (0, 0));
}

#[test]
fn too_many_deaths_make_it_rest_and_an_answer_ends_that() {
    let mut config = fake();
    config.deaths_max = 5;
    let mut recognizer = start(&config);
    let deadly = audio(Misdeed::Abort, false, 2);
    // Two deaths each; the sixth opens the breaker.
    for _ in 0..3 {
        assert_eq!(recognize(&mut recognizer, &deadly), Err("exited with signal 6".to_owned()));
    }
    assert_eq!(recognizer.process_id(), None, "nothing is started while it rests");
    let good = audio(Misdeed::None, false, 160);
    let (starts, mut n_refused) = (recognizer.counters().now().starts, 0);
    let heard = loop {
        match recognize(&mut recognizer, &good) {
            Ok(heard) => break heard,
            Err(cause) => {
                let says_why = "its processes die too often, the next try is in ";
                assert!(
                    cause.starts_with(says_why) && cause.ends_with("; the last one exited with signal 6")
                );
                n_refused += 1;
            }
        }
    };
    assert_eq!(heard, text_of(&good));
    assert!(n_refused > 0, "the first answer came at once");
    let counts = recognizer.counters().now();
    assert_eq!((counts.starts, counts.deaths), (starts + 1, 6), "one try");
}

#[test]
fn what_no_recogniser_takes_does_not_reach_the_process() {
    let mut recognizer = start(&fake());
    let mut heard = models::Transcription::default();
    let options = models::DecodeOptions::default();
    let mut refused = |pcm: &[f32]| {
        models::Recognizer::recognize(&mut recognizer, pcm, &options, &mut heard).unwrap_err().to_string()
    };
    assert_eq!(refused(&[1.0, f32::NAN]), "sample 1 is NaN, expected a finite number");
    assert_eq!(refused(&[0.0; 480_001]), "480001 samples at 16 kHz, expected at most 480000 (30 s)");
    assert_eq!(recognizer.counters().now().deaths, 0);
}

#[test]
fn behind_the_fence_there_are_no_files_no_network_and_no_programs() {
    let mut recognizer = start(&fake());
    let able = recognize(&mut recognizer, &audio(Misdeed::TryEverything, false, 2)).unwrap();
    assert_eq!(able, "[] []", "what is missing of the fence, and what works still");
    let pcm = audio(Misdeed::None, false, 160);
    assert_eq!(recognize(&mut recognizer, &pcm), Ok(text_of(&pcm)), "it goes on behind the fence");
}

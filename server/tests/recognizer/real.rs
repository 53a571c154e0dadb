//! The real process with the real model: the same words as in the process, through kills, and gone with its parent.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use models::store::{DEFAULT_MODEL, Store};
use models::whisper::{Whisper, WhisperOptions};
use models::{DecodeOptions, Recognizer, Transcription};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use server::recognise::process::frame::{self, Message};
use server::recognise::process::{ProcessConfig, ProcessRecognizer};

use crate::support::{aircheck, children, events, ffmpeg, of_kind, sample, scratch, words};

const PROGRAM: &str = env!("CARGO_BIN_EXE_aircheck");

fn start() -> ProcessRecognizer {
    start_many(1).remove(0)
}

fn start_many(n: usize) -> Vec<ProcessRecognizer> {
    let mut config = ProcessConfig::new(PROGRAM.into(), ["recognizer", "--model", DEFAULT_MODEL]);
    config.deaths_max = usize::MAX;
    config.decode_max = Duration::from_secs(60);
    ProcessRecognizer::start(&config, n).expect("they start")
}

/// Real speech at 16 kHz.
fn speech() -> Vec<f32> {
    let dir = scratch();
    let path = dir.path().join("speech.raw");
    ffmpeg(&["-i", &sample("two_cities.wav"), "-ac", "1", "-ar", "16000", "-f", "f32le"], &path);
    let bytes = std::fs::read(path).unwrap();
    bytes.as_chunks().0.iter().map(|sample| f32::from_le_bytes(*sample)).collect()
}

fn heard(recognizer: &mut dyn Recognizer, pcm: &[f32], options: &DecodeOptions) -> Transcription {
    let mut out = Transcription::default();
    recognizer.recognize(pcm, options, &mut out).expect("an answer");
    out
}

#[test]
fn it_hears_what_the_process_hears_to_the_last_bit() {
    let store = Store::open(Store::default_dir().unwrap()).unwrap();
    let whisper = Whisper::load(&store.resolve(DEFAULT_MODEL).unwrap(), WhisperOptions::default()).unwrap();
    let (mut inside, mut outside, speech) = (whisper.recognizer().unwrap(), start(), speech());
    assert_eq!((outside.model(), outside.is_multilingual()), (inside.model(), false));
    for (from_secs, secs, audio_context) in [(0, 1, None), (3, 5, None), (10, 12, Some(768)), (20, 4, None)] {
        let pcm = &speech[from_secs * 16_000..(from_secs + secs) * 16_000];
        let options = DecodeOptions { audio_context, ..DecodeOptions::default() };
        let expected = heard(&mut inside, pcm, &options);
        assert_eq!(heard(&mut outside, pcm, &options), expected);
        assert!(secs < 4 || !expected.words.is_empty());
    }
    let options = DecodeOptions { language: Some("de"), ..DecodeOptions::default() };
    let mut out = Transcription::default();
    let error = outside.recognize(&speech[..16_000], &options, &mut out).unwrap_err().to_string();
    assert_eq!(error, "recogniser failed: language de, expected en, the only one of this model");
    assert_eq!(outside.counters().now().deaths, 0, "that is an answer");
}

#[test]
fn those_who_share_a_process_hear_the_same_at_the_same_time() {
    let (mut all, speech) = (start_many(5), speech());
    let ids: std::collections::BTreeSet<_> = all.iter().map(ProcessRecognizer::process_id).collect();
    assert_eq!(ids.len(), 2);
    let pcm = |secs: usize| &speech[48_000..48_000 + secs * 16_000];
    let (mut alone, options) = (all.remove(4), DecodeOptions::default());
    let expected = [2, 3, 4, 5].map(|secs| heard(&mut alone, pcm(secs), &options));
    std::thread::scope(|scope| {
        for (idx, recognizer) in all.iter_mut().enumerate() {
            let (expected, options) = (&expected, &options);
            scope.spawn(move || {
                for n in idx..idx + 4 {
                    assert_eq!(heard(recognizer, pcm(2 + n % 4), options), expected[n % 4], "{idx}, {n}");
                }
            });
        }
    });
    assert_eq!(alone.counters().now().deaths, 0);
}

/// Time that a process has computed for, in ticks of 10 ms: proc_pid_stat(5), utime.
fn processor_ticks(pid: Pid) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(11)?.parse().ok()
}

/// Waits until `pid` has computed for three ticks of 10 ms more than `at_rest`, far more than it takes to read the
/// request and less than the decode takes. Then sends it `signal` until it is gone.
fn kill_at_work(pid: Pid, at_rest: u64, signal: Signal) {
    let gone = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    while processor_ticks(pid).is_some_and(|now| now < at_rest + 3) {
        std::thread::yield_now();
    }
    // The first SIGSEGV only takes Rust's own handler of it away: one that comes from outside does not come back.
    while !ends_within(&gone, 1) {
        let _ = kill_process(pid, signal);
    }
}

fn ends_within(pidfd: &impl std::os::fd::AsFd, ms: i64) -> bool {
    let limit = Timespec { tv_sec: ms / 1_000, tv_nsec: ms % 1_000 * 1_000_000 };
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&limit)).unwrap() > 0
}

fn check_killed(signal: Signal) {
    let (mut recognizer, speech) = (start(), speech());
    let pcm = &speech[48_000..112_000];
    let expected = heard(&mut recognizer, pcm, &DecodeOptions::default());
    for n in 1..=20 {
        let pid = Pid::from_raw(recognizer.process_id().unwrap().cast_signed()).unwrap();
        // The next one may be loading still: a process at rest computes nothing.
        heard(&mut recognizer, &speech[..16_000], &DecodeOptions::default());
        let at_rest = processor_ticks(pid).unwrap();
        let again = std::thread::scope(|scope| {
            scope.spawn(|| kill_at_work(pid, at_rest, signal));
            heard(&mut recognizer, pcm, &DecodeOptions::default())
        });
        assert_eq!(again, expected, "kill {n}");
        assert_eq!((recognizer.counters().now().deaths, recognizer.counters().now().retries), (n, n));
    }
}

#[test]
fn killed_twenty_times_at_work_it_answers_twenty_times() {
    check_killed(Signal::KILL);
}

#[test]
fn with_segmentation_faults_too() {
    check_killed(Signal::SEGV);
}

#[test]
fn signals_of_a_terminal_are_for_its_parent() {
    let (mut recognizer, speech) = (start(), speech());
    let pid = Pid::from_raw(recognizer.process_id().unwrap().cast_signed()).unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        kill_process(pid, signal).unwrap();
        heard(&mut recognizer, &speech[..32_000], &DecodeOptions::default());
    }
    assert_eq!(recognizer.counters().now().deaths, 0);
}

/// Starts the real process with a shell for a parent, and waits until it is ready. Its stdin is ours.
fn orphan_to_be() -> Child {
    let script = "\"$0\" recognizer --model \"$1\" <&3 3<&- & wait";
    let mut parent = Command::new("sh");
    parent.args(["-c", &format!("exec 3<&0; {script}"), PROGRAM, DEFAULT_MODEL]);
    let mut parent = parent.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let first = frame::read(parent.stdout.as_mut().unwrap(), &mut Vec::new()).unwrap();
    assert!(matches!(first, Some(Message::Ready(_))));
    parent
}

#[test]
fn it_dies_with_its_parent() {
    let mut parent = orphan_to_be();
    parent.kill().unwrap();
    // Its end of stdin is open still, so that only the death of its parent can end it.
    let stdin = parent.stdin.take();
    parent.wait().unwrap();
    let mut stdout = parent.stdout.take().unwrap();
    assert!(ends_within(&stdout, 10_000), "it lives on");
    assert_eq!(stdout.read(&mut [0]).unwrap(), 0);
    drop(stdin);
}

#[test]
fn it_ends_with_its_input() {
    let mut parent = orphan_to_be();
    drop(parent.stdin.take());
    assert!(parent.wait().unwrap().success());
}

#[test]
fn an_altered_model_is_refused_before_anything_opens_it() {
    let store = Store::open(Store::default_dir().unwrap()).unwrap();
    let dir = scratch();
    let mut bytes = std::fs::read(store.path(DEFAULT_MODEL).unwrap()).unwrap();
    bytes[5] ^= 1;
    std::fs::write(dir.path().join(format!("{DEFAULT_MODEL}.bin")), bytes).unwrap();
    let output = aircheck()
        .args(["recognizer", "--model", DEFAULT_MODEL])
        .env("AIRCHECK_MODELS", dir.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{stderr}");
    assert!(stderr.contains("SHA-256") || stderr.contains("sha256"), "{stderr}");
}

#[test]
fn watch_goes_on_when_its_recogniser_is_killed_and_nothing_is_lost() {
    let mut watching =
        aircheck().args(["watch", &sample("beckett.wav")]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(watching.stdout.take().unwrap());
    let (mut seen, mut n_killed) = (Vec::new(), 0);
    while stdout.read_until(b'\n', &mut seen).unwrap() > 0 {
        let line = seen.strip_suffix(b"\n").unwrap_or(&seen).rsplit(|byte| *byte == b'\n').next().unwrap();
        if String::from_utf8_lossy(line).contains("aircheck.transcript.final.v1") && n_killed < 3 {
            n_killed +=
                children(watching.id()).iter().filter(|p| kill_process(**p, Signal::KILL).is_ok()).count();
        }
    }
    assert!(watching.wait().unwrap().success() && n_killed == 3, "{n_killed} killed");
    let events = events(&seen);
    let said = words(&events).join(" ");
    assert!(said.contains("ever tried") && said.contains("fail better"), "{said}");
    assert_eq!(of_kind(&events, "gap").len(), 0);
}

#[test]
fn watch_takes_its_recogniser_with_it() {
    let mut watching = aircheck()
        .args(["watch", &sample("beckett.wav")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(watching.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let recogniser = children(watching.id());
    let gone: Vec<_> = recogniser.iter().map(|pid| pidfd_open(*pid, PidfdFlags::empty()).unwrap()).collect();
    watching.kill().unwrap();
    watching.wait().unwrap();
    assert_eq!(gone.len(), 1);
    assert!(ends_within(&gone[0], 10_000), "it lives on");
}

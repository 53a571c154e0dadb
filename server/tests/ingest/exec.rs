//! Commands as sources: ffmpeg, srt-live-transmit, and programs that die, hang and have children.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use engine::event::FeedState;
use rustix::process::{Pid, test_kill_process};
use server::ingest::{Audio, Input, LiveConfig};
use tokio::runtime::Runtime;

use crate::rtp::free_port;
use crate::serve::quick;
use crate::support::{Files, Heard, chirp, hear_until};

/// What a command writes, of which `pcm` says what it is.
fn run(command: &str, pcm: Option<&str>, config: LiveConfig) -> (Audio, Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let Ok(Input::Exec(source)) = Input::parse(command) else { panic!("{command} is no command") };
    let pcm = pcm.map(|pcm| pcm.parse().unwrap());
    (Audio::from_exec(&source, pcm, config, runtime.handle()).unwrap(), runtime)
}

/// Nothing is stalled before a slow machine has had its time.
fn patient(reconnect: bool) -> LiveConfig {
    let limits = LiveConfig { stalled_after: Duration::from_secs(20), ..quick(reconnect) };
    LiveConfig { dead_after: Duration::from_secs(40), ..limits }
}

fn reasons(heard: &Heard) -> String {
    heard.feeds.iter().filter_map(|feed| feed.reason.as_deref()).collect::<Vec<_>>().join("\n")
}

/// Waits until a process is gone.
fn wait_until_gone(pid: Pid) {
    let due = Instant::now() + Duration::from_secs(20);
    while test_kill_process(pid).is_ok() && !is_zombie(pid) {
        assert!(Instant::now() < due, "process {pid} lives");
        std::thread::yield_now();
    }
}

/// Nobody's child any more, and not taken away by init yet: in a container there may be none.
fn is_zombie(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

/// The process id in a file, which a command writes when it begins.
fn pid_in(path: &Path) -> Pid {
    let due = Instant::now() + Duration::from_secs(20);
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if let Some(pid) = text.strip_suffix('\n').and_then(|text| text.parse().ok()).and_then(Pid::from_raw)
        {
            return pid;
        }
        assert!(Instant::now() < due, "no process id in {}", path.display());
        std::thread::yield_now();
    }
}

#[test]
fn ffmpeg_is_heard_in_a_container_and_as_samples() {
    let files = Files::new();
    let source = chirp(2, 48_000, 2.0).replace("-f lavfi -i ", "");
    for (format, pcm) in [("-f wav", None), ("-c:a flac -f flac", None), ("-f s16le", Some("s16le:48000:2"))]
    {
        let command = format!("exec:ffmpeg -nostdin -v error -f lavfi -i '{source}' {format} -");
        let (mut audio, _runtime) = run(&command, pcm, patient(false));
        let heard = hear_until(&mut audio, |_| false);
        assert_eq!(heard.n_frames(), 96_000, "{format}");
        assert_eq!(heard.states(), [FeedState::Connected, FeedState::Live, FeedState::Ended], "{format}");
        let reasons = reasons(&heard);
        assert!(reasons.starts_with("exec:ffmpeg …: process "), "{reasons}");
        assert!(reasons.ends_with("exec:ffmpeg …: ended (exit status: 0)"), "{reasons}");
    }
    drop(files);
}

#[test]
fn a_command_that_dies_says_why_and_is_started_again() {
    let command =
        "exec:sh -c 'head -c 16000 /dev/zero; echo no signal at rtsp://u:c4nary@h/?c4nary >&2; exit 7'";
    let (mut audio, _runtime) = run(command, Some("s16le:8000:1"), patient(true));
    let heard = hear_until(&mut audio, |heard| heard.n_frames() >= 24_000);
    use FeedState::{Connected, Live, Reconnecting};
    assert_eq!(heard.states()[..6], [Connected, Live, Reconnecting, Connected, Live, Reconnecting]);
    let reasons = reasons(&heard);
    assert!(
        reasons.contains("exec:sh …: ended (exit status: 7): no signal at rtsp://h/?…; next attempt in"),
        "{reasons}"
    );
    assert!(!reasons.contains("c4nary"), "{reasons}");
    assert_eq!(heard.gaps.len(), 2, "the time between is missing: {:?}", heard.gaps);
}

#[test]
fn a_command_that_hangs_is_ended_with_its_children() {
    let files = Files::new();
    let pid = files.path("pid");
    // A child that holds the pipe, and does not mind being asked to end.
    let script = format!(
        "trap '' TERM; head -c 16000 /dev/zero; sh -c 'trap \"\" TERM; echo $$ >{}; while :; do sleep 1; done' & wait; sleep 1000",
        pid.display()
    );
    let command = format!("exec:sh -c \"{}\"", script.replace('\\', "\\\\").replace('"', "\\\""));
    let (mut audio, _runtime) = run(&command, Some("s16le:8000:1"), quick(false));
    let heard = hear_until(&mut audio, |_| false);
    assert_eq!(heard.n_frames(), 8_000);
    use FeedState::{Connected, Ended, Live, Stalled};
    assert_eq!(heard.states(), [Connected, Live, Stalled, Ended]);
    let reasons = reasons(&heard);
    assert!(reasons.ends_with("no bytes for 300ms; ended by us"), "{reasons}");
    wait_until_gone(pid_in(&pid));
}

#[test]
fn a_feed_that_is_removed_leaves_no_orphans() {
    let files = Files::new();
    let (parent, child) = (files.path("parent"), files.path("child"));
    let script = format!(
        "echo $$ >{}; sh -c 'echo $$ >{}; exec sleep 1000' & cat /dev/zero",
        parent.display(),
        child.display()
    );
    let command = format!("exec:sh -c \"{}\"", script.replace('$', "\\$"));
    for is_dropped in [true, false] {
        let (mut audio, _runtime) = run(&command, Some("s16le:8000:1"), patient(true));
        hear_until(&mut audio, |heard| heard.n_frames() > 8_000);
        let pids = [pid_in(&parent), pid_in(&child)];
        if is_dropped {
            drop(audio);
        } else {
            audio.stopper().stop();
            let heard = hear_until(&mut audio, |_| false);
            assert_eq!(heard.states().last(), Some(&FeedState::Ended));
        }
        pids.into_iter().for_each(wait_until_gone);
        [&parent, &child].into_iter().for_each(|path| std::fs::remove_file(path).unwrap());
    }
}

#[test]
fn a_command_that_is_not_there_is_told() {
    let once = LiveConfig { first_attempts: Some(1), ..patient(true) };
    let (mut audio, _runtime) = run("exec:/no/such/program c4nary", None, once);
    let message = hear_until(&mut audio, |_| false).message();
    assert!(message.starts_with("exec:program …: cannot be started: No such file"), "{message}");
    let for_ever = LiveConfig { first_attempts: None, ..patient(true) };
    let (mut audio, _runtime) = run("exec:/no/such/program", None, for_ever);
    let heard = hear_until(&mut audio, |heard| heard.feeds.len() >= 3);
    assert!(heard.states().iter().all(|state| *state == FeedState::Reconnecting));
}

#[test]
fn what_is_no_audio_is_undecodable_and_tried_again() {
    let (mut audio, _runtime) =
        run("exec:yes this is no audio", None, LiveConfig { first_attempts: None, ..patient(true) });
    let heard = hear_until(&mut audio, |heard| heard.states().contains(&FeedState::Undecodable));
    assert!(heard.n_frames() == 0 && reasons(&heard).contains("a text"), "{}", reasons(&heard));
}

#[test]
fn our_tokens_are_not_theirs() {
    // The test program itself has none; what it is given by cargo is one of these.
    let command = "exec:sh -c 'env >&2; exit 1'";
    let (mut audio, _runtime) = run(command, Some("s16le:8000:1"), patient(true));
    let heard = hear_until(&mut audio, |heard| heard.states().contains(&FeedState::Reconnecting));
    assert!(!reasons(&heard).contains("AIRCHECK_"));
}

#[test]
fn srt_live_transmit_brings_what_is_sent_to_it() {
    let files = Files::new();
    files.make_from("a.adts", &chirp(2, 48_000, 6.0), "-c:a aac -b:a 128k -f adts");
    let port = free_port();
    let command = format!("exec:srt-live-transmit -q -chunk:1316 srt://:{port}?mode=listener file://con");
    let (mut audio, _runtime) = run(&command, None, patient(true));
    // A sender at the pace of the world, as long as it takes.
    let sender = format!(
        "while :; do ffmpeg -nostdin -v quiet -re -i a.adts -c copy -f adts - ; done \
         | srt-live-transmit -q -chunk:1316 file://con 'srt://127.0.0.1:{port}?mode=caller'"
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &sender]).current_dir(files.0.path()).stdin(Stdio::null()).stderr(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    let mut sender = shell.spawn().unwrap();
    let heard = hear_until(&mut audio, |heard| {
        assert!(sender.try_wait().unwrap().is_none(), "the sender has ended");
        heard.n_frames() >= 48_000
    });
    let group = Pid::from_child(&sender);
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    sender.wait().unwrap();
    assert_eq!(heard.streams[0].codec, "aac");
}

#[test]
fn an_srt_address_is_received_by_ffmpeg() {
    let files = Files::new();
    let port = free_port();
    let address = format!("srt://127.0.0.1:{port}?mode=listener&passphrase=c4nary-0123456");
    let (mut audio, _runtime) = run(&address, None, patient(true));
    let mut sender = Command::new("sh");
    let caller = address.replace("listener", "caller");
    // Until somebody listens, and then for as long as it takes.
    let again = format!(
        "while :; do ffmpeg -nostdin -v quiet -re -f lavfi -i sine=440:r=48000 -ac 2 -c:a aac -f mpegts '{caller}'; sleep 0.1; done"
    );
    sender.args(["-c", &again]).current_dir(files.0.path()).stdin(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut sender, 0);
    let mut sender = sender.spawn().unwrap();
    let heard = hear_until(&mut audio, |heard| {
        assert!(sender.try_wait().unwrap().is_none(), "the sender has ended");
        heard.n_frames() >= 48_000
    });
    let _ = rustix::process::kill_process_group(Pid::from_child(&sender), rustix::process::Signal::KILL);
    sender.wait().unwrap();
    assert_eq!((heard.streams[0].codec, heard.streams[0].format.n_channels()), ("s16le", 2));
    assert!(!reasons(&heard).contains("c4nary"), "{}", reasons(&heard));
}

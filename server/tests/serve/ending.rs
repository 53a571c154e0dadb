//! G13: told to end, it ends in order: what arrived is analysed and written down.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::rig::{NO_SPEECH, Service, by_chance, count, id, kind, signal};
use crate::support::{ffmpeg, sample, scratch};

/// Ends in a usual run; the long one sets `AIRCHECK_TERMS=100`.
const TERMS: u32 = 3;
/// Feeds that are far behind.
const N_BEHIND: usize = 24;

#[test]
fn what_was_said_before_the_end_is_written_down() {
    let dir = scratch();
    let source = sample("beckett.wav");
    let config =
        format!("[server]\nlisten = \"127.0.0.1:0\"\n[[feeds]]\nname = \"a\"\nsource = \"file:{source}\"\n");
    let service = Service::start(dir.path(), &config);
    // In the middle of speech: something was said that is no final yet.
    let mut live = service.follow("/v1/events?type=segment,transcript.final,gap,feed.ended", None);
    live.find(|shown| shown.event["data"]["kind"] == "speech").unwrap();
    service.signal(Signal::TERM);
    let rest: Vec<_> = live.filter(|shown| shown.event.is_object()).map(|shown| shown.event).collect();
    let kinds: Vec<&str> = rest.iter().map(kind).collect();
    // On a machine that is too busy for it, a gap says so.
    let is_told = kinds.contains(&"transcript.final") || kinds.contains(&"gap");
    assert!(kinds.contains(&"feed.ended") && is_told, "{kinds:?}");
    let (status, said) = service.wait();
    assert!(status.success(), "{status}: {said}");
    let service = Service::start(dir.path(), &config);
    let kept = service.range("feed=a&type=transcript.final,gap");
    let shown = rest.iter().filter(|event| ["transcript.final", "gap"].contains(&kind(event)));
    shown.for_each(|event| assert!(kept.contains(event), "{event}"));
    // It had ended in order.
    assert!(service.range("type=gap").iter().all(|gap| gap["data"]["reason"] != "crash"));
}

#[test]
fn ended_again_and_again_it_ends_in_order() {
    let dir = scratch();
    let (speech, signals) = (sample("beckett.wav"), signal(dir.path(), 300));
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[profiles.signal]\ntranscript = false\n\
         [[feeds]]\nname = \"speech\"\nsource = \"file:{speech}\"\n\
         [[feeds]]\nname = \"live\"\nsource = \"file:{signals}\"\nprofile = \"signal\"\n\
         [[feeds]]\nname = \"fast\"\nsource = \"file:{signals}\"\nprofile = \"signal\"\npace = \"free\"\n"
    );
    let mut shown: BTreeMap<String, Value> = BTreeMap::new();
    for _ in 0..count("AIRCHECK_TERMS", TERMS) {
        let service = Service::start(dir.path(), &config);
        let follow = service.follow("/v1/events", None);
        let reading = std::thread::Builder::new().name("reader".into());
        let reading =
            reading.spawn(move || follow.filter(|shown| shown.id.is_some()).collect::<Vec<_>>()).unwrap();
        service.until("live", |event| kind(event) == "feed.live");
        // It is told when it is told.
        std::thread::park_timeout(by_chance(Duration::from_millis(3_000)));
        service.signal(Signal::TERM);
        let (status, said) = service.wait();
        assert!(status.success(), "{status}: {said}");
        shown.extend(
            reading.join().unwrap().into_iter().map(|shown| (id(&shown.event).to_owned(), shown.event)),
        );
    }
    let service = Service::start(dir.path(), &config);
    let kept: BTreeMap<String, Value> =
        service.all().into_iter().map(|event| (id(&event).to_owned(), event)).collect();
    for (id, event) in &shown {
        assert_eq!(kept.get(id), Some(event), "{id} was shown");
    }
    let ended = shown.values().filter(|event| kind(event) == "feed.ended" && event["data"]["feed"] == "live");
    assert!(ended.count() > 0, "readers get the last events, too");
    assert!(kept.values().all(|event| kind(event) != "gap" || event["data"]["reason"] != "crash"));
}

/// Much of what arrived is not analysed yet, for much came at once: what there is no time for is a gap.
#[test]
fn feeds_that_are_far_behind_end_in_time() {
    let dir = scratch();
    let file = dir.path().join("long.mp3");
    // A quarter of an hour of 8 kbit/s, which a feed's queues hold.
    let noise = "anoisesrc=a=0.1:r=16000:d=900:seed=1";
    ffmpeg(&["-f", "lavfi", "-i", noise, "-ac", "1", "-c:a", "libmp3lame", "-b:a", "8k"], &file);
    let (address, _flood) = flood(std::fs::read(&file).unwrap());
    let feed = |n| format!("[[feeds]]\nname = \"f{n}\"\nsource = \"http://{address}/{n}\"\n");
    let config = format!("{}{}", NO_SPEECH, (0..N_BEHIND).map(feed).collect::<String>());
    let service = Service::start(dir.path(), &config.replace("[server]", "[server]\ndrain_secs = 5"));
    for n in 0..N_BEHIND {
        service.until(&format!("f{n}"), |event| kind(event) == "feed.live");
    }
    service.signal(Signal::TERM);
    let (status, said) = service.wait();
    assert!(status.success(), "{status}: {said}");
    let service = Service::start(dir.path(), NO_SPEECH);
    let gaps = service.range("type=gap");
    let is_cut = |gap: &&Value| gap["data"]["reason"] == "overload" && gap["data"]["frames"] == 0;
    assert!(gaps.iter().filter(is_cut).count() > 0, "it was not behind: {gaps:?}");
    let ended = service.range("type=feed.ended");
    assert_eq!(ended.len(), N_BEHIND, "each said its last word");
}

/// A server that sends `bytes` to everybody as fast as they take them.
fn flood(bytes: Vec<u8>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || {
        let bytes = Arc::new(bytes);
        for mut stream in listener.incoming().take(N_BEHIND).map_while(Result::ok) {
            let bytes = Arc::clone(&bytes);
            let send = move || {
                let _ = stream.read(&mut [0; 1_024]);
                let head = b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n";
                // The service goes in the middle of it.
                let _ = stream.write_all(head).and_then(|()| stream.write_all(&bytes));
            };
            std::thread::Builder::new().name("flood".into()).spawn(send).unwrap();
        }
    };
    (address, std::thread::Builder::new().name("flood".into()).spawn(serve).unwrap())
}

#[test]
fn told_twice_it_ends_at_once() {
    let dir = scratch();
    // A pipe into which nobody writes: its feed cannot end.
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let source = signal(dir.path(), 60);
    let config = format!(
        "{NO_SPEECH}[[feeds]]\nname = \"a\"\nsource = \"file:{source}\"\n[[feeds]]\nname = \"stuck\"\nsource = \"file:{}\"\n",
        pipe.display()
    );
    let service = Service::start(dir.path(), &config);
    service.until("a", |event| kind(event) == "feed.live");
    service.signal(Signal::TERM);
    service.until("a", |event| kind(event) == "feed.ended");
    service.signal(Signal::TERM);
    let (status, _) = service.wait();
    assert_eq!(status.code(), Some(130));
}

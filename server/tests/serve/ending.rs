//! G13: told to end, it ends in order: what arrived is analysed and written down.

use rustix::process::Signal;

use crate::rig::{NO_SPEECH, Service, kind, signal};
use crate::support::{sample, scratch};

#[test]
fn what_was_said_before_the_end_is_written_down() {
    let dir = scratch();
    let source = sample("beckett.wav");
    let config =
        format!("[server]\nlisten = \"127.0.0.1:0\"\n[[feeds]]\nname = \"a\"\nsource = \"file:{source}\"\n");
    let service = Service::start(dir.path(), &config);
    // In the middle of speech: something was said that is no final yet.
    let mut live = service.follow("/v1/events?type=transcript.partial,transcript.final,gap,feed.ended", None);
    live.find(|shown| kind(&shown.event) == "transcript.partial").unwrap();
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

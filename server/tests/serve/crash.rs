//! G1: killed at any moment, nothing that was shown is lost or altered, and the loss of audio is told.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::rig::{NO_SPEECH, Service, Shown, by_chance, count, id, kind, signal};
use crate::support::{events, scratch};

/// Kills in a usual run; the long one sets `AIRCHECK_KILLS=500`.
const KILLS: u32 = 12;

/// The fields that tell when an event became visible may be set anew for the last ones before a crash.
fn facts(mut event: Value) -> Value {
    event["recordedtime"] = Value::Null;
    event["data"]["latency"] = Value::Null;
    event
}

#[test]
fn killed_again_and_again_nothing_shown_is_lost() {
    let dir = scratch();
    let source = signal(dir.path(), 3_000);
    let feed = |name: &str, pace: &str| {
        format!("[[feeds]]\nname = \"{name}\"\nsource = \"file:{source}\"\npace = \"{pace}\"\n")
    };
    let config = format!(
        "{NO_SPEECH}dead_air_secs = 1\nmeter = true\n{}{}",
        feed("fast", "free"),
        feed("live", "real_time")
    );
    let mut shown: BTreeMap<String, Value> = BTreeMap::new();
    let mut last: Option<String> = None;
    for _ in 0..count("AIRCHECK_KILLS", KILLS) {
        let service = Service::start(dir.path(), &config);
        let follow = service.follow("/v1/events?after=0", last.as_deref());
        let reading = std::thread::Builder::new().name("reader".into());
        let reading =
            reading.spawn(move || follow.filter(|shown| shown.id.is_some()).collect::<Vec<Shown>>()).unwrap();
        service.until("live", |event| kind(event) == "feed.live");
        // The fault comes when it comes.
        std::thread::park_timeout(by_chance(Duration::from_millis(1_500)));
        service.kill();
        for Shown { id: place, event, .. } in reading.join().unwrap() {
            let before = shown.insert(id(&event).to_owned(), event.clone());
            assert_eq!(before, None, "shown twice: {}", id(&event));
            last = place;
        }
    }
    let service = Service::start(dir.path(), &config);
    let kept = service.all();
    let by_id: BTreeMap<&str, &Value> = kept.iter().map(|event| (id(event), event)).collect();
    for (id, event) in &shown {
        let kept = by_id.get(id.as_str()).unwrap_or_else(|| panic!("{id} was shown, and is lost"));
        assert_eq!(facts((*kept).clone()), facts(event.clone()));
    }
    assert!(shown.len() > 100, "{}", shown.len());
    check_epochs(&kept, "live");
    check_epochs(&kept, "fast");
}

/// Every epoch is whole, and all but the first begin with the loss that the crash was.
fn check_epochs(kept: &[Value], feed: &str) {
    let mut by_epoch: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for event in kept.iter().filter(|event| event["data"]["feed"] == feed) {
        by_epoch.entry(event["data"]["epoch"].as_u64().unwrap()).or_default().push(event);
    }
    assert!(by_epoch.len() as u32 >= count("AIRCHECK_KILLS", KILLS), "{feed}: {} epochs", by_epoch.len());
    for (n, (epoch, of_epoch)) in by_epoch.iter().enumerate() {
        let lines: String = of_epoch.iter().map(|event| format!("{event}\n")).collect();
        events(lines.as_bytes());
        let is_crash = |event: &&&Value| kind(event) == "gap" && event["data"]["reason"] == "crash";
        let n_crashes = of_epoch.iter().filter(is_crash).count();
        assert_eq!(n_crashes, usize::from(n > 0), "{feed}, epoch {epoch}");
    }
}

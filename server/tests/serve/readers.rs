//! Readers of events: each gets every one of them once and in order, however it comes back.

use std::collections::BTreeSet;
use std::io::Write;

use futures_util::StreamExt;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::rig::{NO_SPEECH, Service, id, kind, send, signal};
use crate::support::{events, scratch};

/// Four feeds with an event now and then each.
fn four(dir: &std::path::Path, secs: u32) -> String {
    let source = signal(dir, secs);
    let feed = |n: u32| format!("[[feeds]]\nname = \"f{n}\"\nsource = \"file:{source}\"\npace = \"free\"\n");
    format!("{NO_SPEECH}dead_air_secs = 1\n{}", (0..4).map(feed).collect::<String>())
}

/// Waits until all four have ended, and have told the last that there is to tell.
fn all_ended(service: &Service) {
    let is_last = |event: &Value| kind(event) == "loudness.report" && event["data"]["scope"] == "programme";
    (0..4).for_each(|n| drop(service.until(&format!("f{n}"), is_last)));
}

#[test]
fn every_way_of_reading_shows_the_same() {
    let dir = scratch();
    let service = Service::start(dir.path(), &four(dir.path(), 120));
    all_ended(&service);
    let answer = service.get("/v1/events?limit=10000");
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let range = events(answer.body.as_bytes());
    let ids: Vec<&str> = range.iter().map(id).collect();
    assert!(ids.len() > 100, "{}", ids.len());
    // Server-Sent Events, whole, and from a place in the middle.
    let shown: Vec<_> = service.follow("/v1/events?after=0", None).take(ids.len()).collect();
    assert_eq!(
        shown.iter().map(|shown| shown.line.as_str()).collect::<Vec<_>>(),
        answer.body.lines().collect::<Vec<_>>()
    );
    let middle = shown[ids.len() / 2].id.as_deref().unwrap();
    let rest: Vec<_> =
        service.follow("/v1/events", Some(middle)).take(ids.len() - ids.len() / 2 - 1).collect();
    assert_eq!(rest.iter().map(|shown| id(&shown.event)).collect::<Vec<_>>(), ids[ids.len() / 2 + 1..]);
    // Ranges, page by page.
    let (mut paged, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let page = service.get(&format!("/v1/events?limit=7&after={after}"));
        if page.body.is_empty() {
            break;
        }
        paged.extend(page.body.lines().map(str::to_owned));
        after = page.header("aircheck-next").unwrap().to_owned();
    }
    assert_eq!(paged, answer.body.lines().collect::<Vec<_>>());
    // A filter.
    let alerts = service.range("feed=f1,f2&type=alert.dead_air");
    assert!(!alerts.is_empty());
    assert!(alerts.iter().all(|event| kind(event) == "alert.dead_air"
        && ["f1", "f2"].contains(&event["data"]["feed"].as_str().unwrap())));
    // A WebSocket.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let over_socket = runtime.block_on(async {
        let address = format!("ws://{}/v1/events/ws?after=0", service.address);
        let (mut socket, _) = tokio_tungstenite::connect_async(address).await.unwrap();
        let mut lines = Vec::new();
        while lines.len() < ids.len() {
            if let Message::Text(line) = socket.next().await.unwrap().unwrap() {
                lines.push(line.to_string());
            }
        }
        lines
    });
    assert_eq!(over_socket, answer.body.lines().collect::<Vec<_>>());
}

#[test]
fn a_reader_that_begins_in_the_middle_of_it_all_misses_nothing() {
    let dir = scratch();
    let service = Service::start(dir.path(), &four(dir.path(), 1_200));
    // All of them begin to read while the feeds run as fast as they can.
    let readers: Vec<_> = (0..8).map(|_| service.follow("/v1/events?after=0", None)).collect();
    let reading = readers.into_iter().map(|reader| {
        let name = std::thread::Builder::new().name("reader".into());
        let read = move || {
            let mut ended = 0;
            let mut seen = Vec::new();
            for shown in reader {
                let Some(place) = shown.id.filter(|_| shown.event.is_object()) else { continue };
                ended += u32::from(kind(&shown.event) == "feed.ended");
                seen.push((place, id(&shown.event).to_owned()));
                if ended == 4 {
                    break;
                }
            }
            seen
        };
        name.spawn(read).unwrap()
    });
    let seen: Vec<Vec<(String, String)>> =
        reading.collect::<Vec<_>>().into_iter().map(|t| t.join().unwrap()).collect();
    for seen in &seen {
        let ids: Vec<String> = service.range("").iter().map(|event| id(event).to_owned()).collect();
        let shown: Vec<&String> = seen.iter().map(|(_, id)| id).collect();
        assert_eq!(shown, ids[..shown.len()].iter().collect::<Vec<_>>());
        let places: BTreeSet<&String> = seen.iter().map(|(place, _)| place).collect();
        assert_eq!(places.len(), seen.len());
    }
}

#[test]
fn a_place_in_another_journal_is_told_apart() {
    let dir = scratch();
    let service = Service::start(dir.path(), &four(dir.path(), 30));
    all_ended(&service);
    let mut reset = service.follow("/v1/events", Some("ffffffffffffffffffffffffffffffff-3"));
    assert!(reset.next().unwrap().line.contains("the journal is a new one"));
    assert_eq!(reset.next().unwrap().event["id"], service.range("")[0]["id"]);
}

/// G12: readers that do not read slow nobody, are cut, and miss nothing when they come back.
#[test]
fn readers_that_never_read_hurt_nobody() {
    let dir = scratch();
    let config = four(dir.path(), 3_000);
    let service = Service::start(dir.path(), &config);
    // Fifty that ask and do not read.
    let stuck: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = service.connect();
            send(&mut stream, service.address, "GET", "/v1/events", &["Accept: text/event-stream"], "");
            stream.flush().unwrap();
            stream
        })
        .collect();
    let mut follow = service.follow("/v1/events?after=0", None);
    let (mut ended, mut n_seen) = (0, 0);
    let mut last = None;
    while ended < 4 {
        match follow.next() {
            Some(shown) if shown.event.is_object() => {
                ended += u32::from(kind(&shown.event) == "feed.ended");
                n_seen += u64::from(shown.id.is_some());
                last = shown.id.or(last);
            }
            // Cut, because this test was slow: it goes on after the last one.
            _ => follow = service.follow("/v1/events", last.as_deref()),
        }
    }
    let answer = service.get("/readyz").json();
    assert_eq!(answer["status"], Value::from("ready"));
    assert_eq!(answer["version"], Value::from(env!("CARGO_PKG_VERSION")));
    assert!(n_seen > 1_000, "{n_seen}");
    drop(stuck);
    service.end();
}

//! Of a feed that has no segments of its own: ours. And the same text as files, live and past.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::playlist::{LIMITS, fetch, whole};
use crate::rig::{Service, kind, send};
use crate::support::{sample, scratch, words};

const TOKEN: &str = "captions-read-me";

fn config(source: &str) -> String {
    let hash: String = Sha256::digest(TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n{LIMITS}[captions]\nsegment_secs = 2\nwait_secs = 12\n[[tokens]]\nname = \"player\"\n\
         role = \"read\"\nsha256 = \"{hash}\"\n[[feeds]]\nname = \"a\"\nsource = \"file:{source}\"\npace = \"real_time\"\n"
    )
}

#[test]
fn segments_of_our_own_never_change() {
    let dir = scratch();
    let source = sample("beckett.wav");
    let plain = config(&source);
    let (before, after) = plain.split_once("[[tokens]]").unwrap();
    let open = format!("{before}{}", &after[after.find("[[feeds]]").unwrap()..]);
    let service = Service::start(dir.path(), &open);
    let mut live = service.connect();
    send(&mut live, service.address, "GET", "/v1/feeds/a/captions/live.vtt", &[], "");
    let mut published: BTreeMap<u64, String> = BTreeMap::new();
    let mut events = service.follow("/v1/feeds/a/events?after=0", None);
    // What each event leads to is looked at, and held against what was there before.
    loop {
        let event = events.next().unwrap().event;
        if let Some((segments, _)) = fetch(&service, "a") {
            for segment in segments {
                let text = published.entry(segment.number).or_insert_with(|| segment.text.clone());
                assert_eq!(*text, segment.text, "segment {} has changed", segment.number);
            }
        }
        if kind(&event) == "feed.ended" {
            break;
        }
    }
    let segments = whole(&service, "a");
    assert!(segments.len() >= 4, "{segments:?}");
    assert!(segments.iter().all(|segment| segment.secs <= 2.0 && !segment.date.is_empty()));
    let finals = service.range("feed=a&type=transcript.final");
    let mut shown = BTreeMap::new();
    for cue in segments.iter().flat_map(|segment| &segment.cues) {
        shown.insert((cue.media.0 * 1_000.0) as u64, cue.lines.join(" "));
    }
    let texts: Vec<&str> = shown.values().map(String::as_str).collect();
    assert_eq!(letters(&texts.join(" ")), words(&finals).join(""));
    check_live(live, &words(&finals).join(""));
    check_transcripts(&service, &finals);
    service.end();
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What came as a file without an end has the same text.
fn check_live(stream: std::net::TcpStream, expected: &str) {
    let (mut heard, mut all) = (String::new(), String::new());
    let mut is_text = false;
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        all.push_str(&line);
        if is_text && !line.is_empty() {
            heard.push_str(&letters(&line));
        }
        is_text = line.contains(" --> ") || is_text && !line.is_empty();
        if heard.len() >= expected.len() {
            break;
        }
    }
    assert_eq!(heard, expected, "{all}");
}

/// By wall time and by media time, in each format.
fn check_transcripts(service: &Service, finals: &[Value]) {
    let last = finals.last().unwrap();
    let (start, time) = (last["data"]["span"]["start_ms"].as_u64().unwrap(), last["time"].as_str().unwrap());
    let ask = |query: &str| {
        let answer = service.get(&format!("/v1/feeds/a/transcript?{query}"));
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        answer
    };
    let by_media = ask(&format!("format=srt&from_ms={start}")).body;
    assert_eq!(by_media, ask(&format!("format=srt&from={time}")).body);
    assert!(by_media.starts_with("1\n00:00:0"), "{by_media}");
    assert_eq!(ask(&format!("format=vtt&to_ms={}", start + 1)).body, ask("format=vtt").body);
    assert_eq!(ask("format=srt&epoch=1").body, "");
    assert_eq!(service.get(&format!("/v1/feeds/a/transcript?from={time}&to_ms=1")).status, 400);
    let podcast = ask("format=podcast");
    assert_eq!(podcast.header("content-type"), Some("application/json"));
    let segments = podcast.json()["segments"].as_array().unwrap().clone();
    let body: Vec<&str> = segments.iter().map(|segment| segment["body"].as_str().unwrap()).collect();
    assert_eq!(letters(&body.join(" ")), words(finals).join(""));
    assert!(body.iter().all(|body| body.chars().count() <= 42), "{body:?}");
    let starts: Vec<f64> = segments.iter().map(|segment| segment["startTime"].as_f64().unwrap()).collect();
    assert!(starts.is_sorted() && podcast.json()["version"] == "1.0.0", "{podcast:?}");
}

#[test]
fn players_bring_their_token_in_the_address() {
    let dir = scratch();
    let source = crate::rig::signal(dir.path(), 5);
    let service = Service::start(dir.path(), &config(&source));
    let at = "/v1/feeds/a/captions/playlist.m3u8";
    assert_eq!(service.get(at).status, 401);
    assert_eq!(service.get(&format!("{at}?token=wrong")).status, 401);
    // There is nothing said in it: segments wait for nothing.
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let accept = "Accept: text/event-stream";
    let follow = ["GET", "/v1/feeds/a/events?after=0"];
    let mut events = service.connect();
    send(&mut events, service.address, follow[0], follow[1], &[&bearer, accept], "");
    for line in BufReader::new(events).lines() {
        if line.unwrap().contains("aircheck.feed.ended") {
            break;
        }
    }
    let answer = loop {
        let answer = service.get(&format!("{at}?token={TOKEN}"));
        if answer.body.contains("ENDLIST") {
            break answer;
        }
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        std::thread::yield_now();
    };
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let name = answer.body.lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
    assert!(name.ends_with(&format!(".vtt?token={TOKEN}")), "{name}");
    let segment = service.get(&format!("/v1/feeds/a/captions/{name}"));
    assert!(segment.status == 200 && segment.body.starts_with("WEBVTT\nX-TIMESTAMP-MAP="), "{segment:?}");
    let known = format!("If-None-Match: {}", segment.header("etag").unwrap());
    let again = service.ask("GET", &format!("/v1/feeds/a/captions/{name}"), &[&known], "");
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let preflight = service.ask("OPTIONS", at, &["Origin: https://radio.example"], "");
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, Some("*")));
    let joined = service.get(&format!("/v1/feeds/a/captions/master.m3u8?stream=a.m3u8&token={TOKEN}"));
    assert!(joined.body.contains(&format!("URI=\"playlist.m3u8?token={TOKEN}\"")), "{joined:?}");
    for (path, status) in [("nothing.vtt", 404), ("1.vtt", 404), ("master.m3u8", 400)] {
        let answer = service.get(&format!("/v1/feeds/a/captions/{path}?token={TOKEN}"));
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (status, Some("*")),
            "{path}"
        );
    }
    assert_eq!(service.get(&format!("/v1/feeds/none/captions/playlist.m3u8?token={TOKEN}")).status, 404);
    service.end();
}

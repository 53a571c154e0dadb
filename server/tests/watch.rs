//! `aircheck watch` as a user runs it: a stream over a real socket, titles, captions, signals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use support::free::free_address;
use support::{aircheck, events, expect, ffmpeg, of_kind, sample, scratch, words};

/// Serves one listener with `bytes` and ICY titles every 8 000 bytes, then keeps the connection until told to end.
fn station(bytes: Vec<u8>, title: &'static str) -> (SocketAddr, JoinHandle<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let serve = move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut wants_titles = false;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            wants_titles |= line.to_ascii_lowercase().starts_with("icy-metadata: 1");
            if line == "\r\n" {
                break;
            }
        }
        assert!(wants_titles, "the listener asks for titles");
        let mut stream = reader.into_inner();
        stream.write_all(b"ICY 200 OK\r\ncontent-type: audio/mpeg\r\nicy-metaint: 8000\r\n\r\n").unwrap();
        let mut block = format!("StreamTitle='{title}';").into_bytes();
        block.resize(block.len().next_multiple_of(16), 0);
        for piece in bytes.chunks(8_000) {
            stream.write_all(piece).unwrap();
            if piece.len() == 8_000 {
                stream.write_all(&[(block.len() / 16) as u8]).unwrap();
                stream.write_all(&block).unwrap();
            }
        }
        stream
    };
    (at, std::thread::Builder::new().name("station".into()).spawn(serve).unwrap())
}

fn mp3() -> Vec<u8> {
    let dir = scratch();
    let path = dir.path().join("a.mp3");
    ffmpeg(&["-i", &sample("beckett.wav"), "-c:a", "libmp3lame", "-b:a", "128k"], &path);
    fs::read(&path).unwrap()
}

#[test]
fn a_shoutcast_stream_is_heard_to_its_end() {
    let (at, serving) = station(mp3(), "Beckett - 'Worstward'; Ho");
    let watching = aircheck()
        .args(["watch", "--once", "--feed", "test", &format!("http://{at}/;stream.mp3")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(serving.join().unwrap());
    let output = watching.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("coverage    100.000 %"), "{stderr}");
    let events = events(&output.stdout);
    let said = words(&events).join(" ");
    assert!(said.contains("ever tried") && said.contains("fail better"), "{said}");
    let titles = of_kind(&events, "feed.metadata");
    assert_eq!(titles[0]["data"]["title"], "Beckett - 'Worstward'; Ho");
    for kind in ["feed.connected", "feed.live", "feed.format", "feed.ended"] {
        assert_eq!(of_kind(&events, kind).len(), 1, "{kind}");
    }
    for last in of_kind(&events, "transcript.final") {
        let latency = &last["data"]["latency"];
        // Nothing is promised of what was old when it came, and this station sends all of it at once.
        let is_promised = latency["total_ms"].is_u64() && latency["budget_ms"] == 3_000;
        assert!(latency.is_null() || is_promised, "{latency}");
        assert_eq!(last["data"]["stable_bytes"], last["data"]["text"].as_str().unwrap().len());
    }
}

#[test]
fn a_signal_ends_it_with_everything_that_was_said() {
    let (at, serving) = station(mp3(), "x");
    let mut watching = aircheck()
        .args(["watch", &format!("http://{at}/"), "--meter"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(watching.stdout.take().unwrap());
    let mut seen = Vec::new();
    // A final of the middle of the clip: everything up to there was analysed.
    while !seen.ends_with(b"}\n") || !String::from_utf8_lossy(&seen).contains("aircheck.transcript.final.v1")
    {
        assert!(stdout.read_until(b'\n', &mut seen).unwrap() > 0, "it ended by itself");
    }
    let killed = Command::new("kill").args(["-TERM", &watching.id().to_string()]).status().unwrap();
    assert!(killed.success());
    stdout.read_to_end(&mut seen).unwrap();
    assert!(watching.wait().unwrap().success());
    drop(serving.join());
    let events = events(&seen);
    let ended = of_kind(&events, "feed.ended");
    assert_eq!(ended.len(), 1, "it says that it was told to end");
    assert_eq!(of_kind(&events, "loudness.report").len(), 1, "the programme's loudness closes the run");
}

#[test]
fn a_file_is_played_at_its_own_pace() {
    let output = expect(0, &["watch", &sample("beckett.wav")]);
    let events = events(&output.stdout);
    let (partials, finals) = (of_kind(&events, "transcript.partial"), of_kind(&events, "transcript.final"));
    assert!(!finals.is_empty());
    // A busy machine sheds partials.
    assert!(partials.iter().all(|partial| partial.get("sequence").is_none()), "partials are ephemeral");
    assert!(!of_kind(&events, "heartbeat").is_empty());
    let ids: Vec<_> = events.iter().map(|event| event["id"].clone()).collect();
    let mut unique = ids.clone();
    unique.sort_by_key(ToString::to_string);
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "ids are unique");
}

#[test]
fn two_at_once_do_not_disturb_each_other() {
    let play = || {
        aircheck()
            .args(["watch", &sample("beckett.wav")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let both = [play(), play()].map(|child| child.wait_with_output().unwrap());
    let said = both.map(|output| words(&events(&output.stdout)).join(" "));
    assert!(said.iter().all(|text| text.contains("fail")), "{said:?}");
}

#[test]
fn metrics_are_served_while_it_watches() {
    let address = free_address().to_string();
    let mut watching = aircheck()
        .args(["watch", &sample("beckett.wav"), "--feed", "wxyz", "--metrics", &address])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("aircheck.transcript.final.v1")));
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let value = |series: &str| -> f64 {
        let line =
            text.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("{series}: {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("aircheck_event_latency_seconds_count{event=\"transcript.final\",feed=\"wxyz\"}") >= 1.0);
    let received = value("aircheck_audio_received_seconds{feed=\"wxyz\"}");
    let analysed = value("aircheck_audio_analysed_seconds{feed=\"wxyz\"}");
    let shed = value("aircheck_audio_shed_seconds{feed=\"wxyz\"}");
    assert!(received > 0.5 && (received - analysed - shed).abs() < 1e-6, "{received} {analysed} {shed}");
    assert_eq!(lines.count() > 0, watching.wait().unwrap().success());
}

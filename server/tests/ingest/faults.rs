//! A server with every fault that we know, many times over (GUARANTEES.md, G5): the feed is live again in the end, no
//! decoder panics, and another feed beside it notices nothing. `AIRCHECK_FAULT_SEEDS=50` for the long run.

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use engine::event::FeedState;
use server::ingest::{Address, Audio, LiveConfig};
use tokio::runtime::Runtime;

use crate::serve::{Act, Server, quick, send_and_hang, stream_of, wait_for_end};
use crate::support::{Files, Heard, chirp, hear_until};

/// What a server does with its first connection.
type Fault = fn(&mut TcpStream, &mut Random, &Sounds) -> std::io::Result<()>;

struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap()
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next() as u8).take(n).collect()
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.next() % all.len()]
    }
}

/// Four seconds each, in two codecs.
#[derive(Clone)]
struct Sounds {
    mp3: Vec<u8>,
    aac: Vec<u8>,
}

impl Sounds {
    fn new() -> Self {
        let files = Files::new();
        let mp3 = files.make("a.mp3", "-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0");
        let aac = files.make_from("a.aac", &chirp(1, 44_100, 4.0), "-c:a aac -b:a 96k");
        Self { mp3, aac }
    }

    /// The first part of the MP3.
    fn some(&self, random: &mut Random) -> &[u8] {
        &self.mp3[..1 + random.next() % self.mp3.len()]
    }
}

fn ok(headers: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n{headers}\r\n")
}

fn again(s: &mut TcpStream, mut bytes: impl FnMut() -> Vec<u8>) -> std::io::Result<()> {
    while s.write_all(&bytes()).is_ok() {}
    Ok(())
}

const FAULTS: [(&str, Fault); 22] = [
    ("closes at once", |_, _, _| Ok(())),
    ("answers nothing", |s, _, _| {
        wait_for_end(s);
        Ok(())
    }),
    ("stops within its header", |s, r, _| {
        let head = ok("icy-name: x\r\n");
        s.write_all(&head.as_bytes()[..1 + r.next() % (head.len() - 3)])?;
        wait_for_end(s);
        Ok(())
    }),
    ("never ends its header", |s, _, _| {
        s.write_all(b"HTTP/1.1 200 OK\r\nX: ")?;
        again(s, || vec![b'a'; 4_096])
    }),
    ("never ends its headers", |s, _, _| {
        s.write_all(b"HTTP/1.1 200 OK\r\n")?;
        again(s, || b"X: y\r\n".to_vec())
    }),
    ("babbles", |s, r, _| s.write_all(&r.bytes(3_000))),
    ("refuses", |s, r, _| {
        let status = r.of(&["401 No", "403 No", "404 No", "410 No", "500 No", "503 No", "204 No", "999 No"]);
        write!(s, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")
    }),
    ("redirects in a loop", |s, _, _| write!(s, "HTTP/1.1 302 x\r\nLocation: /live\r\n\r\n")),
    ("redirects to nowhere", |s, r, _| {
        let to = r.of(&["ftp://x/", "http://127.0.0.1:1/", "http://", "http://[::1]:1/"]);
        write!(s, "HTTP/1.1 301 x\r\nLocation: {to}\r\n\r\n")
    }),
    ("has an empty body", |s, _, _| s.write_all(ok("").as_bytes())),
    ("shows a page", |s, r, _| {
        s.write_all(&stream_of(
            "text/html",
            format!("<!doctype html>{}", "x".repeat(r.next() % 9_000)).as_bytes(),
        ))
    }),
    ("breaks off", |s, r, a| s.write_all(&stream_of("audio/mpeg", a.some(r)))),
    ("stalls", |s, r, a| {
        s.write_all(&stream_of("audio/mpeg", a.some(r)))?;
        wait_for_end(s);
        Ok(())
    }),
    ("sends garbage", |s, r, _| {
        s.write_all(ok("").as_bytes())?;
        again(s, || r.bytes(64 << 10))
    }),
    ("goes over to garbage", |s, r, a| {
        s.write_all(&stream_of("audio/mpeg", a.some(r)))?;
        again(s, || r.bytes(64 << 10))
    }),
    ("changes its codec", |s, r, a| s.write_all(&stream_of("audio/mpeg", &[a.some(r), &a.aac].concat()))),
    ("lies about its codec", |s, r, a| {
        s.write_all(&stream_of(r.of(&["audio/aacp", "application/ogg", "video/mp4", "\u{7f}"]), a.some(r)))
    }),
    ("lies about its length", |s, r, a| {
        let length = r.next() % 80_000;
        s.write_all(&[ok(&format!("Content-Length: {length}\r\n")).as_bytes(), a.some(r)].concat())
    }),
    ("sends chunks that are none", |s, r, a| {
        s.write_all(ok("Transfer-Encoding: chunked\r\n").as_bytes())?;
        let size = r.of(&["zz", "ffffffffffffffff", "-1", "", "5", "1000000000000000000000"]);
        s.write_all(&[format!("{size}\r\n").as_bytes(), a.some(r)].concat())
    }),
    ("lies about its titles", |s, r, a| {
        let metaint = r.of(&["1", "0", "-1", "417", "8192", "1048576", "99999999999"]);
        s.write_all(&[ok(&format!("icy-metaint: {metaint}\r\n")).as_bytes(), a.some(r)].concat())
    }),
    ("sends titles without end", |s, r, _| {
        s.write_all(ok("icy-metaint: 1\r\n").as_bytes())?;
        again(s, || [&[0, 255][..], &r.bytes(255 * 16)].concat())
    }),
    ("damages what it sends", |s, r, a| {
        let mut bytes = a.mp3.clone();
        (0..bytes.len() / 50).for_each(|_| bytes[r.next() % a.mp3.len()] = r.next() as u8);
        s.write_all(&stream_of("audio/mpeg", &bytes))
    }),
];

fn config() -> LiveConfig {
    let undecodable_after = Duration::from_millis(200);
    LiveConfig { first_attempts: None, undecodable_after, ..quick(true) }
}

/// The feed is live after the fault, once it was seen to be lost.
fn is_back(heard: &Heard) -> bool {
    let mut states = heard.states().into_iter();
    states.any(|state| state == FeedState::Reconnecting) && states.any(|state| state == FeedState::Live)
}

fn check_fault((name, fault): (&'static str, Fault), seed: u64, sounds: &Sounds, runtime: &Runtime) {
    let random = Mutex::new(Random(seed));
    let broken = sounds.clone();
    let first: Act = Box::new(move |stream| {
        // The listener may have had enough.
        let _ = fault(stream, &mut random.lock().unwrap(), &broken);
    });
    let server = Server::new(vec![first, send_and_hang(stream_of("audio/mpeg", &sounds.mp3))]);
    let address = Address::parse(&server.url("/live")).unwrap();
    let mut audio = Audio::from_stream(&address, config(), runtime.handle()).unwrap();
    let heard = hear_until(&mut audio, is_back);
    assert!(heard.error.is_none() && is_back(&heard), "{name}, {seed}: {:?} {:?}", heard.error, heard.feeds);
    // A feed is live only where it is connected, and says why it is not.
    let mut is_connected = false;
    for feed in &heard.feeds {
        match feed.state {
            FeedState::Connected => is_connected = true,
            FeedState::Reconnecting => is_connected = false,
            _ => assert!(is_connected, "{name}, {seed}: {:?}", heard.feeds),
        }
        let is_told = feed.reason.is_some() || matches!(feed.state, FeedState::Live | FeedState::Stalled);
        assert!(is_told, "{name}, {seed}: {feed:?}");
    }
}

/// A feed at its pace that nothing disturbs, until it is told to end.
fn quiet_neighbour(sounds: &Sounds, end: Receiver<()>) -> Server {
    let (bytes, end) = (sounds.mp3.clone(), Mutex::new(end));
    Server::new(vec![Box::new(move |stream| {
        let _ = stream.write_all(&stream_of("audio/mpeg", b""));
        for piece in bytes.chunks(1_600).cycle() {
            let _ = stream.write_all(piece);
            let told = end.lock().unwrap().recv_timeout(Duration::from_millis(100));
            if told != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    })])
}

#[test]
fn every_fault_passes_and_the_neighbours_hear_nothing_of_it() {
    let seeds = std::env::var("AIRCHECK_FAULT_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    let sounds = Arc::new(Sounds::new());
    let runtime =
        Arc::new(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
    let (end, ended) = sync_channel(0);
    let neighbour = quiet_neighbour(&sounds, ended);
    let address = Address::parse(&neighbour.url("/")).unwrap();
    let once = LiveConfig { reconnect: false, ..LiveConfig::default() };
    let mut audio = Audio::from_stream(&address, once, runtime.handle()).unwrap();
    let listen = move || hear_until(&mut audio, |_| false);
    let beside = thread::Builder::new().name("neighbour".into()).spawn(listen).unwrap();
    let checks = FAULTS.map(|fault| {
        let (sounds, runtime) = (Arc::clone(&sounds), Arc::clone(&runtime));
        let check = move || (1..=seeds).for_each(|seed| check_fault(fault, seed, &sounds, &runtime));
        thread::Builder::new().name(fault.0.into()).spawn(check).unwrap()
    });
    let failed: Vec<_> = checks.into_iter().filter_map(|check| check.join().err()).collect();
    assert!(failed.is_empty(), "{} of {} faults", failed.len(), FAULTS.len());
    drop(end);
    let heard = beside.join().unwrap();
    assert_eq!(heard.states(), [FeedState::Connected, FeedState::Live, FeedState::Ended]);
    assert!(
        heard.gaps.iter().all(|(_, gap)| gap.frames < 4_000) && heard.error.is_none(),
        "{:?}",
        heard.gaps
    );
}

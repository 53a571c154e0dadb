//! A source of a real Icecast that stops and goes on, with a clock of its own: states and gaps are what they were.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use engine::event::{FeedState, GapReason};
use server::ingest::{BackoffConfig, LiveConfig};

use crate::icecast::icecast;
use crate::reconnect::{NOISE, join, place, wait_for};
use crate::serve::listen;
use crate::support::{Files, Heard, hear_file, hear_until};

/// A gap may be longer or shorter than what was not heard by this.
const TOLERANCE_SECS: f64 = 0.1;
/// 128 kbit/s of CBR: 16 bytes are a millisecond.
const BYTES_PER_MS: usize = 16;
const RATE_HZ: f64 = 48_000.0;

/// Sends bytes at their pace until it is told to pause.
struct Pacer {
    pause: SyncSender<()>,
    paused: Receiver<(TcpStream, usize)>,
    began_at: Instant,
}

impl Pacer {
    fn start(at: SocketAddr, bytes: Vec<u8>) -> Self {
        let mut stream = TcpStream::connect(at).unwrap();
        // source:hackme
        let head = "SOURCE /a.mp3 HTTP/1.0\r\nAuthorization: Basic c291cmNlOmhhY2ttZQ==\r\n\
                    Content-Type: audio/mpeg\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert!(answer.ends_with(b"200"), "{}", String::from_utf8_lossy(&answer));
        let (stream, began_at) = (stream, Instant::now());
        Self::go(stream, bytes, began_at)
    }

    fn go(mut stream: TcpStream, bytes: Vec<u8>, began_at: Instant) -> Self {
        let (pause, told) = sync_channel(1);
        let (report, paused) = sync_channel(1);
        let send = move || {
            let mut n_bytes = 0;
            for (n, piece) in bytes.chunks(10 * BYTES_PER_MS).enumerate() {
                let due = began_at + Duration::from_millis(10 * (n as u64 + 1));
                let left = due.saturating_duration_since(Instant::now());
                if told.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
                stream.write_all(piece).unwrap();
                n_bytes += piece.len();
            }
            let _ = report.send((stream, n_bytes));
        };
        thread::Builder::new().name("pacer".into()).spawn(send).unwrap();
        Self { pause, paused, began_at }
    }

    /// Pauses. Answers with the connection, and how many bytes were sent.
    fn pause(self) -> (TcpStream, usize) {
        self.pause.send(()).unwrap();
        self.paused.recv().unwrap()
    }
}

fn config() -> LiveConfig {
    let backoff = BackoffConfig { max: Duration::from_secs(1), ..BackoffConfig::default() };
    LiveConfig { backoff, ..LiveConfig::default() }
}

fn away(length: Duration) {
    let (_nobody, answers) = sync_channel::<()>(0);
    assert_eq!(answers.recv_timeout(length), Err(RecvTimeoutError::Timeout));
}

/// The noise as MP3, and as it is heard.
fn noise(files: &Files) -> (Vec<u8>, Vec<f32>) {
    let encode = "-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0";
    let mp3 = files.make_from("a.mp3", NOISE, encode);
    let all = hear_file(&files.path("a.mp3"));
    (mp3, all.channels[0].clone())
}

/// Icecast closes listeners of a source that is silent for 10 s, and answers 404 until it is back.
#[test]
fn a_source_that_stops_for_14_s_is_a_gap_of_what_was_not_heard() {
    let files = Files::new();
    let (mp3, all) = noise(&files);
    let (_icecast, at) = icecast(files.0.path());
    let first = Pacer::start(at, mp3.clone());
    let first_at = first.began_at;
    wait_for(at, "a.mp3");
    let (audio, _runtime) = listen(&format!("http://{at}/a.mp3"), config());
    let mut audio = audio.unwrap();
    let before = hear_until(&mut audio, |heard| heard.n_frames() > 96_000);
    let (_silent, n_bytes) = first.pause();
    away(Duration::from_secs(14));
    let jump = n_bytes + 200_000;
    let second = Pacer::start(at, mp3[jump..].to_vec());
    let (mut heard, mut after) = (before, Heard::default());
    let more = hear_until(&mut audio, |more| more.gaps.len() == 1);
    join(&mut heard, more);
    join(&mut after, hear_until(&mut audio, |more| more.n_frames() > 144_000));

    use FeedState::{Connected, Live, Reconnecting, Stalled};
    let mut states = heard.states();
    states.dedup();
    assert_eq!(states, [Connected, Live, Stalled, Reconnecting, Connected], "{:?}", heard.feeds);
    assert_eq!(after.states(), [Live]);
    let [(span, gap)] = heard.gaps.as_slice() else { panic!("{:?}", heard.gaps) };
    assert_eq!((gap.frames, gap.reason), (0, GapReason::Disconnect));
    let (end, start) = (last_place(&heard, &all), place(&after.channels[0][10_000..12_000], &all) - 10_000);
    // When the first and last samples that were heard had been sent, by the pacers' clocks.
    let ended = end as f64 / RATE_HZ;
    let offset = jump as f64 / (1_000 * BYTES_PER_MS) as f64;
    let between = (second.began_at - first_at).as_secs_f64();
    let began = start as f64 / RATE_HZ - offset + between;
    let missing = span.duration().to_duration().as_secs_f64();
    println!("gap {missing:.3} s, not heard for {:.3} s", began - ended);
    assert!((missing - (began - ended)).abs() < TOLERANCE_SECS, "gap {missing} s, truth {} s", began - ended);
    assert!(start > end, "nothing is heard twice");
}

/// Where in `all` the last of what was heard ends.
fn last_place(heard: &Heard, all: &[f32]) -> usize {
    let ours = &heard.channels[0];
    place(&ours[ours.len() - 2_000..], all) + 2_000
}

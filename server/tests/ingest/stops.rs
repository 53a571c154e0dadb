//! A source of a real Icecast that stops and goes on, with a clock of its own: states and gaps are what they were.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use engine::event::{FeedState, Gap, GapReason};
use engine::time::Span;
use server::ingest::{BackoffConfig, LiveConfig};

use crate::icecast::icecast;
use crate::reconnect::{NOISE, join, place};
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

/// What was heard of a source around its stop.
struct Stop {
    all: Vec<f32>,
    before: Heard,
    after: Heard,
    /// What the source went on with, bytes of its file.
    jump: usize,
    /// From its first beginning to its second.
    between: Duration,
}

impl Stop {
    /// A source stops for `length` and goes on `skipped` bytes later, on its old connection or on a new one.
    fn of(
        length: Duration,
        skipped: usize,
        again: impl FnOnce(SocketAddr, TcpStream, Vec<u8>) -> Pacer,
    ) -> Self {
        let files = Files::new();
        let (mp3, all) = noise(&files);
        let (mut icecast, at) = icecast(files.0.path());
        let first = Pacer::start(at, mp3.clone());
        let first_at = first.began_at;
        icecast.until_served(at, "a.mp3");
        let (audio, _runtime) = listen(&format!("http://{at}/a.mp3"), config());
        let mut audio = audio.unwrap();
        let mut before = hear_until(&mut audio, |heard| heard.n_frames() > 96_000);
        let (stream, n_bytes) = first.pause();
        away(length);
        let jump = n_bytes + skipped;
        let second = again(at, stream, mp3[jump..].to_vec());
        let is_away = |heard: &Heard| heard.gaps.iter().any(|(_, gap)| gap.reason == GapReason::Disconnect);
        join(&mut before, hear_until(&mut audio, is_away));
        let after = hear_until(&mut audio, |more| more.n_frames() > 144_000);
        Self { all, before, after, jump, between: second.began_at - first_at }
    }

    /// The gap is as long as what was not heard, by the pacers' clocks; nothing is heard twice.
    fn check_gap(&self) {
        let is_away = |(_, gap): &&(Span, Gap)| gap.reason == GapReason::Disconnect;
        let gaps: Vec<_> = self.before.gaps.iter().filter(is_away).collect();
        let [(span, gap)] = gaps[..] else { panic!("{:?}", self.before.gaps) };
        assert_eq!(gap.frames, 0);
        let end = last_place(&self.before, &self.all);
        let start = place(&self.after.channels[0][10_000..12_000], &self.all) - 10_000;
        let ended = end as f64 / RATE_HZ;
        let offset = self.jump as f64 / (1_000 * BYTES_PER_MS) as f64;
        let began = start as f64 / RATE_HZ - offset + self.between.as_secs_f64();
        let (missing, truth) = (span.duration().to_duration().as_secs_f64(), began - ended);
        println!("gap {missing:.3} s, not heard for {truth:.3} s");
        assert!((missing - truth).abs() < TOLERANCE_SECS, "gap {missing} s, truth {truth} s");
        assert!(start > end, "nothing is heard twice");
    }

    fn states(&self) -> Vec<FeedState> {
        let mut states = self.before.states();
        states.extend(self.after.states());
        states.dedup();
        states
    }
}

/// Icecast closes listeners of a source that is silent for 10 s, and answers 404 until it is back.
#[test]
fn a_source_that_stops_for_14_s_is_a_gap_of_what_was_not_heard() {
    let again = |at, _silent: TcpStream, bytes| Pacer::start(at, bytes);
    let stop = Stop::of(Duration::from_secs(14), 200_000, again);
    use FeedState::{Connected, Live, Reconnecting, Stalled};
    assert_eq!(stop.states(), [Connected, Live, Stalled, Reconnecting, Connected, Live]);
    stop.check_gap();
}

/// A shorter stop is silence on an open connection.
#[test]
fn a_source_that_stops_for_5_s_is_a_gap_of_what_was_not_heard() {
    // A whole number of frames, each of 384 bytes: the source itself never stopped, nobody heard it.
    let again = |_, stream, bytes| Pacer::go(stream, bytes, Instant::now());
    let stop = Stop::of(Duration::from_secs(5), 208 * 384, again);
    use FeedState::{Connected, Live, Stalled};
    assert_eq!(stop.states(), [Connected, Live, Stalled, Live]);
    stop.check_gap();
}

/// Where in `all` the last of what was heard ends.
fn last_place(heard: &Heard, all: &[f32]) -> usize {
    let ours = &heard.channels[0];
    place(&ours[ours.len() - 2_000..], all) + 2_000
}

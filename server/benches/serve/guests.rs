//! Guests that speak the wire protocol of Deepgram's live API, in real time: when words are first seen, when they are
//! settled, and how long the last ones take after the end of speech.
//!
//! The clock of a guest is what it sent: a sample is spoken when the piece that it is the last of is sent. The end of a
//! word is where its final says. It is first seen in the first message that has the same word within 0.5 s of that
//! place. Speech ends with the last sound of the recording, or, where breath and noise follow, with its last word.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::{sleep_until, timeout};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::args::Args;
use crate::figures::quantiles;
use crate::processes::Taken;
use crate::programme::{PCM_BYTES_PER_SEC, sound, speech_pcm};
use crate::service::{Config, Service};
use crate::table::Bar;
use crate::wait;

const N_GUESTS: usize = 4;
const QUERY: &str = "model=nova-3&encoding=linear16&sample_rate=16000&channels=1&interim_results=true\
    &extra=aircheck_gaps:true";
/// What a guest sends at a time.
const PIECES_PER_SEC: usize = 10;
/// Silence that is sent after the recording.
const SILENCE_SECS: usize = 4;
/// Above it there is sound in the recordings; their rooms are at -60 dBFS and below.
const SOUND_DBFS: f64 = -50.0;
/// How far the same word may be from its place, s.
const SHIFT_SECS: f64 = 0.5;
/// What a guest says who only looks in.
const VISIT_SECS: usize = 2;
/// Longest wait for an end.
const PATIENCE: Duration = Duration::from_secs(30);
const SEEN_SECS_MAX: f64 = 2.5;
const SETTLED_SECS_MAX: f64 = 4.0;
const LAST_SECS_MAX: f64 = 1.5;

pub(crate) fn measure(args: &Args) -> Vec<Bar> {
    let n_guests = args.n_feeds(N_GUESTS);
    let service = Service::start(&Config::new(&format!("[profiles.default]\n{}", args.profile)));
    let (before, began) = ((service.taken().cpu_secs, Taken::here()), Instant::now());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let secs_max = args.length(Duration::MAX).as_secs();
    // Made before anybody begins to talk.
    let talks: Vec<_> = (0..n_guests).map(|n| Talk::new(n, secs_max)).collect();
    let talks = talks.iter().map(|talk| talk.with(service.address));
    let heard = runtime.block_on(futures_util::future::join_all(talks));
    let cores = |now: f64, before: f64| (now - before) / began.elapsed().as_secs_f64();
    println!(
        "  service {:.2} cores, this program {:.2}",
        cores(service.taken().cpu_secs, before.0),
        cores(Taken::here(), before.1)
    );
    service.end();
    bars(&heard)
}

fn bars(heard: &[Heard]) -> Vec<Bar> {
    heard.iter().enumerate().for_each(|(n, heard)| println!("  guest {n}: {}", heard.line()));
    let all = |of: fn(&Delay) -> f64| heard.iter().flat_map(|heard| &heard.words).map(of).collect::<Vec<_>>();
    let [seen_p50, seen_p95, _] = quantiles(&mut all(|word| word.seen));
    let [settled_p50, settled_p95, _] = quantiles(&mut all(|word| word.settled));
    let last = heard.iter().map(|heard| heard.last).fold(f64::NEG_INFINITY, f64::max);
    // A comparison with NaN is false: a guest that said nothing does not hold.
    let is_heard = heard.iter().all(|heard| !heard.words.is_empty() && !heard.last.is_nan());
    let last = if is_heard { last } else { f64::NAN };
    let n_gaps: usize = heard.iter().map(|heard| heard.n_gaps).sum();
    let late = all(|word| word.settled).into_iter().filter(|secs| *secs > SETTLED_SECS_MAX).count();
    let late = late as f64 / heard.iter().map(|heard| heard.words.len()).sum::<usize>() as f64 * 100.0;
    println!(
        "  p50: word first seen {seen_p50:.2} s, settled {settled_p50:.2} s; {late:.1} % of the words settled after \
         {SETTLED_SECS_MAX} s"
    );
    let guests = format!("{} guests", heard.len());
    vec![
        Bar::most(format!("{guests}: word first seen, p95"), seen_p95, SEEN_SECS_MAX, "s"),
        Bar::most(format!("{guests}: word settled, p95"), settled_p95, SETTLED_SECS_MAX, "s"),
        Bar::most(format!("{guests}: last words after the end of speech"), last, LAST_SECS_MAX, "s"),
        Bar::new(format!("{guests}: gaps"), n_gaps.to_string(), "0", n_gaps == 0),
    ]
}

/// Of one word, from its end, s.
struct Delay {
    seen: f64,
    settled: f64,
}

/// What one guest heard.
struct Heard {
    words: Vec<Delay>,
    /// The last word was settled so long after the end of speech, s.
    last: f64,
    n_interims: usize,
    n_gaps: usize,
}

impl Heard {
    fn line(&self) -> String {
        let quantiles = |of: fn(&Delay) -> f64| quantiles(&mut self.words.iter().map(of).collect::<Vec<_>>());
        let [seen_p50, seen_p95, _] = quantiles(|word| word.seen);
        let [settled_p50, settled_p95, _] = quantiles(|word| word.settled);
        format!(
            "{} words, first seen p50/p95 {seen_p50:.2}/{seen_p95:.2} s, settled {settled_p50:.2}/{settled_p95:.2} s, \
             last {:.2} s after the end of speech; {} interims, {} gaps",
            self.words.len(),
            self.last,
            self.n_interims,
            self.n_gaps
        )
    }
}

/// A message and when it came.
type Came = (Instant, Value);

/// What a guest has to say.
struct Talk {
    /// With silence after it.
    pcm: Vec<u8>,
    /// Where speech ends, s.
    speech_end: f64,
}

impl Talk {
    /// The recordings from another one on than its neighbours; `secs_max` of them.
    fn new(guest_idx: usize, secs_max: u64) -> Self {
        let mut pcm = speech_pcm(guest_idx);
        let bytes =
            |secs| usize::try_from(secs).map_or(usize::MAX, |secs| secs.saturating_mul(PCM_BYTES_PER_SEC));
        pcm.truncate(bytes(secs_max));
        let speech_end = sound(&pcm, SOUND_DBFS).end;
        pcm.resize(pcm.len() + SILENCE_SECS * PCM_BYTES_PER_SEC, 0);
        Self { pcm, speech_end }
    }

    async fn with(&self, address: SocketAddr) -> Heard {
        let connected = connect(address).await;
        let mut socket = connected.unwrap_or_else(|error| panic!("a guest was not let in: {error}"));
        let mut came = Vec::new();
        let began = play(&mut socket, &self.pcm, &mut came).await.expect("a connection that holds");
        hear(&came, began, self.speech_end)
    }
}

async fn connect(address: SocketAddr) -> Result<WebSocketStream<TcpStream>, tungstenite::Error> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    client_async(format!("ws://{address}/v1/listen?{QUERY}"), stream).await.map(|(socket, _)| socket)
}

/// Guests that say a word and go, one after the other: how many could stay, and how many could not.
pub(crate) fn come_and_go(address: SocketAddr, is_over: &AtomicBool) -> (u64, u64) {
    let mut word = speech_pcm(0);
    word.truncate(VISIT_SECS * PCM_BYTES_PER_SEC);
    let (mut n_in, mut n_refused) = (0, 0);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    while !is_over.load(Ordering::Relaxed) {
        let visit = async {
            let mut socket = connect(address).await.ok()?;
            play(&mut socket, &word, &mut Vec::new()).await
        };
        if runtime.block_on(visit).is_some() {
            n_in += 1;
        } else {
            n_refused += 1;
            wait::until(Instant::now() + Duration::from_secs(1));
        }
    }
    (n_in, n_refused)
}

/// Sends audio as it is spoken, and listens until the end; when it began. `None`: the connection broke.
async fn play(socket: &mut WebSocketStream<TcpStream>, pcm: &[u8], came: &mut Vec<Came>) -> Option<Instant> {
    let began = Instant::now();
    for (piece_idx, piece) in (1..).zip(pcm.chunks(PCM_BYTES_PER_SEC / PIECES_PER_SEC)) {
        let due = began + Duration::from_secs(1) * piece_idx / PIECES_PER_SEC as u32;
        loop {
            tokio::select! {
                () = sleep_until(due.into()) => break,
                message = socket.next() => note(&message?.ok()?, came),
            }
        }
        socket.send(Message::Binary(piece.to_vec().into())).await.ok()?;
    }
    let close = json!({"type": "CloseStream"}).to_string();
    socket.send(Message::Text(close.into())).await.ok()?;
    while let Some(message) = timeout(PATIENCE, socket.next()).await.ok()? {
        note(&message.ok()?, came);
    }
    Some(began)
}

fn note(message: &Message, came: &mut Vec<Came>) {
    if let Message::Text(text) = message {
        came.push((Instant::now(), serde_json::from_str(text.as_str()).unwrap()));
    }
}

fn hear(came: &[Came], began: Instant, speech_end: f64) -> Heard {
    let since = |at: &Instant| (*at - began).as_secs_f64();
    let results: Vec<_> = came.iter().filter(|(_, message)| message["type"] == "Results").collect();
    let all: Vec<(f64, Vec<Word>)> =
        results.iter().map(|(at, message)| (since(at), words(message))).collect();
    let is_final = |message: &Value| message["is_final"] == true;
    let mut heard = Heard { words: Vec::new(), last: f64::NAN, n_interims: 0, n_gaps: 0 };
    for ((at, message), (_, words)) in results.iter().zip(&all) {
        if !is_final(message) {
            heard.n_interims += 1;
            continue;
        }
        let settled = since(at);
        for word in words {
            // At the latest in this message itself.
            let first = all.iter().find(|(_, words)| words.iter().any(|other| word.is(other)));
            let seen = first.map_or(settled, |(at, _)| *at);
            heard.words.push(Delay { seen: seen - word.end, settled: settled - word.end });
            heard.last = settled - speech_end.min(word.end);
        }
    }
    heard.n_gaps = came.iter().filter(|(_, message)| message["type"] == "AircheckGap").count();
    heard
}

struct Word {
    text: String,
    start: f64,
    end: f64,
}

impl Word {
    fn is(&self, other: &Self) -> bool {
        self.text == other.text && (self.start - other.start).abs() <= SHIFT_SECS
    }
}

fn words(message: &Value) -> Vec<Word> {
    let words = message["channel"]["alternatives"][0]["words"].as_array();
    let word = |word: &Value| Word {
        text: word["word"].as_str().unwrap_or_default().to_owned(),
        start: word["start"].as_f64().unwrap_or(f64::NAN),
        end: word["end"].as_f64().unwrap_or(f64::NAN),
    };
    words.into_iter().flatten().map(word).collect()
}

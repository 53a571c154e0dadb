//! How punctual the generator is, on one core: `make bench-generator`, or with seconds a row and rows:
//! `taskset -c 0 cargo bench -p aircheck-loadtest --bench generator -- 30 websocket naive`. `real-time` among them: before
//! all other threads of the machine, for one that is not quiet. What takes the audio runs in a
//! process of its own, on the other core, and drops it. Measures no server.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::time::SampleRate;
use futures_util::{SinkExt, StreamExt};
use loadtest::failure::Failure;
use loadtest::measure::Generator;
use loadtest::pace::Punctuality;
use loadtest::programme::Programme;
use loadtest::target::{Dialect, Said};
use loadtest::transport::{
    Feed, Notes, Station, StationOptions, Tape, Weather, on_thread, real_time, thread_cpu, websocket,
};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};

const N_SOCKETS: usize = 500;
const N_MOUNTS: usize = 1_000;
/// Issue D: the bar for lateness p99.9.
const BAR: Duration = Duration::from_millis(5);
/// For all to connect, and for the bursts of mounts.
const WARM_UP: Duration = Duration::from_secs(5);
/// Of WebSockets; of mounts it is two frames of mp3.
const PIECE: Duration = Duration::from_millis(50);
const TWO_FRAMES: Duration = Duration::from_millis(48);

fn main() {
    // cargo adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    match args.first().map(String::as_str) {
        Some("sink-of-sockets") => local("sink", sink_of_sockets),
        Some("sink-of-mounts") => local("sink", move || sink_of_mounts(args[1].clone())),
        _ => rows(&args),
    }
}

fn rows(args: &[String]) {
    let length = Duration::from_secs(args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(20));
    let is_real_time = args.iter().any(|arg| arg == "real-time") && real_time().is_ok();
    let named: Vec<&String> =
        args.iter().filter(|arg| arg.parse::<u64>().is_err() && *arg != "real-time").collect();
    let is_asked = |row: &str| named.is_empty() || named.iter().any(|name| *name == row);
    let policy = if is_real_time { "SCHED_FIFO" } else { "SCHED_OTHER" };
    println!("cores: {}; {policy}; {} s a row\n", affinity(), length.as_secs());
    println!(
        "| feeds | pieces/s | lateness p50 | p99 | p99.9 | max | held back | processor | p99.9 <= {BAR:?} |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    if is_asked("websocket") {
        local("feeds", move || websockets(length));
    }
    if is_asked("mounts") {
        local("feeds", move || mounts(length));
    }
    if is_asked("naive") {
        local("feeds", move || naive(length));
    }
    if is_asked("masking") {
        masking();
    }
}

/// Runs to its end on a thread of its own.
fn local<F: Future<Output = ()>>(name: &str, work: impl FnOnce() -> F + Send + 'static) {
    let work = || async {
        work().await;
        Ok(())
    };
    on_thread(name, work).unwrap().join().unwrap().unwrap();
}

async fn websockets(length: Duration) {
    let (child, address) = sockets();
    let (programme, tape) = tape(SampleRate::HZ_16000, PIECE);
    let (notes, _told) = Notes::new(100_000);
    let punctuality = Punctuality::new();
    let (end, ended) = watch::channel(false);
    let options = websocket::WebSocketOptions {
        dialect: Rc::new(move || Box::new(Raw(address.clone()))),
        connect_limit: Duration::from_secs(10),
        linger: Duration::ZERO,
    };
    let mut feeds = JoinSet::new();
    let begin = Instant::now() + WARM_UP / 2;
    for idx in 0..N_SOCKETS {
        let feed = feed(idx, N_SOCKETS, &tape, begin, &notes, &punctuality);
        feeds.spawn_local(websocket::play(feed, options.clone(), ended.clone()));
    }
    let count = measure(&punctuality, length).await;
    let is_whole = feeds.try_join_next().is_none() && notes.n_lost() == 0 && programme.samples.len() > 1;
    row(&format!("{N_SOCKETS} WebSockets, 32 kB/s each"), &count, length, is_whole);
    end.send(true).unwrap();
    feeds.join_all().await;
    drop(child);
}

async fn mounts(length: Duration) {
    // 8 kHz in 16 bits are the bytes of 128 kbit/s.
    let (_, tape) = tape(SampleRate::new(8_000).unwrap(), TWO_FRAMES);
    let (notes, _told) = Notes::new(100_000);
    let punctuality = Punctuality::new();
    let begin = Instant::now();
    let feeds = (0..N_MOUNTS).map(|idx| feed(idx, N_MOUNTS, &tape, begin, &notes, &punctuality)).collect();
    let station = Station::open(StationOptions::default(), feeds).await.unwrap();
    let child = sink(&["sink-of-mounts", &station.url(0)]);
    let count = measure(&punctuality, length).await;
    let is_whole = station.n_reconnects() == 0 && notes.n_lost() == 0;
    row(&format!("{N_MOUNTS} mounts, 128 kbit/s each"), &count, length, is_whole);
    drop(child);
}

/// What a user would write: send, sleep for as long as the piece lasts, and again.
async fn naive(length: Duration) {
    let (child, address) = sockets();
    let (_, tape) = tape(SampleRate::HZ_16000, PIECE);
    let mut clients = JoinSet::new();
    for _ in 0..N_SOCKETS {
        let (request, tape) =
            (Raw(address.clone()).request(SampleRate::HZ_16000).unwrap(), Arc::clone(&tape));
        clients.spawn_local(async move {
            let (mut socket, _) =
                tokio_tungstenite::connect_async_with_config(request, None, true).await.unwrap();
            sleep(WARM_UP / 2).await;
            let began = Instant::now();
            let mut n_sent = 0;
            while began.elapsed() < length {
                socket.send(Message::Binary(tape.piece(n_sent))).await.unwrap();
                n_sent += 1;
                sleep(PIECE).await;
            }
            began.elapsed() - PIECE.mul_f64(n_sent as f64)
        });
    }
    let mut behind = clients.join_all().await;
    behind.sort();
    let (median, worst) = (behind[behind.len() / 2], behind[behind.len() - 1]);
    println!(
        "| {N_SOCKETS} closed loops: send, sleep, repeat | {:.0} | after {} s behind: median {median:.0?}, worst {worst:.0?}: \
         its clock is off by {:.2} %, and it never knows | | | | | | |",
        N_SOCKETS as f64 / PIECE.as_secs_f64() * (1.0 - median.as_secs_f64() / length.as_secs_f64()),
        length.as_secs(),
        100.0 * median.as_secs_f64() / length.as_secs_f64(),
    );
    drop(child);
}

/// The frame of a piece as a client writes it, masked, and as a server does, not masked.
fn masking() {
    const N_PIECES: u32 = 200_000;
    let piece = Bytes::from(vec![7_u8; 1_600]);
    let [client, server] = [Role::Client, Role::Server].map(|role| {
        let config = WebSocketConfig::default().write_buffer_size(0);
        let mut socket = WebSocket::from_raw_socket(Nowhere, role, Some(config));
        let began = Instant::now();
        for _ in 0..N_PIECES {
            socket.write(Message::Binary(piece.clone())).unwrap();
        }
        began.elapsed() / N_PIECES
    });
    println!("\na frame of 1600 bytes: masked {client:?}, not masked {server:?}");
}

async fn measure(punctuality: &Punctuality, length: Duration) -> Generator {
    sleep(WARM_UP).await;
    punctuality.reset();
    let before = thread_cpu();
    sleep(length).await;
    Generator { cpu: thread_cpu() - before, ..punctuality.count() }
}

fn row(what: &str, count: &Generator, length: Duration, is_whole: bool) {
    let quantile = |share| count.lateness.quantile(share).unwrap_or(Duration::MAX);
    let holds = is_whole && count.n_pieces > 0 && quantile(0.999) <= BAR;
    println!(
        "| {what} | {:.0} | {:.2?} | {:.2?} | {:.2?} | {:.2?} | {} | {:.0} % | {} |",
        count.n_pieces as f64 / length.as_secs_f64(),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        count.lateness.max(),
        count.n_held_back,
        100.0 * count.cpu.as_secs_f64() / length.as_secs_f64(),
        if holds { "holds" } else { "DOES NOT HOLD" },
    );
}

fn feed(
    idx: usize,
    n_feeds: usize,
    tape: &Arc<Tape>,
    begin: Instant,
    notes: &Notes,
    punctuality: &Punctuality,
) -> Feed {
    Feed {
        idx,
        n_feeds,
        tapes: vec![Arc::clone(tape)],
        begin,
        weather: Weather::new(),
        notes: notes.clone(),
        punctuality: punctuality.clone(),
    }
}

fn tape(rate: SampleRate, piece: Duration) -> (Programme, Arc<Tape>) {
    let samples: Vec<i16> = (0..60 * rate.hz()).map(|n| n as i16).collect();
    let programme = Programme { rate, samples: samples.into(), facts: Vec::new() };
    let tape = Tape::for_dialect(&programme, &Raw(String::new()), piece).unwrap();
    (programme, Arc::new(tape))
}

/// 16-bit samples, and no words.
struct Raw(String);

impl Dialect for Raw {
    fn request(&self, _: SampleRate) -> Result<Request<()>, Failure> {
        self.0.as_str().into_client_request().map_err(|error| Failure::runtime("request", error))
    }
    fn audio(&self, samples: &[i16]) -> Bytes {
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }
    fn goodbye(&self) -> Vec<Message> {
        Vec::new()
    }
    fn hear(&mut self, _: &str) -> Vec<Said> {
        Vec::new()
    }
}

fn sockets() -> (Sink, String) {
    let mut child = sink(&["sink-of-sockets"]);
    let mut address = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
    (child, address.trim().to_owned())
}

/// This program on the other core.
fn sink(args: &[&str]) -> Sink {
    let program = std::env::current_exe().unwrap();
    let other = (std::thread::available_parallelism().unwrap().get() == 1).then_some("1");
    let mut command = Command::new("chrt");
    command
        .args(["--other", "0", "taskset", "-c", other.unwrap_or("0-1023")])
        .arg(program)
        .args(args)
        .stdout(Stdio::piped());
    Sink(command.spawn().expect("chrt and taskset (util-linux)"))
}

/// Ends when dropped.
struct Sink(Child);

impl Drop for Sink {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

async fn sink_of_sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("ws://{}/", listener.local_addr().unwrap());
    std::io::stdout().flush().unwrap();
    let mut clients = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        clients.spawn_local(async move {
            let (_, rest) = tokio_tungstenite::accept_async(stream).await.unwrap().split();
            drop_all(rest).await;
        });
    }
}

/// All mounts beside the one at `url`.
async fn sink_of_mounts(url: String) {
    let address = url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let mut listeners = JoinSet::new();
    for idx in 0..N_MOUNTS {
        let address = address.clone();
        listeners.spawn_local(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET /feed-{idx}.mp3 HTTP/1.1\r\n\r\n");
            tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
            let mut bytes = [0; 16_384];
            while stream.read(&mut bytes).await.is_ok_and(|n_bytes| n_bytes > 0) {}
        });
    }
    listeners.join_all().await;
}

async fn drop_all(mut rest: impl StreamExt<Item = Result<Message, impl std::error::Error>> + Unpin) {
    while rest.next().await.is_some_and(|message| message.is_ok()) {}
}

fn affinity() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.unwrap_or("?").trim().to_owned()
}

/// Takes bytes.
struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(std::hint::black_box(bytes).len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::io::Read for Nowhere {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Ok(0)
    }
}

//! A hundred feeds of 1 ms packets (AES67: 48 kHz, L24, stereo) on the core that this is pinned to, beside their bar:
//! `make bench-rtp SECS=60`. The sender is another process, on another core. Recognises nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot measure has to stop")]

use std::io;
use std::net::UdpSocket;
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::sync::Parker;
use engine::budget::Budgets;
use engine::event::EventKind;
use engine::latency::LatencyHistogram;
use operators::{AnalysisConfig, DecodePolicy, Meters, UtteranceConfig};
use server::host::Host;
use server::ingest::{Audio, Input, LiveConfig};
use server::publish::{FeedIdentity, Tally, WallClock};
use server::pump::{Tempo, pump};
use server::recognise::{Admission, Entry, Listener, PoolConfig};
use server::run::{FeedRun, Setup, Travel};

const FEEDS: u16 = 100;
/// First port; each feed has its own.
const PORT: u16 = 20_000;
/// Frames of a packet.
const FRAMES: u32 = 48;
/// Bar of issue E: packet to DSP event, p99.
const LATENCY_MAX: Duration = Duration::from_millis(60);
/// Of the kernel's times, a second: Linux, on every architecture.
const CLOCK_TICKS: f64 = 100.0;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let number = |idx: usize| args.get(idx).and_then(|arg| arg.parse().ok());
    if args.first().is_some_and(|arg| arg == "send") {
        return send(number(1).unwrap_or(20), number(2).unwrap_or(0));
    }
    // One packet in so many is lost; 0: none.
    for one_in in [0, 100] {
        receive(number(0).unwrap_or(20), one_in);
    }
}

/// Sends each feed a packet a millisecond, for so long.
fn send(secs: u64, one_in: u64) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    let parker = Parker::new();
    let mut packet = vec![0_u8; 12 + FRAMES as usize * 6];
    let (mut n_late, mut chance) = (0, 1_u64);
    for n in 0..secs * 1_000 {
        let due = start + Duration::from_millis(n);
        while Instant::now() < due {
            parker.park_deadline(due);
        }
        n_late += u64::from(due.elapsed() > Duration::from_millis(5));
        packet[0] = 0x80;
        packet[1] = 96;
        packet[2..4].copy_from_slice(&(n as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&(n as u32 * FRAMES).to_be_bytes());
        for sample in packet[12..].chunks_exact_mut(3) {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Noise at -20 dBFS.
            let value = ((chance >> 40) as i32 - (1 << 23)) / 10;
            sample.copy_from_slice(&value.to_be_bytes()[1..]);
        }
        for port in PORT..PORT + FEEDS {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if one_in == 0 || !(chance >> 33).is_multiple_of(one_in) {
                // A receiver that is gone has ended.
                let _ = socket.send_to(&packet, ("127.0.0.1", port));
            }
        }
    }
    println!("sender: {n_late} of {} ms were more than 5 ms late", secs * 1_000);
}

fn receive(secs: u64, one_in: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let pool = PoolConfig::live(DecodePolicy::default(), None);
    let host = Arc::new(Host::start(NonZeroUsize::MIN, Vec::new(), pool).unwrap());
    let mut feeds = Vec::new();
    for idx in 0..FEEDS {
        let input = Input::parse(&format!("rtp://127.0.0.1:{}?encoding=L24", PORT + idx)).unwrap();
        let Input::Rtp(source) = input else { unreachable!("an rtp:// address") };
        let mut audio = Audio::from_rtp(&source, LiveConfig::default(), runtime.handle()).unwrap();
        let mut run = FeedRun::start(setup(idx), Arc::clone(&host)).unwrap();
        let stopper = audio.stopper();
        let pumped = thread::Builder::new().name(format!("feed-{idx}")).spawn(move || {
            pump(&mut audio, &mut run, Tempo::Free, &mut |_| {}).unwrap();
            run.finish().unwrap()
        });
        feeds.push((stopper, pumped.unwrap()));
    }
    let (cpu, began) = (cpu_secs().unwrap(), Instant::now());
    let program = std::env::current_exe().unwrap();
    let mut sender = Command::new("taskset");
    sender.args(["-c", "1"]).arg(program).args(["send", &secs.to_string(), &one_in.to_string()]);
    assert!(sender.stdin(Stdio::null()).status().unwrap().success());
    let share = (cpu_secs().unwrap() - cpu) / began.elapsed().as_secs_f64();
    feeds.iter().for_each(|(stopper, _)| stopper.stop());
    let tallies: Vec<Tally> = feeds.into_iter().map(|(_, pumped)| pumped.join().unwrap()).collect();
    report(secs, one_in, share, &tallies);
}

fn setup(idx: u16) -> Setup {
    let mut analysis =
        AnalysisConfig { utterances: Some(UtteranceConfig::live()), ..AnalysisConfig::default() };
    analysis.loudness.meters = Meters::TenHertz;
    Setup {
        identity: FeedIdentity { name: format!("feed-{idx}"), epoch: 1 },
        clock: WallClock::live(),
        budgets: Budgets::default(),
        travel: Travel::LIVE,
        analysis,
        listener: Listener::new(None),
        entry: Entry { priority: 0, admission: Admission::Always },
        sinks: Vec::new(),
    }
}

fn report(secs: u64, one_in: u64, share: f64, tallies: &[Tally]) {
    let sent = secs * 1_000 * u64::from(FRAMES) * u64::from(FEEDS);
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    let (received, in_gaps) = (sum(|t| t.conservation.received), sum(|t| t.conservation.in_gaps));
    let loss = in_gaps as f64 / received.max(1) as f64 * 100.0;
    println!("{FEEDS} feeds of 1 ms packets, {secs} s, one packet in {one_in} lost (0: none)");
    println!("  core        {:.1} %", share * 100.0);
    println!("  frames      {received} of {sent} accounted for, {loss:.3} % of them in gaps");
    for kind in [EventKind::Meter, EventKind::Gap] {
        let mut all = Worst::default();
        tallies
            .iter()
            .flat_map(|tally| tally.latencies.iter())
            .filter(|(of, _)| *of == kind)
            .for_each(|(_, latency)| all.take(&latency.total));
        println!("  {:11} {all}", kind.name());
        if kind == EventKind::Meter {
            println!(
                "  bar         p99 {LATENCY_MAX:?}: {}",
                if all.p99 <= LATENCY_MAX { "met" } else { "MISSED" }
            );
        }
    }
}

/// The worst feed's quantiles.
#[derive(Default)]
struct Worst {
    n: u64,
    p50: Duration,
    p99: Duration,
    max: Duration,
}

impl Worst {
    fn take(&mut self, latencies: &LatencyHistogram) {
        self.n += latencies.count();
        self.p50 = self.p50.max(latencies.quantile(0.5));
        self.p99 = self.p99.max(latencies.quantile(0.99));
        self.max = self.max.max(latencies.max());
    }
}

impl std::fmt::Display for Worst {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { n, p50, p99, max } = self;
        write!(f, "{n} events, of the worst feed p50 {p50:.1?}, p99 {p99:.1?}, latest {max:.1?}")
    }
}

/// Processor time of this process, without its children.
fn cpu_secs() -> io::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / CLOCK_TICKS)
}

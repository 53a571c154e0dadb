//! Many feeds of real speech in one process, at real-time pace: what they promise and what they get. `make bench-feeds`.
//!
//! `feeds [--finals] [--noise] [--scripted] [--secs N] [--recognisers N] FEEDS...`: a line for each number of feeds.
//! `--noise`: feeds without speech, a room at -50 dBFS. `--scripted`: a recogniser that costs nothing, to see what a feed
//! takes beside recognition.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod load;
mod measure;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use engine::lane::WhenFull;
use models::store::{DEFAULT_MODEL, Store};
use models::whisper::{Whisper, WhisperOptions};
use models::{Recognizer, Scripted};
use operators::{AnalysisConfig, DecodePolicy, UtteranceConfig};
use server::host::Host;
use server::publish::{FeedIdentity, WallClock};
use server::recognise::{Admission, Entry, Listener, PoolConfig};
use server::run::{FeedRun, Setup, Travel};

use load::Speech;
use measure::{Cpu, Figures, Memory, Probe};

fn main() {
    let mut secs = 60;
    let (mut is_finals, mut is_noise, mut is_scripted) = (false, false, false);
    let mut n_recognisers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut feeds = Vec::new();
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let number = |arg: Option<String>| arg.expect("a number").parse().expect("a number");
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--finals" => is_finals = true,
            "--noise" => is_noise = true,
            "--scripted" => is_scripted = true,
            "--secs" => secs = number(args.next()),
            "--recognisers" => n_recognisers = number(args.next()),
            n_feeds => feeds.push(number(Some(n_feeds.to_owned()))),
        }
    }
    let speech = match if is_noise { Ok(Speech::noise()) } else { Speech::read() } {
        Ok(speech) => speech,
        Err(why) => return println!("skipped: {why}"),
    };
    println!(
        "{} s a line, {} s of {}, {n_recognisers} recognisers, {}",
        secs,
        speech.secs(),
        if is_noise { "noise" } else { "speech" },
        if is_finals { "finals only" } else { "with partials" }
    );
    println!("{}", Figures::HEADER);
    let whisper = (!is_scripted).then(|| whisper(n_recognisers));
    for n_feeds in feeds {
        let recognizer = |_| -> Box<dyn Recognizer> {
            match &whisper {
                Some(whisper) => Box::new(whisper.recognizer().unwrap()),
                None => Box::new(Scripted::new()),
            }
        };
        let recognizers = (0..n_recognisers).map(recognizer).collect();
        println!("{}", run(n_feeds, &speech, Duration::from_secs(secs as u64), is_finals, recognizers));
    }
}

/// Room for `n` recognisers.
fn whisper(n: usize) -> Arc<Whisper> {
    let store = Store::open(Store::default_dir().unwrap()).unwrap();
    let model = store.resolve(DEFAULT_MODEL).expect("the model is there: make weights");
    let options =
        WhisperOptions { n_recognizers_max: NonZeroUsize::new(n).unwrap(), ..WhisperOptions::default() };
    Whisper::load(&model, options).unwrap()
}

fn run(
    n_feeds: usize,
    speech: &Speech,
    length: Duration,
    is_finals: bool,
    recognizers: Vec<Box<dyn Recognizer>>,
) -> Figures {
    let pool = PoolConfig {
        finals_max: 16,
        when_full: WhenFull::ShedAfter(Duration::ZERO),
        patience: Some(Duration::from_millis(3_500)),
        policy: DecodePolicy { retry_contexts: vec![768, 896], ..DecodePolicy::default() },
        measured: None,
    };
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let host = Arc::new(Host::start(cores, recognizers, pool).unwrap());
    let mut utterances = UtteranceConfig::live();
    if is_finals {
        utterances = UtteranceConfig { partial: None, ..utterances };
    }
    let probe = Arc::new(Probe::default());
    let make = |idx: usize| {
        let setup = Setup {
            identity: FeedIdentity { name: format!("feed-{idx}"), epoch: 1 },
            clock: WallClock::live(),
            travel: Travel::LIVE,
            analysis: AnalysisConfig { utterances: Some(utterances.clone()), ..AnalysisConfig::default() },
            listener: Listener::new(None),
            entry: Entry { priority: 0, admission: Admission::Always },
            sinks: vec![probe.sink()],
        };
        FeedRun::start(setup, Arc::clone(&host)).unwrap()
    };
    let memory = Memory::now();
    let mut runs: Vec<FeedRun> = (0..n_feeds).map(make).collect();
    let cpu = Cpu::now();
    load::play(&mut runs, speech, length, &probe);
    let cpu = Cpu::now().since(&cpu);
    let memory = Memory::now().since(&memory);
    probe.over();
    let tallies = runs.into_iter().map(|run| run.finish().unwrap()).collect();
    drop(host);
    probe.figures(n_feeds, length, cpu, memory, tallies)
}

//! `aircheck watch`: live streams, or files at their own pace.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::analyze::{ingest_failure, name_of, pump_failure};
use super::setup::{Pace, epoch_now, feed_name};
use super::studio::{Prepared, Studio};
use crate::cli::WatchArgs;
use crate::failure::Failure;
use crate::ingest::{Audio, Input, LiveConfig, RtpSource, Stopper};
use crate::publish::{FeedIdentity, Item, Post, Sink};
use crate::pump::{Tempo, pump};
use crate::recognise::{Admission, Entry};
use crate::telemetry::{self, Telemetry};

/// Time between signs of life.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Runs the command.
pub(super) fn run(args: &WatchArgs) -> Result<(), Failure> {
    let runtime = runtime()?;
    let wanted = wanted(args)?;
    let mut opened = Vec::with_capacity(wanted.len());
    for feed in &wanted {
        opened.push(feed.open(args, runtime.handle())?);
    }
    if let Some(address) = args.metrics {
        serve_metrics(address)?;
    }
    let n_feeds = NonZeroUsize::new(wanted.len()).unwrap_or(NonZeroUsize::MIN);
    let mut studio = Studio::open(&args.analysis, Pace::Live, n_feeds)?;
    let mut failures = Vec::new();
    let mut playing = Vec::with_capacity(wanted.len());
    for (feed, audio) in wanted.into_iter().zip(opened) {
        let identity = FeedIdentity { name: feed.name.clone(), epoch: epoch_now() };
        let metrics = args.metrics.map(|_| Box::new(Telemetry::new(feed.name.clone())) as Box<dyn Sink>);
        match studio.feed(identity, feed.input.to_string(), feed.entry, metrics.into_iter().collect()) {
            Ok(prepared) => playing.push(Playing { feed, audio, prepared }),
            Err(error) => failures.push((feed.name, Failure::runtime(error))),
        }
    }
    drop(studio);
    failures.extend(play(playing, runtime));
    whole(failures, n_feeds)
}

/// A feed as it was asked for.
struct Wanted {
    name: String,
    input: Input,
    entry: Entry,
}

/// What was asked for, as far as it makes sense.
fn wanted(args: &WatchArgs) -> Result<Vec<Wanted>, Failure> {
    let (n_inputs, n_names) = (args.inputs.len(), args.feed.len());
    if n_names > 0 && n_names != n_inputs {
        return Err(Failure::Usage(format!("--feed was given {n_names} times for {n_inputs} inputs")));
    }
    let mut wanted: Vec<Wanted> = Vec::with_capacity(n_inputs);
    for (idx, text) in args.inputs.iter().enumerate() {
        let input = Input::parse(text).map_err(ingest_failure)?;
        let name = feed_name(args.feed.get(idx).unwrap_or(&name_in(&input)));
        if let Some(other) = wanted.iter().find(|other| other.name == name) {
            let other = &other.input;
            return Err(Failure::Usage(format!("{other} and {input} would both be feed {name}: use --feed")));
        }
        if matches!(input, Input::Stdin) && wanted.iter().any(|other| matches!(other.input, Input::Stdin)) {
            return Err(Failure::Usage("- was given twice: there is one stdin".to_owned()));
        }
        let admission = if args.admit_all { Admission::Always } else { Admission::IfItFits };
        let priority = u8::from(args.important.contains(&name));
        wanted.push(Wanted { name, input, entry: Entry { priority, admission } });
    }
    if let Some(unknown) = args.important.iter().find(|name| wanted.iter().all(|feed| feed.name != **name)) {
        let names: Vec<&str> = wanted.iter().map(|feed| feed.name.as_str()).collect();
        let names = names.join(", ");
        return Err(Failure::Usage(format!("--important {unknown}: no such feed, expected one of {names}")));
    }
    let analysis = &args.analysis;
    let of_one = [("srt", &analysis.srt), ("vtt", &analysis.vtt), ("transcript", &analysis.transcript)];
    match of_one.iter().find(|(_, path)| path.is_some()) {
        Some((option, _)) if n_inputs > 1 => {
            Err(Failure::Usage(format!("--{option} is for one feed, {n_inputs} were given: use --events")))
        }
        _ => Ok(wanted),
    }
}

/// The name of a feed, from where it comes from.
pub(super) fn name_in(input: &Input) -> String {
    match input {
        Input::Stdin => "stdin".to_owned(),
        Input::File(path) => name_of(path),
        Input::Rtp(RtpSource::Sdp(path)) => name_of(path),
        Input::Live(_) | Input::Rtp(_) | Input::Exec(_) => {
            let name = input.to_string();
            let name = name.split_once("://").map_or(name.as_str(), |(_, rest)| rest);
            name.split('?').next().unwrap_or(name).to_owned()
        }
    }
}

impl Wanted {
    fn open(&self, args: &WatchArgs, runtime: &Handle) -> Result<Audio, Failure> {
        let config = LiveConfig { reconnect: !args.once, ..LiveConfig::default() };
        let opened = match &self.input {
            Input::Stdin => Audio::from_stdin(None),
            Input::File(path) => Audio::from_file(path, None),
            Input::Live(address) => Audio::from_stream(address, config, runtime),
            Input::Rtp(source) => Audio::from_rtp(source, config, runtime),
            Input::Exec(source) => Audio::from_exec(source, None, config, runtime),
        };
        opened.map_err(ingest_failure)
    }

    fn tempo(&self) -> Tempo {
        if matches!(self.input, Input::File(_)) { Tempo::RealTime } else { Tempo::Free }
    }
}

/// A feed that came in.
struct Playing {
    feed: Wanted,
    audio: Audio,
    prepared: Prepared,
}

/// Plays all feeds to their ends, each in a thread of its own.
fn play(playing: Vec<Playing>, runtime: Runtime) -> Vec<(String, Failure)> {
    let stoppers = playing.iter().map(|feed| feed.audio.stopper()).collect();
    let posts = playing.iter().map(|feed| feed.prepared.run.post()).collect();
    let stopping = runtime.spawn(stop_on_signal(stoppers));
    let beating = runtime.spawn(beat(posts));
    let ended: Vec<_> = thread::scope(|scope| {
        let pump = |mut feed: Playing| {
            let spawned = thread::Builder::new().name(format!("feed-{}", feed.feed.name)).spawn_scoped(
                scope,
                move || {
                    let tempo = feed.feed.tempo();
                    let pumped = pump(&mut feed.audio, &mut feed.prepared.run, tempo, &mut |_| {});
                    (feed, pumped.map_err(pump_failure).err())
                },
            );
            spawned.map_err(|error| Failure::Runtime(format!("cannot start a thread: {error}")))
        };
        let threads: Vec<_> = playing.into_iter().map(pump).collect();
        threads
            .into_iter()
            .map(|thread| thread?.join().map_err(|_| Failure::runtime("a feed panicked")))
            .collect()
    });
    stopping.abort();
    beating.abort();
    // Ends the tasks, and with them their posts; then the publishers can end too.
    runtime.shutdown_timeout(Duration::from_secs(1));
    let finish = |ended: Result<(Playing, Option<Failure>), Failure>| match ended {
        Ok((Playing { feed, prepared, .. }, failure)) => {
            prepared.finish(failure).err().map(|failure| (feed.name, failure))
        }
        Err(failure) => Some((String::new(), failure)),
    };
    ended.into_iter().filter_map(finish).collect()
}

/// What the command comes to: of one feed its failure, of several how many failed, each told by itself.
fn whole(mut failures: Vec<(String, Failure)>, n_feeds: NonZeroUsize) -> Result<(), Failure> {
    if n_feeds == NonZeroUsize::MIN {
        return failures.pop().map_or(Ok(()), |(_, failure)| Err(failure));
    }
    for (feed, failure) in &failures {
        tracing::error!(feed = %feed, "{}", failure.message());
    }
    match failures.len() {
        0 => Ok(()),
        n_failed => Err(Failure::Runtime(format!("{n_failed} of {n_feeds} feeds failed"))),
    }
}

fn serve_metrics(address: SocketAddr) -> Result<(), Failure> {
    telemetry::serve(address).map_err(|e| Failure::Runtime(format!("--metrics {address}: {e}")))
}

/// One thread of its own for sockets, timers and signals.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("ingest").enable_all().build();
    runtime.map_err(|e| Failure::Runtime(format!("cannot start the I/O thread: {e}")))
}

/// The first SIGINT or SIGTERM ends the inputs, and what arrived is still analysed; the second one ends the program.
async fn stop_on_signal(stoppers: Vec<Stopper>) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::warn!("signals cannot be waited for: the first one ends the program at once");
        return;
    };
    let mut is_first = true;
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if !std::mem::take(&mut is_first) {
            #[allow(clippy::disallowed_methods, reason = "asked twice: now, with what is written so far")]
            std::process::exit(130);
        }
        stoppers.iter().for_each(Stopper::stop);
    }
}

async fn beat(mut posts: Vec<Post>) {
    let mut interval = tokio::time::interval(HEARTBEAT);
    interval.tick().await;
    while !posts.is_empty() {
        interval.tick().await;
        let now = Instant::now();
        posts.retain(|post| post.send(Item::Heartbeat { now }));
    }
}

//! `aircheck watch`: a live stream, or a file at its own pace.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::analyze::{ingest_failure, name_of, pump_failure};
use super::setup::{Pace, epoch_now, feed_name, prepare};
use crate::cli::WatchArgs;
use crate::failure::Failure;
use crate::ingest::{Audio, Input, LiveConfig, Stopper};
use crate::publish::{FeedIdentity, Item, Post, Sink};
use crate::pump::{Tempo, pump};
use crate::telemetry::{self, Telemetry};

/// Time between signs of life.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Runs the command.
pub(super) fn run(args: &WatchArgs) -> Result<(), Failure> {
    let runtime = runtime()?;
    let input = Input::parse(&args.url).map_err(ingest_failure)?;
    let (name, opened, tempo) = match &input {
        Input::Stdin => ("stdin".into(), Audio::from_stdin(None), Tempo::Free),
        Input::File(path) => (name_of(path), Audio::from_file(path, None), Tempo::RealTime),
        Input::Live(address) => {
            let config = LiveConfig { reconnect: !args.once, ..LiveConfig::default() };
            let name = address.to_string();
            let name = name.split_once("://").map_or(name.as_str(), |(_, rest)| rest);
            let name = name.split('?').next().unwrap_or(name).to_owned();
            (name, Audio::from_stream(address, config, runtime.handle()), Tempo::Free)
        }
    };
    let mut audio = opened.map_err(ingest_failure)?;
    let name = feed_name(args.feed.as_deref().unwrap_or(&name));
    let identity = FeedIdentity { name, epoch: epoch_now() };
    let telemetry = args.metrics.map(|address| telemetry(address, &identity)).transpose()?;
    let more = telemetry.into_iter().collect();
    let mut prepared = prepare(&args.analysis, Pace::Live, identity, input.to_string(), more)?;
    let stopping = runtime.spawn(stop_on_signal(audio.stopper()));
    let beating = runtime.spawn(beat(prepared.run.post()));
    let pumped = pump(&mut audio, &mut prepared.run, tempo, &mut |_| {});
    stopping.abort();
    beating.abort();
    // Ends the tasks, and with them their posts; then the publisher can end too.
    runtime.shutdown_timeout(Duration::from_secs(1));
    prepared.finish(pumped.map_err(pump_failure).err())
}

/// Serves metrics, and what counts for them.
fn telemetry(address: SocketAddr, identity: &FeedIdentity) -> Result<Box<dyn Sink>, Failure> {
    telemetry::serve(address).map_err(|e| Failure::Runtime(format!("--metrics {address}: {e}")))?;
    Ok(Box::new(Telemetry::new(identity.name.clone())))
}

/// One thread of its own for sockets, timers and signals.
fn runtime() -> Result<Runtime, Failure> {
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("ingest").enable_all().build();
    runtime.map_err(|e| Failure::Runtime(format!("cannot start the I/O thread: {e}")))
}

/// The first SIGINT or SIGTERM ends the input, and what arrived is still analysed; the second one ends the program.
async fn stop_on_signal(stopper: Stopper) {
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
        stopper.stop();
    }
}

async fn beat(post: Post) {
    let mut interval = tokio::time::interval(HEARTBEAT);
    interval.tick().await;
    loop {
        interval.tick().await;
        if !post.send(Item::Heartbeat { now: Instant::now() }) {
            return;
        }
    }
}

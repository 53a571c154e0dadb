//! `aircheck serve`: feeds around the clock, their events in the journal and over HTTP.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use models::DecodeOptions;
use operators::DecodePolicy;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use super::setup::{Apart, cores, load_speech};
use crate::api::{self, App, Readers, Service};
use crate::captions::Captions;
use crate::cli::ServeArgs;
use crate::config::{Config, Flaw, JournalConfig as JournalSpec, Tokens};
use crate::failure::Failure;
use crate::host::Host;
use crate::journal::{Journal, JournalConfig, Opening, Retention};
use crate::publish::Hub;
use crate::recognise::{PoolConfig, measure};
use crate::service::{
    Feeds, Footing, Ground, Lobby, Notify, Overview, State, Vitals, VitalsConfig, of_service, watchdog,
};
use crate::telemetry;

/// Of the time that ending may take, what is for the rest of it.
const REST: Duration = Duration::from_millis(1_600);
/// Time for the last events to be committed.
const COMMIT: Duration = Duration::from_secs(1);
/// Time for readers to get the last events.
const GOODBYE: Duration = Duration::from_millis(500);

/// Descriptors of a feed: its source, while it connects the one after it, or a file. And of everything else: recognisers,
/// the journal and its readers, the runtime.
const FILES_OF_A_FEED: usize = 2;
const FILES_OF_US: usize = 256;

/// Runs the command.
pub(super) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let config = Arc::new(read(args)?);
    allow_files(config.limits.connections + FILES_OF_A_FEED * config.limits.feeds + FILES_OF_US);
    let runtime = runtime()?;
    let address = config.server.listen;
    let listener = runtime.block_on(TcpListener::bind(address));
    let listener = listener.map_err(|e| Failure::Runtime(format!("cannot listen on {address}: {e}")))?;
    let address = listener.local_addr().map_err(Failure::runtime)?;
    let (ending, of_ending) = watch::channel(false);
    let notify = Arc::new(Notify::from_environment());
    let app = start(&config, &runtime, of_ending, &notify)?;
    let serving = runtime.spawn(api::serve(listener, Arc::clone(&app)));
    // Whoever hears that it is ready may send a signal at once.
    let signals = runtime.block_on(async { Signals::new() });
    say_ready(address, &app, began.elapsed());
    notify.ready();
    runtime.block_on(attend(args, &app, signals, &notify));
    notify.stopping();
    let drain = Duration::from_secs(config.server.drain_secs).saturating_sub(REST);
    let left = end(&app, drain);
    ending.send_replace(true);
    runtime.block_on(async {
        let _ = serving.await;
        tokio::time::sleep(GOODBYE).await;
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    match left {
        0 => Ok(()),
        left => Err(Failure::Runtime(format!("{left} feeds had not ended after {drain:?}"))),
    }
}

fn read(args: &ServeArgs) -> Result<Config, Failure> {
    let mut config = match &args.config {
        Some(path) => load(path)?,
        None => Config::default(),
    };
    if let Some(listen) = args.listen {
        config.server.listen = listen;
    }
    match config.exposure().as_slice() {
        [] => Ok(config),
        flaws => Err(Failure::Usage(told(flaws))),
    }
}

/// Lets this process open as many files as the system allows it: shells and service managers begin with 1024, which is for
/// programs that use `select`. Says so where that is fewer than `n`.
fn allow_files(n: usize) {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!("cannot raise the limit of open files: {error}");
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if allowed < n as u64 {
        tracing::warn!(
            "at most {allowed} files and connections may be open, where the limits need {n} (ulimit -n)"
        );
    }
}

fn load(path: &Path) -> Result<Config, Failure> {
    Config::load(path).map_err(|error| Failure::Usage(error.to_string()))
}

fn runtime() -> Result<Runtime, Failure> {
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("io").enable_all().build();
    runtime.map_err(|e| Failure::Runtime(format!("cannot start the I/O threads: {e}")))
}

/// Opens and starts everything but the door.
fn start(
    config: &Arc<Config>,
    runtime: &Runtime,
    ending: watch::Receiver<bool>,
    notify: &Arc<Notify>,
) -> Result<App, Failure> {
    let metrics = telemetry::install().map_err(Failure::runtime)?;
    runtime.spawn(telemetry::upkeep(metrics.clone()));
    let (host, language) = host(config)?;
    let overview = Arc::new(Overview::default());
    let captions = Arc::new(Captions::new((&config.captions).into()));
    let witnesses = vec![Arc::clone(&overview) as _, Arc::clone(&captions) as _];
    let hub = Arc::new(Hub::new(config.limits.event_lag_max, witnesses));
    let homeless = || Failure::Usage("state_dir is not configured, and there is no HOME".to_owned());
    let path = config.journal_path().ok_or_else(homeless)?;
    let state_dir = config.state_dir().ok_or_else(homeless)?;
    let (journal, opening) =
        Journal::open(journal_config(config, path), Arc::clone(&hub)).map_err(Failure::runtime)?;
    let journal = Arc::new(journal);
    let host = Arc::new(host);
    let footing = Footing {
        host: Arc::clone(&host),
        language,
        hub: Arc::clone(&hub),
        journal: Arc::clone(&journal),
        journal_note: damage(&opening),
        overview,
        captions: Arc::clone(&captions),
    };
    let ground = Ground::new(footing, runtime.handle());
    let ground = Arc::new(ground.map_err(Failure::runtime)?);
    let docks = Arc::clone(ground.docks());
    let feeds =
        Feeds::start(Arc::clone(config), &state_dir, Arc::clone(&ground)).map_err(Failure::runtime)?;
    let feeds = Arc::new(feeds);
    let vital = of_service(Arc::clone(&journal), Arc::clone(&hub), host, runtime.handle().clone());
    let told_of = Arc::clone(&feeds);
    let vitals = VitalsConfig::new(watchdog(), Arc::clone(notify));
    let vitals = Vitals::start(vital, vitals, move || in_a_line(&told_of)).map_err(Failure::runtime)?;
    let reception = Arc::new(Lobby::new(ground, Arc::clone(&feeds)));
    let readers = Arc::new(Readers::new(Arc::clone(&journal)));
    let tokens = RwLock::new(Arc::new(tokens(config)?));
    let event_clients = Arc::new(Semaphore::new(config.limits.event_clients));
    Ok(Arc::new(Service {
        feeds,
        reception,
        docks,
        tokens,
        hub,
        journal,
        readers,
        captions,
        event_clients,
        vitals,
        metrics,
        ending,
    }))
}

/// What was wrong with the journal, if anything; said once.
fn damage(opening: &Opening) -> Option<String> {
    let Opening::Damaged { moved_to, reason } = opening else { return None };
    let note = format!("the journal was damaged ({reason}), and is now {}", moved_to.display());
    tracing::error!("{note}");
    Some(note)
}

fn tokens(config: &Config) -> Result<Tokens, Failure> {
    Tokens::load(&config.tokens).map_err(|flaws| Failure::Usage(told(&flaws)))
}

fn told(flaws: &[Flaw]) -> String {
    flaws.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Workers and recognisers, and the only language that these hear, if it is one.
fn host(config: &Config) -> Result<(Host, Option<&'static str>), Failure> {
    let recognition = &config.recognition;
    if !config.recognises() {
        let pool = PoolConfig::live(DecodePolicy::default(), None);
        return Ok((Host::start(cores(), Vec::new(), pool).map_err(Failure::runtime)?, None));
    }
    let n = recognition.recognisers.unwrap_or_else(cores);
    let mut speech = load_speech(&recognition.model, n, &recognition.language, Apart::Yes)?;
    speech.policy.options.beam_size = recognition.beam;
    speech.policy.context_margin = recognition.context_margin();
    let options = DecodeOptions { beam_size: recognition.beam, ..DecodeOptions::default() };
    let measured = match speech.recognizers.first_mut() {
        Some(recognizer) => Some(measure(&mut **recognizer, &options, 1).map_err(Failure::runtime)?),
        None => None,
    };
    let language = speech.policy.options.language;
    let pool = PoolConfig::live(speech.policy, measured);
    Ok((Host::start(cores(), speech.recognizers, pool).map_err(Failure::runtime)?, language))
}

fn journal_config(config: &Config, path: PathBuf) -> JournalConfig {
    let JournalSpec { keep_days, keep_mib, commit_window_ms, .. } = config.journal;
    let age = Duration::from_secs(keep_days.saturating_mul(24 * 3_600));
    JournalConfig {
        retention: Retention { age: Some(age), bytes: Some(keep_mib << 20) },
        commit_window: Duration::from_millis(commit_window_ms),
        ..JournalConfig::new(path)
    }
}

/// How the feeds are, for `systemctl status`.
fn in_a_line(feeds: &Feeds) -> String {
    let all = feeds.list();
    let n_live = all.iter().filter(|view| matches!(view.status.state, State::Live | State::Silent)).count();
    let ending = if feeds.is_ending() { "ending, " } else { "" };
    format!("{ending}{n_live} of {} feeds live", all.len())
}

fn say_ready(address: SocketAddr, app: &App, after: Duration) {
    let n_feeds = app.feeds.list().len();
    tracing::info!("ready after {after:.1?}: http://{address}, {n_feeds} feeds");
    eprintln!("aircheck: listening on http://{address}, {n_feeds} feeds, ready after {after:.1?}");
}

/// What is waited for from the moment that this is made. Before, each of them ends the program at once.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Within a runtime.
    fn new() -> io::Result<Self> {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Self { interrupt: interrupt?, terminate: terminate?, hangup: hangup? })
    }
}

/// Waits for the end; reloads meanwhile.
async fn attend(args: &ServeArgs, app: &App, signals: io::Result<Signals>, notify: &Notify) {
    let Signals { mut interrupt, mut terminate, mut hangup } = match signals {
        Ok(signals) => signals,
        Err(error) => {
            tracing::warn!("signals cannot be waited for, the first one ends the program at once: {error}");
            return std::future::pending().await;
        }
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = hangup.recv() => {
                notify.reloading();
                reload(args, app).await;
                notify.ready();
            }
        }
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        #[allow(clippy::disallowed_methods, reason = "asked twice: now, with what is written so far")]
        std::process::exit(130);
    });
}

/// Takes the file as it is now. One that is wrong changes nothing.
async fn reload(args: &ServeArgs, app: &App) {
    let config = match read(args) {
        Ok(config) => Arc::new(config),
        Err(failure) => return tracing::error!("not reloaded, all goes on as before: {}", failure.message()),
    };
    match tokens(&config) {
        Ok(tokens) => app.know(tokens),
        Err(failure) => return tracing::error!("not reloaded, all goes on as before: {}", failure.message()),
    }
    let old = app.feeds.config();
    let fixed = |config: &Config| {
        let Config { server, limits, journal, recognition, captions, .. } = config.clone();
        (server, limits, journal, recognition, captions)
    };
    if fixed(&old) != fixed(&config) {
        tracing::warn!("server, limits, journal, recognition and captions change only at a restart");
    }
    let app = Arc::clone(app);
    let reloading = tokio::task::spawn_blocking(move || app.feeds.reload(config));
    match reloading.await {
        Ok(Ok(())) => tracing::info!("reloaded"),
        Ok(Err(error)) => tracing::error!("reloaded in part: {error}"),
        Err(error) => tracing::error!("reloading failed: {error}"),
    }
}

/// Ends the feeds. Answers how many had not ended in time.
fn end(app: &App, drain: Duration) -> usize {
    let began = Instant::now();
    let left = app.feeds.drain(drain);
    if !app.journal.barrier(COMMIT) {
        tracing::error!("the last events could not be committed");
    }
    tracing::info!("ended within {:.1?}", began.elapsed());
    left
}

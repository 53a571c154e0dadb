//! A small service for the endpoint: guests on one host, without a journal.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use engine::budget::Budgets;
use models::store::Store;
use models::whisper::{Whisper, WhisperOptions};
use models::{DecodeOptions, Recognizer, Scripted};
use operators::{AnalysisConfig, DecodePolicy, Keywords, UtteranceConfig};
use server::api::listen::{Limits, ListenState, Unauthorised, credential, router};
use server::host::Host;
use server::ingest::Audio;
use server::publish::{FeedIdentity, Hub, Published, Record, Sink, WallClock};
use server::pump::pump;
use server::recognise::{Admission, Entry, Listener, PoolConfig, RETRY_CONTEXTS};
use server::run::{FeedRun, Setup, Travel};
use server::service::{GUEST_TEMPO, Guest, GuestSpec, Reception, Refusal, guest_live_config};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

/// The secret of the tests.
pub(crate) const SECRET: &str = "s3cret";

/// A running service.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    /// How many guests there are.
    n_guests: watch::Receiver<usize>,
    _runtime: Runtime,
}

/// With the real model, shared by the tests of a process.
pub(crate) fn real() -> &'static Service {
    static REAL: LazyLock<Service> = LazyLock::new(|| Service::start(whispers(), Limits::default()));
    &REAL
}

/// With a recogniser that hears nothing in speech: for everything but words.
pub(crate) fn deaf(limits: Limits) -> Service {
    Service::start(vec![Box::new(Scripted::new())], limits)
}

fn whispers() -> Vec<Box<dyn Recognizer>> {
    let verified = Store::open(Store::default_dir().unwrap()).unwrap().resolve("tiny.en-q8_0").unwrap();
    let n = NonZeroUsize::new(2).unwrap();
    let whisper =
        Whisper::load(&verified, WhisperOptions { n_recognizers_max: n, ..WhisperOptions::default() });
    let whisper = whisper.unwrap();
    (0..n.get()).map(|_| Box::new(whisper.recognizer().unwrap()) as Box<dyn Recognizer>).collect()
}

impl Service {
    pub(crate) fn start(recognizers: Vec<Box<dyn Recognizer>>, limits: Limits) -> Self {
        let policy = DecodePolicy {
            options: DecodeOptions { language: Some("en"), ..DecodeOptions::default() },
            retry_contexts: RETRY_CONTEXTS.to_vec(),
            ..DecodePolicy::default()
        };
        // What is heard must not hang on what else the machine does; how soon is only measured.
        let config = if std::env::var_os("AIRCHECK_SOAK").is_some() {
            PoolConfig::live(policy, None)
        } else {
            PoolConfig::batch(policy)
        };
        let host = Host::start(NonZeroUsize::MIN, recognizers, config).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (n_guests, of_inn) = watch::channel(0);
        let inn = Arc::new(Inn {
            host: Arc::new(host),
            hub: Arc::default(),
            runtime: runtime.handle().clone(),
            n_guests,
        });
        let state = ListenState {
            reception: inn,
            authorise: Arc::new(|headers, _| match credential(headers) {
                Some(SECRET) => Ok(()),
                Some("reader") => Err(Unauthorised::Forbidden),
                _ => Err(Unauthorised::Unknown),
            }),
            model: "tiny.en-q8_0".into(),
            limits,
        };
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router(state)).await });
        Self { address, n_guests: of_inn, _runtime: runtime }
    }

    /// Waits until the last guest is gone.
    pub(crate) async fn empty(&self) {
        let mut n_guests = self.n_guests.clone();
        let gone = n_guests.wait_for(|n| *n == 0);
        timeout(Duration::from_secs(20), gone).await.expect("all gone in time").unwrap();
    }
}

/// Lets everybody in whose language it knows.
pub(crate) struct Inn {
    host: Arc<Host>,
    hub: Arc<Hub>,
    runtime: Handle,
    n_guests: watch::Sender<usize>,
}

impl Reception for Inn {
    fn admit(&self, spec: GuestSpec) -> Result<Guest, Refusal> {
        if let Some(language) = spec.language.as_ref().filter(|language| *language != "en") {
            return Err(Refusal::Wrong(format!("language {language}: tiny.en knows English only")));
        }
        if spec.keywords.iter().any(|term| term == "full house") {
            return Err(Refusal::Full("all places are taken".into()));
        }
        let rules = spec.keyword_rules().map_err(|error| Refusal::Wrong(error.to_string()))?;
        let events = self.hub.subscribe();
        let failed = |error: String| Refusal::Failed(error);
        let (mut audio, dock) = Audio::from_dock(spec.feed.as_str(), guest_live_config(), &self.runtime)
            .map_err(|error| failed(error.to_string()))?;
        let utterances = spec.utterances(&UtteranceConfig::live());
        let whole = utterances.whole();
        let setup = Setup {
            identity: FeedIdentity { name: spec.feed.to_string(), epoch: 1 },
            clock: WallClock::live(),
            budgets: Budgets::default(),
            travel: Travel::LIVE,
            analysis: AnalysisConfig { utterances: Some(utterances), ..AnalysisConfig::default() },
            listener: Listener::new(rules.map(Keywords::new)),
            entry: Entry { priority: 0, admission: Admission::Always },
            sinks: vec![Box::new(ToHub { hub: Arc::clone(&self.hub), held: Vec::new() })],
        };
        let mut run = FeedRun::start(setup, Arc::clone(&self.host)).map_err(|e| failed(e.to_string()))?;
        let (tell, done) = oneshot::channel();
        self.n_guests.send_modify(|n| *n += 1);
        let n_guests = self.n_guests.clone();
        let play = move || {
            let pumped = pump(&mut audio, &mut run, GUEST_TEMPO, &mut |_| {});
            drop(audio);
            println!("{} {:?} {pumped:?}", spec.feed, run.finish().map(|tally| tally.conservation));
            // Its connection may be gone.
            let _ = tell.send(());
            n_guests.send_modify(|n| *n -= 1);
        };
        thread::Builder::new().name("guest".into()).spawn(play).unwrap();
        Ok(Guest { dock, events, done, whole })
    }
}

/// Shows what is durable later than what is ephemeral, as a journal does.
struct ToHub {
    hub: Arc<Hub>,
    held: Vec<Record>,
}

impl ToHub {
    fn publish(&self, record: &Record, cursor: Option<u64>) {
        let line = serde_json::to_vec(&record.envelope).unwrap().into();
        self.hub.publish(Arc::new(Published { cursor, record: record.clone(), line }));
    }
}

impl Sink for ToHub {
    fn take(&mut self, record: &Record) -> std::io::Result<()> {
        if record.envelope.sequence.is_some() {
            self.held.push(record.clone());
        } else {
            self.publish(record, None);
        }
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        for record in std::mem::take(&mut self.held) {
            self.publish(&record, Some(0));
        }
        Ok(())
    }
}

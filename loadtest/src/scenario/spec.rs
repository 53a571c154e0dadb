//! A scenario: everything that a measurement needs to know, with the defaults of what nobody said.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::{Disturbance, Objective, grid};

/// Stands for the address of a server that is started here.
pub(crate) const LISTEN: &str = "{listen}";
/// Stands for the path of the configuration that is written for it.
pub(crate) const CONFIG: &str = "{config}";

/// What is to be measured, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// For reports.
    pub name: String,
    /// Seed of everything random: the same seed gives the same feeds and disturbances.
    pub seed: u64,
    /// The server.
    pub target: Target,
    /// How the engine is run, where it alone is measured.
    pub engine: Engine,
    /// What plays into it.
    pub feeds: Feeds,
    /// What they play.
    pub programme: Audio,
    /// How long a run is.
    pub run: Timing,
    /// What has to be true. `None`: see [`Scenario::objectives`].
    pub slo: Option<Vec<Objective>>,
    /// What is done meanwhile, in order.
    pub chaos: Vec<Disturbance>,
    /// The loads that `ramp` and `find-max` try.
    pub search: Search,
    /// What `soak` allows to grow, as far as somebody said; see [`Scenario::bars`].
    pub bars: Bars,
    /// How `probe` goes round.
    pub probe: Rounds,
    /// What `frontier` compares.
    pub variants: Vec<Variant>,
}

/// The server that is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What it speaks.
    pub kind: TargetKind,
    /// Where it is. `{listen}` stands for the address of a server that is started here. `None`: see [`Target::url`].
    pub url: Option<String>,
    /// What it wants to hear before it lets anybody in.
    pub token: Option<Token>,
    /// Program and arguments that start it, `{listen}` is a free address of this machine. Empty: it runs already.
    pub command: Vec<String>,
    /// Environment of that program, on top of that of this one.
    pub env: BTreeMap<String, String>,
    /// Configuration file of a server that is started here: written for it, and `{config}` in its command is where.
    pub config: Option<String>,
    /// What answers a GET with a success as soon as the server can be used. `None`: its address takes connections then. An
    /// Aircheck is asked for `/readyz` in any case.
    pub ready: Option<String>,
    /// Its process where it is not started here, for memory, descriptors and processor time.
    pub pid: Option<u32>,
    /// Keys that each feed of an Aircheck is added with, beside `name` and `source`: `profile`, `priority` ...
    pub feed: Map<String, Value>,
}

/// Kinds of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TargetKind {
    /// Aircheck over its HTTP API.
    Aircheck,
    /// Anything that speaks the live protocol of Deepgram.
    Deepgram,
    /// WhisperLive.
    #[value(name = "whisperlive")]
    WhisperLive,
    /// vosk-server.
    Vosk,
    /// The engine of Aircheck alone, in this process: its lanes and workers, with a stand-in for what they do.
    Engine,
}

/// How the engine is run in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Engine {
    /// Worker threads. `None`: see [`Engine::workers`].
    pub workers: Option<usize>,
    /// Processor time that a second of a feed's audio costs a worker. `None`: see [`Engine::work`].
    pub work: Option<Duration>,
}

/// A secret: its value is not shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Token {
    /// As given.
    Given(String),
    /// In this environment variable.
    Env(String),
}

/// What plays.
#[derive(Clone, Debug, PartialEq)]
pub struct Feeds {
    /// How many at once. `None`: 4, and 1 in a probe.
    pub n: Option<usize>,
    /// How their audio gets there. `None`: as [`TargetKind::transport`].
    pub transport: Option<Transport>,
    /// Audio that is sent at a time.
    pub piece: Duration,
    /// How it is coded. `None`: as [`Transport::codec`].
    pub codec: Option<Codec>,
    /// Audio that a listener of our Icecast mounts gets at once when it connects, as Icecast does.
    pub burst: Duration,
    /// Address that the first RTP feed is sent to; every other one goes two ports higher.
    pub rtp: Option<String>,
}

/// Ways for audio to get to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// The server pulls mounts of an Icecast server that we are.
    Icecast,
    /// We push to mounts of the server as a source does.
    Source,
    /// A WebSocket for each feed.
    #[value(name = "websocket")]
    WebSocket,
    /// RTP over UDP.
    Rtp,
    /// None: within one process.
    InProcess,
}

/// Codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names are those of the codecs")]
pub enum Codec {
    Pcm,
    Wav,
    Flac,
    Mp3,
    Aac,
    Opus,
}

/// Where labelled audio is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// What is played.
    pub from: AudioFrom,
    /// Folder of the sample sets. `None`: where `make` puts them.
    pub sample_dir: Option<PathBuf>,
}

/// What is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioFrom {
    /// A sample set, by its name.
    Sample(String),
    /// Clips with their labels, listed in this file.
    Manifest(PathBuf),
}

/// How long a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Before anything counts.
    pub warm_up: Duration,
    /// That counts.
    pub length: Duration,
    /// After the last audio, for what is still to come. What is not there then never comes.
    pub grace: Duration,
    /// After a disturbance, until latencies have to be within the objectives again.
    pub recovery: Duration,
}

/// Loads that are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// The first.
    pub from: usize,
    /// The last.
    pub to: usize,
    /// Of the staircase.
    pub step: usize,
}

/// What may grow in a soak. `None`: it is not judged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bars {
    /// Memory, MiB an hour.
    pub memory: Option<f64>,
    /// Open files and sockets, an hour.
    pub files: Option<f64>,
    /// Median latency, ms an hour.
    pub lag: Option<f64>,
}

/// How a probe goes round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rounds {
    /// From the start of one round to that of the next.
    pub every: Duration,
    /// Where Prometheus scrapes.
    pub listen: String,
}

/// A server command among several that are compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variant {
    /// In the table.
    pub name: String,
    /// In place of that of the target.
    pub command: Option<Vec<String>>,
    /// On top of that of the target.
    pub env: BTreeMap<String, String>,
    /// On top of those of the target.
    pub feed: Map<String, Value>,
    /// Of a grid: by name what stands where the target has `{name}`.
    pub values: Vec<(String, Value)>,
}

impl Default for Scenario {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            name: "unnamed".to_owned(),
            seed: 1,
            target: Target::default(),
            engine: Engine::default(),
            feeds: Feeds {
                n: None,
                transport: None,
                piece: Duration::from_millis(50),
                codec: None,
                burst: secs(4),
                rtp: None,
            },
            programme: Audio { from: AudioFrom::Sample("librivox".to_owned()), sample_dir: None },
            run: Timing { warm_up: secs(10), length: secs(60), grace: secs(10), recovery: secs(10) },
            slo: None,
            chaos: Vec::new(),
            search: Search { from: 4, to: 512, step: 4 },
            bars: Bars::default(),
            probe: Rounds { every: secs(300), listen: "127.0.0.1:9464".to_owned() },
            variants: Vec::new(),
        }
    }
}

impl Default for Target {
    fn default() -> Self {
        Self {
            kind: TargetKind::Aircheck,
            url: None,
            token: None,
            command: Vec::new(),
            env: BTreeMap::new(),
            config: None,
            ready: None,
            pid: None,
            feed: Map::new(),
        }
    }
}

impl Scenario {
    /// The same, with what `variant` says of the server.
    #[must_use]
    pub fn with(&self, variant: &Variant) -> Self {
        let mut scenario = self.clone();
        scenario.name = format!("{}, {}", self.name, variant.name);
        if let Some(command) = &variant.command {
            scenario.target.command.clone_from(command);
        }
        scenario.target.env.extend(variant.env.clone());
        scenario.target.feed.extend(variant.feed.clone());
        grid::put(&mut scenario.target, &variant.values);
        scenario
    }

    /// What has to be true: the budgets of Aircheck's events unless something else was said, and of the engine alone what is
    /// left of them for it.
    #[must_use]
    pub fn objectives(&self) -> Vec<Objective> {
        let defaults = match self.target.kind {
            TargetKind::Engine => Objective::engine_defaults,
            _ => Objective::defaults,
        };
        self.slo.clone().unwrap_or_else(defaults)
    }

    /// What may grow in a soak: 1 MiB, 1 file and 10 ms an hour unless something else was said. Memory and files of a
    /// server whose process is not known are judged only if somebody said how.
    #[must_use]
    pub fn bars(&self) -> Bars {
        let Bars { memory, files, lag } = self.bars;
        let has_process = self.target.has_process().then_some(1.0);
        Bars { memory: memory.or(has_process), files: files.or(has_process), lag: lag.or(Some(10.0)) }
    }

    /// How audio gets to the server.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.feeds.transport.unwrap_or(self.target.kind.transport())
    }

    /// How audio is coded.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.feeds.codec.unwrap_or(self.transport().codec())
    }
}

impl Engine {
    /// Worker threads: one for each core but one, which is for the feeds, unless something else was said.
    #[must_use]
    pub fn workers(self) -> usize {
        let n_cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        self.workers.unwrap_or(n_cores.saturating_sub(1)).max(1)
    }

    /// Processor time for a second of audio: unless something else was said 4 ms, which is what one more feed without speech
    /// costs Aircheck (README.md, "Measured").
    #[must_use]
    pub fn work(self) -> Duration {
        self.work.unwrap_or(Duration::from_millis(4))
    }
}

impl Feeds {
    /// Address that feed `idx` is sent to by RTP. `None`: there is no address to begin with, or no port left.
    #[must_use]
    pub fn rtp(&self, idx: usize) -> Option<SocketAddr> {
        let first: SocketAddr = self.rtp.as_ref()?.parse().ok()?;
        let port = first.port().checked_add(u16::try_from(idx.checked_mul(2)?).ok()?)?;
        Some(SocketAddr::new(first.ip(), port))
    }
}

impl Target {
    /// Where it is, with `{listen}` as it stands where the server is started here.
    #[must_use]
    pub fn url(&self) -> String {
        let is_started_here = !self.command.is_empty();
        self.url.clone().unwrap_or_else(|| self.kind.url(is_started_here))
    }

    /// Whether its process is known.
    #[must_use]
    pub fn has_process(&self) -> bool {
        self.pid.is_some() || !self.command.is_empty()
    }
}

impl TargetKind {
    /// Where such a server listens unless it was told otherwise.
    fn url(self, is_started_here: bool) -> String {
        let (scheme, port, path) = match self {
            Self::Aircheck => ("http", 8080, ""),
            Self::Deepgram => ("ws", 8080, "/v1/listen"),
            Self::WhisperLive => ("ws", 9090, ""),
            Self::Vosk => ("ws", 2700, ""),
            Self::Engine => return "this process".to_owned(),
        };
        let address = if is_started_here { "{listen}".to_owned() } else { format!("127.0.0.1:{port}") };
        format!("{scheme}://{address}{path}")
    }

    /// How audio gets to it unless something else was said.
    #[must_use]
    pub const fn transport(self) -> Transport {
        match self {
            Self::Aircheck => Transport::Icecast,
            Self::Deepgram | Self::WhisperLive | Self::Vosk => Transport::WebSocket,
            Self::Engine => Transport::InProcess,
        }
    }

    /// Ways that lead to it.
    #[must_use]
    pub const fn transports(self) -> &'static [Transport] {
        match self {
            Self::Aircheck => &[Transport::Icecast, Transport::Source, Transport::WebSocket, Transport::Rtp],
            Self::Deepgram | Self::WhisperLive | Self::Vosk => &[Transport::WebSocket],
            Self::Engine => &[Transport::InProcess],
        }
    }
}

impl Transport {
    /// How audio is coded on it unless something else was said.
    #[must_use]
    pub const fn codec(self) -> Codec {
        match self {
            Self::Icecast | Self::Source => Codec::Mp3,
            Self::WebSocket | Self::Rtp | Self::InProcess => Codec::Pcm,
        }
    }

    /// Codecs that it carries.
    #[must_use]
    pub const fn codecs(self) -> &'static [Codec] {
        match self {
            Self::Icecast | Self::Source => &[Codec::Wav, Codec::Flac, Codec::Mp3, Codec::Aac, Codec::Opus],
            Self::WebSocket | Self::Rtp | Self::InProcess => &[Codec::Pcm],
        }
    }
}

impl Token {
    /// The secret; an error names the variable that is not set.
    pub fn secret(&self) -> Result<String, String> {
        match self {
            Self::Given(secret) => Ok(secret.clone()),
            Self::Env(name) => {
                std::env::var(name).map_err(|error| format!("environment variable {name}: {error}"))
            }
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("Given(...)"),
            Self::Env(name) => write!(f, "Env({name:?})"),
        }
    }
}

/// Name of a choice, as files and flags have it.
pub fn name_of(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// The choice that has this name, or which names there are.
pub(super) fn by_name<T: ValueEnum>(name: &str) -> Result<T, String> {
    T::from_str(name, false).map_err(|_| {
        let names: Vec<String> =
            T::value_variants().iter().map(|choice| format!("\"{}\"", name_of(choice))).collect();
        format!("\"{name}\", expected {}", names.join(", "))
    })
}

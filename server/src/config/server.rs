//! `[server]`, `[journal]`, `[recognition]`, `[slo]`: what there is once for all feeds. Opens nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use models::CONTEXT_FRAMES_PER_SECOND;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where the service listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port of the HTTP API, the mounts and the WebSockets. Any address but one of loopback needs a token
    /// and `allow_plain_text`. Port 0 takes a free one.
    #[schema(value_type = String, format = "socket-address")]
    pub listen: SocketAddr,
    /// Whether another address than one of loopback may be served without TLS: say so where a proxy in front, or the
    /// network, keeps secrets secret.
    pub allow_plain_text: bool,
    /// Whether feeds that run a command (`exec:`, `srt://`, `rtmp://`, `rtsp://`, `alsa:`) may be added over the API, by
    /// whoever has a token of an admin. Whoever can, can run anything as the user of the service.
    pub exec_over_api: bool,
    /// How long the service may take to end after SIGTERM, s: what arrived is analysed, recognised and stored.
    #[schema(minimum = 1, maximum = 600)]
    pub drain_secs: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
        Self { listen, allow_plain_text: false, exec_over_api: false, drain_secs: 10 }
    }
}

/// Where durable events are kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JournalConfig {
    /// The file. Default: `journal.db` in `state_dir`.
    #[schema(value_type = Option<String>, format = "path")]
    pub path: Option<PathBuf>,
    /// Events older than this are deleted, days.
    #[schema(minimum = 1, maximum = 36_500)]
    pub keep_days: u64,
    /// The oldest events are deleted where the file would grow beyond this, MiB.
    #[schema(minimum = 64, maximum = 16_777_216)]
    pub keep_mib: u64,
    /// How long an event may wait for others that are written to disk with it, ms. Longer is less work for the disk, and
    /// as much later for everybody.
    #[schema(minimum = 0, maximum = 20)]
    pub commit_window_ms: u64,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self { path: None, keep_days: 30, keep_mib: 10_240, commit_window_ms: 10 }
    }
}

/// How speech is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RecognitionConfig {
    /// Name of the speech model, from `aircheck models list`.
    #[schema(min_length = 1)]
    pub model: String,
    /// Utterances that are recognised at a time, each on a core. Default: as many as there are cores.
    #[schema(value_type = Option<usize>, minimum = 1, maximum = 64)]
    pub recognisers: Option<NonZeroUsize>,
    /// Language code such as `de`, for multilingual models; `auto` detects it for each utterance.
    #[schema(format = "language")]
    pub language: String,
    /// Readings of an utterance that are followed at a time. 1 takes the most probable word each time; more cost two to three
    /// times as much, and gained nothing with the models that there are.
    #[schema(minimum = 1, maximum = 8)]
    pub beam: u32,
    /// How far beyond the end of an utterance the model looks, ms. Below 2560 it sometimes repeats itself for ever; more
    /// costs more.
    #[schema(minimum = 0, maximum = 24_000)]
    pub context_margin_ms: u32,
    /// Whether feeds are let in that do not fit on this machine. Every feed then gives up more under load.
    pub admit_all: bool,
}

impl Default for RecognitionConfig {
    fn default() -> Self {
        Self {
            model: "tiny.en-q8_0".to_owned(),
            recognisers: None,
            language: "auto".to_owned(),
            beam: 1,
            context_margin_ms: 2_560,
            admit_all: false,
        }
    }
}

impl RecognitionConfig {
    /// `context_margin_ms` in encoder frames of 20 ms.
    #[must_use]
    pub fn context_margin(&self) -> u32 {
        self.context_margin_ms.div_ceil(1_000 / CONTEXT_FRAMES_PER_SECOND)
    }
}

/// What is promised of each feed over 30 days, for the alerts of `aircheck slo export`.
///
/// No objective is below 0.95: the fastest burn that is alerted on, 14.4 times, would be more than everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SloConfig {
    /// Share of the events that are visible within their budget.
    #[schema(minimum = 0.95, maximum = 0.99999)]
    pub latency: f64,
    /// Share of the audio received that is analysed.
    #[schema(minimum = 0.95, maximum = 0.99999)]
    pub coverage: f64,
    /// Share of the time in which the newest audio is not older than `freshness_budget_ms`.
    #[schema(minimum = 0.95, maximum = 0.99999)]
    pub freshness: f64,
    /// Age of the newest audio of a feed that is still fresh, ms. Streams come in bursts, and a feed is stalled after 2 s.
    #[schema(minimum = 100, maximum = 600_000)]
    pub freshness_budget_ms: u64,
}

impl Default for SloConfig {
    fn default() -> Self {
        Self { latency: 0.99, coverage: 0.999, freshness: 0.99, freshness_budget_ms: 3_000 }
    }
}

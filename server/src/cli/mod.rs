//! The command line: what can be asked for. Does nothing itself.

mod client;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use engine::event::LoudnessProfile;

use crate::telemetry::log::LogFormat;
pub use client::{
    EventsCommand, FeedAddArgs, FeedArgs, FeedsCommand, ReplayArgs, SearchArgs, ServerArgs, WhichEvents,
};

const AFTER: &str = "\
Examples:
  aircheck models pull                                   fetch the default speech model
  aircheck analyze interview.mp3 --srt interview.srt     a file: captions and a summary
  ffmpeg -i in.mkv -f wav - | aircheck analyze -         a pipe
  aircheck analyze - --pcm s16le:48000:2 < raw.pcm       raw samples
  aircheck watch https://example.org/live.mp3            a live stream, captions in the terminal
  aircheck watch https://example.org/live.mp3 | jq .     the same as events, one JSON object a line

Exit status: 0 done, 1 it failed while running, 2 wrong usage, 4 the input cannot be reached.";

/// Real-time streaming audio analysis: transcript, captions, speech and music, loudness, dead air, alerts.
///
/// Every event says which latency it was promised and which it had; audio that was not analysed is an event too.
#[derive(Debug, Parser)]
#[command(name = "aircheck", version, after_help = AFTER, max_term_width = 100)]
pub struct Cli {
    /// Log more to stderr: -v what happens, -vv everything. AIRCHECK_LOG takes filters such as `server=debug`.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// How a line of the log looks. Of one kind and feed at most ten come at once, then one each 10 s.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value = "text",
        env = "AIRCHECK_LOG_FORMAT"
    )]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Analyse a file or a pipe as fast as it goes.
    Analyze(AnalyzeArgs),
    /// Watch a live stream (Icecast, SHOUTcast, HTTP, HLS) or play a file at real-time pace.
    Watch(WatchArgs),
    /// Watch feeds around the clock: events in a journal and over HTTP, encoders and WebSockets let in.
    Serve(ServeArgs),
    /// Feeds of a running service: add, list, pause, remove.
    #[command(subcommand)]
    Feeds(FeedsCommand),
    /// Events of a running service: those of now, those of then.
    #[command(subcommand)]
    Events(EventsCommand),
    /// Search what was said in the feeds of a running service.
    Search(SearchArgs),
    /// Ask a running service whether it does its work: for the health check of a container, or of a person.
    Health(ServerArgs),
    /// Check the model, measure this machine, and say how many feeds fit on it.
    Doctor(DoctorArgs),
    /// List, fetch and check speech models.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Check a configuration, or print the reference of all its keys.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print what monitoring needs to watch over the promises that were configured.
    #[command(subcommand)]
    Slo(SloCommand),
    /// Recognise what is asked for on stdin. Used by `watch`, which starts it.
    #[command(hide = true)]
    Recognizer {
        /// Speech model.
        #[arg(long)]
        model: String,
        /// Requests that it decodes at a time, each in a thread; the weights are loaded once.
        #[arg(long, default_value = "1")]
        states: NonZeroUsize,
    },
    /// Print the JSON Schema of an event type, or the list of types.
    Schema {
        /// Such as `transcript.final`; without it, the names of all types.
        kind: Option<String>,
    },
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print the man page (roff).
    Man,
}

/// What to analyse and what to write, for files and for streams.
#[derive(Debug, Args)]
pub struct AnalysisArgs {
    /// Write captions as SubRip.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub srt: Option<PathBuf>,
    /// Write captions as WebVTT.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub vtt: Option<PathBuf>,
    /// Write the transcript as JSON for podcast apps (Podcasting 2.0).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub podcast: Option<PathBuf>,
    /// Write events, one JSON object a line; `-` is stdout, where they go anyway when it is a pipe and no file is
    /// given.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub events: Option<PathBuf>,
    /// Write the transcript as text, one utterance a line.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub transcript: Option<PathBuf>,
    /// Do not recognise speech.
    #[arg(long, conflicts_with_all = ["srt", "vtt", "podcast", "transcript", "keywords", "model"])]
    pub no_transcript: bool,
    /// Alert on these words and phrases: one a line, `#` starts a comment, `rule: phrase` names a rule.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub keywords: Option<PathBuf>,
    /// Speech model: a name from `aircheck models list`, or a file that was added with `aircheck models add`.
    #[arg(long, value_name = "MODEL", default_value = "tiny.en-q8_0", env = "AIRCHECK_MODEL")]
    pub model: String,
    /// Language code such as `de`, for multilingual models; `auto` detects it for each utterance.
    #[arg(long, value_name = "CODE", default_value = "auto")]
    pub language: String,
    /// The loudness recommendation to compare with; asking for one also turns on its alerts.
    #[arg(long, value_enum, value_name = "PROFILE")]
    pub profile: Option<Profile>,
    /// Alert on silence that lasts this long, 1 to 600 s.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u16).range(1..=600))]
    pub dead_air: u16,
    /// Emit loudness at 10 Hz.
    #[arg(long)]
    pub meter: bool,
    /// Print the summary as one JSON object on stdout instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Speech recognition threads. Default: one a core for files, one a stream up to the number of cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: Option<u16>,
    /// Recognise speech in this process, as `analyze` does anyway; without it `watch` has a process for each thread,
    /// which it survives.
    #[arg(long, hide_short_help = true)]
    pub in_process: bool,
}

/// `aircheck analyze`.
#[derive(Debug, Args)]
pub struct AnalyzeArgs {
    /// A file (wav, aiff, flac, mp3, aac, m4a/mp4, ogg, opus, webm/mkv, caf), `-` for stdin, or the address of an HLS
    /// recording.
    #[arg(value_hint = ValueHint::FilePath)]
    pub input: String,
    /// The input is raw PCM: FORMAT:RATE:CHANNELS, for example s16le:48000:2.
    #[arg(long, value_name = "SPEC")]
    pub pcm: Option<String>,
    /// Outputs.
    #[command(flatten)]
    pub analysis: AnalysisArgs,
}

/// `aircheck watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// http:// or https:// addresses of streams, or files, which are played at real-time pace. Several share this
    /// machine; one that does not fit is refused.
    #[arg(value_hint = ValueHint::Url, value_name = "INPUT", required = true)]
    pub inputs: Vec<String>,
    /// End with the stream instead of connecting again.
    #[arg(long)]
    pub once: bool,
    /// Name of the feed in events. Default: from the address. Of several inputs each has one, in their order.
    #[arg(long, value_name = "NAME")]
    pub feed: Vec<String>,
    /// The feed of this name comes before others when there is not enough for all, and is let in at their expense.
    #[arg(long, value_name = "NAME")]
    pub important: Vec<String>,
    /// Refuse no feed: where they do not all fit, those that came last go without some things, and it is told.
    #[arg(long)]
    pub admit_all: bool,
    /// Serve metrics for Prometheus at http://ADDRESS/metrics, for example 127.0.0.1:9464.
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// Outputs.
    #[command(flatten)]
    pub analysis: AnalysisArgs,
}

/// `aircheck serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The configuration; `aircheck config reference` says what can be in it. Without one: no feeds but those that the
    /// API was told of, on 127.0.0.1:8080.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Listen here instead.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
}

/// `aircheck doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Speech model to measure.
    #[arg(long, value_name = "MODEL", default_value = "tiny.en-q8_0", env = "AIRCHECK_MODEL")]
    pub model: String,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `aircheck models`.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List the models that are known and whether they are here.
    List,
    /// Fetch models, check them and convert them.
    Pull {
        /// Names; the default model when none is given.
        models: Vec<String>,
    },
    /// Check the SHA-256 of models that are here.
    Verify {
        /// Names; all that are here when none is given.
        models: Vec<String>,
    },
    /// Print where a model lies.
    Path {
        /// Name.
        #[arg(default_value = "tiny.en-q8_0")]
        model: String,
    },
    /// Allow a GGML model file of your own: it is loaded once in a process of its own, then remembered by its hash.
    Add {
        /// The file.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Name to use it by. Default: that of the file, without its ending.
        #[arg(long)]
        name: Option<String>,
    },
    /// Fetch a sample recording and print where it lies. Used by the demo and the tests.
    #[command(hide = true)]
    Sample {
        /// Name.
        name: String,
    },
    /// Load a model file and recognise a second of silence. Used by `add`; a bad file may crash this process.
    #[command(hide = true)]
    Probe {
        /// The file.
        file: PathBuf,
    },
}

/// `aircheck config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Tell everything that is wrong with a file, each with its line and what may have been meant. Starts nothing.
    Check {
        /// The file.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Print the reference of all keys (Markdown).
    Reference,
}

/// `aircheck slo`.
#[derive(Debug, Subcommand)]
pub enum SloCommand {
    /// Print rules for Prometheus (YAML): indicators of latency, coverage and freshness, and alerts on how fast they use
    /// up what the objectives allow.
    Export {
        /// The configuration; without it the defaults.
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        config: Option<PathBuf>,
    },
}

/// Loudness recommendations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// EBU R 128: -23 LUFS, -1 dBTP.
    EbuR128,
    /// ATSC A/85: -24 LKFS, -2 dBTP.
    AtscA85,
    /// Podcasts: -16 LUFS, -1 dBTP.
    Podcast,
}

impl Profile {
    /// The profile as events name it.
    #[must_use]
    pub const fn loudness(self) -> LoudnessProfile {
        match self {
            Self::EbuR128 => LoudnessProfile::EbuR128,
            Self::AtscA85 => LoudnessProfile::AtscA85,
            Self::Podcast => LoudnessProfile::Podcast,
        }
    }
}

//! The command line of what speaks to a running service.

use clap::{Args, Subcommand};

/// Which service.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// The service to speak to.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", env = "AIRCHECK_SERVER")]
    pub server: String,
    /// A token of it, where it wants one.
    #[arg(long, value_name = "TOKEN", env = "AIRCHECK_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

/// `aircheck feeds`.
#[derive(Debug, Subcommand)]
pub enum FeedsCommand {
    /// List feeds and how they are.
    List {
        /// Which service.
        #[command(flatten)]
        server: ServerArgs,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Add a feed, for good.
    Add(FeedAddArgs),
    /// Remove a feed that was added so. Its events stay.
    Remove(FeedArgs),
    /// Pause a feed, for good.
    Pause(FeedArgs),
    /// Let a paused feed go on.
    Resume(FeedArgs),
}

/// A feed of a service.
#[derive(Debug, Args)]
pub struct FeedArgs {
    /// Which service.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Its name.
    pub name: String,
}

/// `aircheck feeds add`.
#[derive(Debug, Args)]
pub struct FeedAddArgs {
    /// Which service.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Its name: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// http://… or https://… (pulled), mount:/path (an encoder pushes), file:/path.
    pub source: String,
    /// 0 to 9; feeds of a higher one come first when there is not enough for all.
    #[arg(long, value_name = "N")]
    pub priority: Option<u8>,
    /// Name of the profile that says what is analysed.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Alert on this word or phrase; `rule: phrase` names a rule. May be given again.
    #[arg(long, value_name = "PHRASE")]
    pub keyword: Vec<String>,
    /// Read a file as fast as it goes, not as it would be heard.
    #[arg(long)]
    pub free: bool,
}

/// `aircheck events`.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Print what becomes visible, one JSON object a line; over broken connections without a hole.
    Tail(WhichEvents),
    /// Print what became visible, one JSON object a line.
    Replay(ReplayArgs),
}

/// Which events of a service.
#[derive(Debug, Args)]
pub struct WhichEvents {
    /// Which service.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Only of this feed. May be given again.
    #[arg(long, value_name = "NAME")]
    pub feed: Vec<String>,
    /// Only of this type, such as transcript.final. May be given again.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Vec<String>,
    /// Begin after this place; 0 is the beginning. Default: `tail` begins now, `replay` at the beginning.
    #[arg(long, value_name = "PLACE")]
    pub after: Option<String>,
}

/// `aircheck events replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Which events.
    #[command(flatten)]
    pub which: WhichEvents,
    /// Only facts at or after this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only facts before this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
}

/// `aircheck search`.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// Which service.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Words, `"a phrase"`, or the beginning of a word as `begin*`.
    #[arg(required = true)]
    pub query: Vec<String>,
    /// Only in this feed. May be given again.
    #[arg(long, value_name = "NAME")]
    pub feed: Vec<String>,
    /// Only what was said at or after this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only what was said before this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Most hits.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

//! The configuration of the service: one TOML file, and the same words in the API. Starts nothing.

mod captions;
mod check;
mod feed;
mod flaw;
mod format;
mod limits;
mod profile;
mod reference;
mod rules;
mod server;
mod shape;
mod suggest;
mod tokens;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use captions::CaptionsConfig;
pub use feed::{DEFAULT_PROFILE, FeedName, FeedSpec, Pace, ParseError, Source};
pub use flaw::{ConfigError, Flaw, LoadError};
pub use limits::Limits;
pub use profile::{Loudness, OwnTarget, Profile, Recommendation};
pub use server::{JournalConfig, RecognitionConfig, ServerConfig, SloConfig};
pub use tokens::{Bearer, Role, TokenSpec, Tokens};

use check::Checked;
use shape::Shape;
use tree::Tree;

/// Longest file, bytes.
const FILE_BYTES_MAX: u64 = 4_194_304;

/// The configuration of the service. Each table and each key may be left out, but for what a feed and a token need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of what the service has to remember. Default: `$XDG_STATE_HOME/aircheck`, else `~/.local/state/aircheck`.
    #[schema(value_type = Option<String>, format = "path")]
    pub state_dir: Option<PathBuf>,
    /// Where the service listens.
    pub server: ServerConfig,
    /// How much the service takes from anybody. What goes beyond is refused with a status and a reason, and counted.
    pub limits: Limits,
    /// Who may do what. Without any, whoever can reach the service may do everything.
    pub tokens: Vec<TokenSpec>,
    /// Where durable events are kept, and for how long.
    pub journal: JournalConfig,
    /// How speech is recognised.
    pub recognition: RecognitionConfig,
    /// How live captions are cut and laid out (`docs/captions.md`).
    pub captions: CaptionsConfig,
    /// What is promised of each feed over 30 days, for the alerts of `aircheck slo export`. No objective is below 0.95:
    /// the fastest burn that is alerted on, 14.4 times, would be more than everything.
    pub slo: SloConfig,
    /// What is analysed of a feed, with which limits, by a name that feeds refer to. `default` is there anyway.
    pub profiles: BTreeMap<String, Profile>,
    /// What is listened to. More are added over the API.
    pub feeds: Vec<FeedSpec>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: None,
            server: ServerConfig::default(),
            limits: Limits::default(),
            tokens: Vec::new(),
            journal: JournalConfig::default(),
            recognition: RecognitionConfig::default(),
            captions: CaptionsConfig::default(),
            slo: SloConfig::default(),
            profiles: BTreeMap::from([(DEFAULT_PROFILE.to_owned(), Profile::DEFAULT)]),
            feeds: Vec::new(),
        }
    }
}

static SHAPE: LazyLock<Shape> = LazyLock::new(Shape::of::<Config>);
static DEFAULT: Profile = Profile::DEFAULT;

impl Config {
    /// Whether speech of any feed may have to be recognised.
    #[must_use]
    pub fn recognises(&self) -> bool {
        self.profiles.values().any(|profile| profile.transcript)
    }

    /// Reads a configuration. All that is wrong is told, from its beginning to its end.
    pub fn parse(text: &str) -> Result<Self, Vec<ConfigError>> {
        let mut tree = Tree::parse(text)?;
        let (config, flaws) = Self::read(&mut tree);
        if flaws.is_empty() { Ok(config) } else { Err(errors(&tree, flaws)) }
    }

    /// Reads a file, and sees whether the secrets of its tokens are where it says.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let text = read(path)?;
        let wrong = |errors| LoadError::Wrong { path: path.to_owned(), errors };
        let mut tree = Tree::parse(&text).map_err(wrong)?;
        let (config, mut flaws) = Self::read(&mut tree);
        flaws.extend(config.absent_secrets(&flaws));
        if flaws.is_empty() { Ok(config) } else { Err(wrong(errors(&tree, flaws))) }
    }

    /// Reads a file, and tells what is allowed, but may be meant otherwise or not be there at its start: two feeds with one
    /// source, secrets that are not on this machine.
    pub fn examine(path: &Path) -> Result<(Self, Vec<ConfigError>), LoadError> {
        let text = read(path)?;
        let wrong = |errors| LoadError::Wrong { path: path.to_owned(), errors };
        let mut tree = Tree::parse(&text).map_err(wrong)?;
        let (config, flaws) = Self::read(&mut tree);
        if !flaws.is_empty() {
            return Err(wrong(errors(&tree, flaws)));
        }
        let doubts = rules::doubts(&config).into_iter().chain(config.absent_secrets(&[])).collect();
        Ok((config, errors(&tree, doubts)))
    }

    /// Secrets that are not where they should be; of tokens that are wrong anyway nothing is said.
    fn absent_secrets(&self, known: &[Flaw]) -> Vec<Flaw> {
        if known.iter().any(|flaw| flaw.key.starts_with("tokens")) {
            return Vec::new();
        }
        Tokens::load(&self.tokens).err().unwrap_or_default()
    }

    /// The reference of all keys, in Markdown: `docs/configuration.md`.
    #[must_use]
    pub fn reference() -> String {
        reference::reference()
    }

    /// What the tree says, as far as it makes sense, and where it makes none.
    fn read(tree: &mut Tree<'_>) -> (Self, Vec<Flaw>) {
        let root = tree.root.take();
        let checked = Checked::new(&SHAPE, root, &|path| tree.odd(path).map(str::to_owned));
        let replaced = checked.replaced();
        let mut flaws = checked.flaws;
        match serde_json::from_value::<Self>(checked.value) {
            Ok(mut config) => {
                config.profiles.entry(DEFAULT_PROFILE.to_owned()).or_default();
                flaws.extend(rules::flaws(&config, &replaced));
                (config, flaws)
            }
            Err(error) => {
                flaws.push(Flaw::new("", error.to_string()));
                (Self::default(), flaws)
            }
        }
    }

    /// The profile of a feed; of a name that is not known, what there is without one.
    #[must_use]
    pub fn profile(&self, feed: &FeedSpec) -> &Profile {
        self.profiles.get(&feed.profile).or_else(|| self.profiles.get(DEFAULT_PROFILE)).unwrap_or(&DEFAULT)
    }

    /// Folder of what the service has to remember. `None`: it is not configured, and there is no home.
    #[must_use]
    pub fn state_dir(&self) -> Option<PathBuf> {
        let folder =
            |variable: &str| env::var_os(variable).map(PathBuf::from).filter(|dir| dir.is_absolute());
        let state = || folder("XDG_STATE_HOME").map(|dir| dir.join("aircheck"));
        let home = || folder("HOME").map(|dir| dir.join(".local/state/aircheck"));
        self.state_dir.clone().or_else(state).or_else(home)
    }

    /// The file of the journal. `None`: neither it nor `state_dir` is configured, and there is no home.
    #[must_use]
    pub fn journal_path(&self) -> Option<PathBuf> {
        let default = || self.state_dir().map(|dir| dir.join("journal.db"));
        self.journal.path.clone().or_else(default)
    }

    /// Why the service must not listen where it is told to: others than this machine would reach it without a token, or
    /// read secrets on the way.
    #[must_use]
    pub fn exposure(&self) -> Vec<Flaw> {
        let ServerConfig { listen, allow_plain_text, .. } = &self.server;
        if listen.ip().to_canonical().is_loopback() {
            return Vec::new();
        }
        let mut flaws = Vec::new();
        if self.tokens.is_empty() {
            let message = format!("{listen} without [[tokens]], expected an address of loopback, or a token");
            flaws.push(Flaw::new("server.listen", message));
        }
        if !allow_plain_text {
            let message = format!(
                "{listen} without TLS, expected an address of loopback, or server.allow_plain_text = true"
            );
            flaws.push(Flaw::new("server.listen", message));
        }
        flaws
    }
}

fn errors(tree: &Tree<'_>, flaws: Vec<Flaw>) -> Vec<ConfigError> {
    let told: BTreeSet<ConfigError> = flaws.into_iter().map(|flaw| tree.error(flaw)).collect();
    told.into_iter().collect()
}

fn read(path: &Path) -> Result<String, LoadError> {
    let unreadable = |reason: String| LoadError::Unreadable { path: path.to_owned(), reason };
    let length = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if length > FILE_BYTES_MAX {
        return Err(unreadable(format!("{length} bytes, expected at most {FILE_BYTES_MAX}")));
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(valid).filter(|byte| **byte == b'\n').count() + 1;
        let (key, message) = (String::new(), "not UTF-8".to_owned());
        let error = ConfigError { line, column: 1, key, message, suggestion: None };
        LoadError::Wrong { path: path.to_owned(), errors: vec![error] }
    })
}

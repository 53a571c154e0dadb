//! A feed as it is asked for, in the file and over the API.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::LazyLock;

use engine::budget::{Budget, Budgets};
use engine::event::EventKind;
use operators::KeywordRules;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use thiserror::Error;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::Config;
use super::check::Checked;
use super::flaw::Flaw;
use super::format::{Format, budgeted};
use super::shape::Shape;
use super::suggest::nearest;
use super::tree::join;
use crate::ingest::{Address, ExecSource, IngestError, PcmSpec, RtpSource};

/// Longest name of a feed, characters.
const NAME_CHARS_MAX: usize = 64;

/// A value that is not what it has to be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{found}, expected {expected}")]
pub struct ParseError {
    /// What was found.
    pub found: String,
    /// What may be there.
    pub expected: String,
}

impl ParseError {
    fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { found: found.into(), expected: expected.into() }
    }
}

/// Name of a feed: 1 to 64 of `a-z A-Z 0-9 . _ -`, the first a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(
    value_type = String,
    format = "feed-name",
    pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
    example = "wxyz"
)]
pub struct FeedName(String);

impl FeedName {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FeedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FeedName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !starts_well || !text.chars().all(allowed) || text.len() > NAME_CHARS_MAX {
            return Err(ParseError::new(format!("{text:?}"), Format::FeedName.expected()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for FeedName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

fn parsed<'de, T: FromStr<Err = ParseError>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// How fast a file or a pipe is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// As it would be heard.
    #[default]
    RealTime,
    /// As fast as it goes.
    Free,
}

/// Where a feed's audio comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// `http://` or `https://`: an Icecast, SHOUTcast or plain HTTP stream, or an HLS playlist, which is pulled.
    Stream(Address),
    /// `rtp://239.1.2.3:5004?encoding=L24`, or `file:/path/studio.sdp`: packets, to an address or a group.
    Rtp(RtpSource),
    /// `exec:command`, or an address such as `srt://host:9000` that stands for one: what it writes.
    Exec(ExecSource),
    /// `mount:/live.mp3`: an encoder pushes to this path, as it would to an Icecast server.
    Mount(String),
    /// `file:/path/show.flac`: a file or a named pipe.
    File(PathBuf),
    /// `stdin:`: what is piped in; one feed may have it.
    Stdin,
}

impl FromStr for Source {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let expected = Format::Source.expected();
        let (scheme, rest) =
            text.split_once(':').ok_or_else(|| ParseError::new(without_secrets(text), expected))?;
        match scheme {
            "http" | "https" => Address::parse(text).map(Self::Stream).map_err(|error| refused(text, error)),
            "rtp" => {
                let address = text.parse().map(RtpSource::Address);
                address.map(Self::Rtp).map_err(|error| refused(text, error))
            }
            scheme if ExecSource::is_scheme(scheme) => {
                text.parse().map(Self::Exec).map_err(|error| match error {
                    IngestError::Usage { found, .. } => ParseError::new(found, expected),
                    other => ParseError::new(other.to_string(), expected),
                })
            }
            "mount" if is_mount(rest) => Ok(Self::Mount(rest.to_owned())),
            "mount" => Err(ParseError::new(format!("mount {rest:?}"), MOUNTS)),
            "file" if !rest.is_empty() => {
                let described = RtpSource::described(rest.as_ref());
                Ok(described.map_or_else(|| Self::File(rest.into()), Self::Rtp))
            }
            "stdin" if rest.is_empty() => Ok(Self::Stdin),
            _ => Err(ParseError::new(without_secrets(text), expected)),
        }
    }
}

/// What is wrong with an address.
fn refused(text: &str, error: IngestError) -> ParseError {
    match error {
        IngestError::Usage { found, expected, .. } => {
            ParseError::new(format!("{}: {found}", without_secrets(text)), expected)
        }
        other => ParseError::new(other.to_string(), Format::Source.expected()),
    }
}

/// What may be shown of a text that is no source, but may have been meant as one with a user, a password or a token.
fn without_secrets(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or("");
    text.rsplit_once('@')
        .map_or_else(|| format!("{text:?}"), |(_, rest)| format!("\"…@{}\"", rest.escape_debug()))
}

const MOUNTS: &str = "a path of a-z A-Z 0-9 . _ - and / that begins with / and is not under /v1/";

fn is_mount(path: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    path.len() > 1
        && path.len() <= 256
        && path.starts_with('/')
        && path.chars().all(allowed)
        && !path.starts_with("/v1/")
        && !path.contains("//")
        && !path.contains("..")
}

impl Source {
    /// Whether only one feed can have it.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        match self {
            Self::Mount(_) | Self::Stdin => true,
            Self::Rtp(source) => source.is_exclusive(),
            Self::Stream(_) | Self::Exec(_) | Self::File(_) => false,
        }
    }

    /// Whether it runs a program, as the user of the service.
    #[must_use]
    pub const fn runs_a_command(&self) -> bool {
        matches!(self, Self::Exec(_))
    }

    /// As it is written, with its secrets.
    #[must_use]
    pub fn with_secrets(&self) -> String {
        match self {
            Self::Stream(address) => address.with_secrets(),
            Self::Exec(source) => source.with_secrets().to_owned(),
            other => other.to_string(),
        }
    }
}

/// Without the secrets of an address.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(address) => address.fmt(f),
            Self::Exec(source) => source.fmt(f),
            Self::Rtp(source @ RtpSource::Address(_)) => source.fmt(f),
            Self::Rtp(RtpSource::Sdp(path)) => write!(f, "file:{}", path.display()),
            Self::Mount(path) => write!(f, "mount:{path}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Stdin => f.write_str("stdin:"),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({self})")
    }
}

/// Without secrets: what is stored with them says so by [`Source::with_secrets`].
impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// A feed: where it comes from, what is found out about it, and what it is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedSpec {
    /// Its name in events and addresses.
    pub name: FeedName,
    /// `http://…` or `https://…` (pulled), `rtp://…` or `file:/path.sdp` (packets), `exec:command`, `srt://…`, `rtmp://…`,
    /// `rtsp://…` or `alsa:device` (what a command writes), `mount:/path` (an encoder pushes), `file:/path`, `stdin:`.
    /// docs/sources.md shows each.
    #[schema(value_type = String, format = "feed-source", example = "https://radio.example/live.mp3")]
    pub source: Source,
    /// Feeds of a higher priority come first when there is not enough for all, and are let in at the expense of
    /// others.
    #[serde(default)]
    #[schema(maximum = 9, default = 0)]
    pub priority: u8,
    /// Name of the profile that says what is analysed.
    #[serde(default = "default_profile")]
    #[schema(default = default_profile)]
    pub profile: String,
    /// Words and phrases to alert on; `rule: phrase` names a rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Promised latencies in place of the usual ones, ms, by type of event: `"transcript.final" = 5000`. The types and
    /// their usual budgets are in docs/events.md.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, BudgetMs>)]
    pub budgets_ms: BTreeMap<String, u64>,
    /// How fast a file or a pipe is read: `real_time`, as it would be heard, or `free`, as fast as it goes.
    #[serde(default)]
    #[schema(default = Pace::default)]
    pub pace: Pace,
    /// What the samples are that a file, a pipe or a command gives without a container: `s16le:48000:2` is format, rate
    /// and channels. Default: a container is looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "pcm")]
    pub pcm: Option<String>,
    /// Whether it is known, but not running.
    #[serde(default)]
    #[schema(default = false)]
    pub paused: bool,
}

/// The shape of a budget.
enum BudgetMs {}

impl PartialSchema for BudgetMs {
    fn schema() -> RefOr<Schema> {
        let millis = ObjectBuilder::new().schema_type(Type::Integer);
        millis.minimum(Some(10)).maximum(Some(600_000)).into()
    }
}

impl ToSchema for BudgetMs {}

impl FeedSpec {
    /// Reads a feed from JSON. All that is wrong with its own values is told; [`Self::check`] holds it against the rest.
    pub fn from_json(value: Value) -> Result<Self, Vec<Flaw>> {
        let Checked { value, flaws } = Checked::new(&SHAPE, value, &|_| None);
        if !flaws.is_empty() {
            return Err(flaws);
        }
        serde_json::from_value(value).map_err(|error| vec![Flaw::new("", error.to_string())])
    }

    /// All that is wrong with it, beside the profiles of `config`.
    #[must_use]
    pub fn check(&self, config: &Config) -> Vec<Flaw> {
        let Ok(value) = serde_json::to_value(self) else { return Vec::new() };
        let mut flaws = Checked::new(&SHAPE, value, &|_| None).flaws;
        flaws.extend(self.flaws(config));
        flaws
    }

    /// What is wrong with values that have their shape.
    pub(super) fn flaws(&self, config: &Config) -> Vec<Flaw> {
        let mut flaws: Vec<Flaw> = self.keywords.iter().enumerate().filter_map(keyword_flaw).collect();
        if !config.profiles.contains_key(&self.profile) {
            let known = config.profiles.keys().map(String::as_str);
            let message = format!("no profile {:?}, expected one of {}", self.profile, list(known.clone()));
            flaws.push(Flaw::new("profile", message).suggesting(nearest(&self.profile, known)));
        }
        if self.pcm.is_some() && !matches!(self.source, Source::File(_) | Source::Stdin | Source::Exec(_)) {
            let message = "of no use: a source of this kind says itself what it is, expected none";
            flaws.push(Flaw::new("pcm", message));
        }
        flaws.extend(self.budgets_ms.keys().filter_map(|name| budget_flaw(name)));
        flaws
    }

    /// What it promises.
    #[must_use]
    pub fn budgets(&self) -> Budgets {
        let own = |(name, millis): (&String, &u64)| Some((kind(name)?, Budget::from_millis(*millis)));
        self.budgets_ms.iter().filter_map(own).collect()
    }

    /// What its samples are, where it was said.
    #[must_use]
    pub fn pcm(&self) -> Option<PcmSpec> {
        self.pcm.as_deref().and_then(|text| text.parse().ok())
    }

    /// Its words and phrases to alert on.
    #[must_use]
    pub fn keyword_rules(&self) -> KeywordRules {
        let right = self.keywords.iter().filter(|keyword| keyword_flaw((0, keyword)).is_none());
        let list: Vec<&str> = right.map(String::as_str).collect();
        KeywordRules::parse(&list.join("\n")).unwrap_or_default()
    }
}

static SHAPE: LazyLock<Shape> = LazyLock::new(Shape::of::<FeedSpec>);

/// Most words and phrases of a feed are few; what is not can be read in [`operators::TERMS_MAX`].
fn keyword_flaw((idx, keyword): (usize, &String)) -> Option<Flaw> {
    let at = format!("keywords[{idx}]");
    let expected = "expected a word or phrase, or rule: phrase";
    if idx >= operators::TERMS_MAX {
        return Some(Flaw::new(at, format!("expected at most {} keywords", operators::TERMS_MAX)));
    }
    let fits = !keyword.contains(['\n', '\r', '#'])
        && KeywordRules::parse(keyword).is_ok_and(|rules| rules.len() == 1);
    (!fits).then(|| Flaw::new(at, format!("{keyword:?}, {expected}")))
}

fn budget_flaw(name: &str) -> Option<Flaw> {
    if kind(name).is_some() {
        return None;
    }
    let message = "no type of event that has a budget, expected one such as alert.dead_air";
    let meant = nearest(name, budgeted().map(EventKind::name));
    Some(Flaw::new(join("budgets_ms", name), message).suggesting(meant))
}

/// A type of event that has a budget.
fn kind(name: &str) -> Option<EventKind> {
    budgeted().find(|kind| kind.name() == name)
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// Name of the profile that a feed has unless it says otherwise.
pub const DEFAULT_PROFILE: &str = "default";

fn default_profile() -> String {
    DEFAULT_PROFILE.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart_and_show_no_secrets() {
        let source: Source = "http://u:p@h:8000/live.mp3?token=abc".parse().unwrap();
        assert_eq!(source.to_string(), "http://h:8000/live.mp3?…");
        assert_eq!(source.with_secrets(), "http://u:p@h:8000/live.mp3?token=abc");
        let rtp = "rtp://239.1.2.3:5004?encoding=L24&channels=8";
        for text in
            ["mount:/live.mp3", "file:/a b.flac", "stdin:", rtp, "file:/etc/studio.sdp", "alsa:hw:1,0"]
        {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "live.mp3",
            "mount:live",
            "mount:/v1/feeds",
            "mount:/a/../b",
            "ftp://h/",
            "exec:",
            "srt://",
            "rtp://h:5004?encoding=L24",
            "stdin:x",
            "file:",
        ] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_source_shows_no_secrets_either() {
        for text in [
            "http//user:c4nary@h/live",
            "httpusercnry:c4nary@h",
            "https:/user:c4nary@",
            "ftp://user:c4nary@h/?token=c4nary",
            "rtsp://user:c4nary@",
            "exec:radio 'c4nary",
            "live.mp3?token=c4nary",
            "http://user:c4nary@:80/",
            "http://h:99999/?c4nary",
            "user:c4nary@h#c4nary",
        ] {
            let error = text.parse::<Source>().unwrap_err().to_string();
            assert!(!error.contains("c4nary"), "{text}: {error}");
        }
    }

    #[test]
    fn names_are_limited() {
        assert_eq!("wxyz-1.fm".parse::<FeedName>().unwrap().as_str(), "wxyz-1.fm");
        for text in ["", "-a", ".a", "a b", "a/b", "é", &"a".repeat(65)] {
            assert!(text.parse::<FeedName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_feed_is_checked_the_same_way_wherever_it_comes_from() {
        let flaws = |error: Vec<Flaw>| error.iter().map(Flaw::to_string).collect::<Vec<_>>();
        let bad = serde_json::json!({"name": "a", "source": 5, "priority": 12, "paced": 1});
        let expected = [
            "paced: unknown key; did you mean \"pace\"?",
            "source: 5, expected http://…, https://…, rtp://…, exec:command, mount:/path, file:/path or stdin:",
            "priority: 12, expected 0 to 9",
        ];
        assert_eq!(flaws(FeedSpec::from_json(bad).unwrap_err()), expected);

        let good = serde_json::json!({"name": "a", "source": "http://u:p@h/?q", "profile": "deflaut"});
        let mut feed = FeedSpec::from_json(good).unwrap();
        feed.priority = 10;
        feed.budgets_ms = [("keyword".to_owned(), 5)].into();
        let expected = [
            "priority: 10, expected 0 to 9",
            "budgets_ms.keyword: 5, expected 10 to 600000",
            "profile: no profile \"deflaut\", expected one of default; did you mean \"default\"?",
        ];
        assert_eq!(flaws(feed.check(&Config::default())), expected);
    }

    #[test]
    fn budgets_are_the_usual_ones_but_for_those_that_were_set() {
        let feed =
            serde_json::json!({"name": "a", "source": "stdin:", "budgets_ms": {"transcript.final": 4000}});
        let budgets = FeedSpec::from_json(feed).unwrap().budgets();
        let ms = |kind| budgets.of(kind).map(|budget| budget.duration().as_millis());
        assert_eq!(ms(EventKind::TranscriptFinal), Some(4_000));
        assert_eq!(ms(EventKind::AlertDeadAir), Some(250));
        assert_eq!(ms(EventKind::Heartbeat), None);
    }

    #[test]
    fn a_feed_needs_a_name_and_a_source_only() {
        let spec: FeedSpec = serde_json::from_str(r#"{"name":"a","source":"mount:/a"}"#).unwrap();
        assert_eq!((spec.priority, spec.profile.as_str(), spec.paused), (0, "default", false));
        assert!(serde_json::from_str::<FeedSpec>(r#"{"name":"a","source":"mount:/a","x":1}"#).is_err());
    }
}

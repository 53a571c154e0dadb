//! Texts that have to follow a format: what is expected, and whether it is there.

use std::net::SocketAddr;

use engine::event::EventKind;

use super::feed::{FeedName, ParseError, Source};
use crate::ingest::{IngestError, PcmSpec};

/// A format of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    FeedName,
    Source,
    Pcm,
    SocketAddress,
    Sha256,
    Path,
    Language,
}

impl Format {
    /// By the name that `#[schema(format = …)]` gives it.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "feed-name" => Self::FeedName,
            "feed-source" => Self::Source,
            "pcm" => Self::Pcm,
            "socket-address" => Self::SocketAddress,
            "sha256" => Self::Sha256,
            "path" => Self::Path,
            "language" => Self::Language,
            _ => return None,
        })
    }

    /// What has to be there.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::FeedName => "1 to 64 of a-z A-Z 0-9 . _ -, the first a letter or digit",
            Self::Source => "http://…, https://…, rtp://…, exec:command, mount:/path, file:/path or stdin:",
            Self::Pcm => "format:rate:channels such as s16le:48000:2",
            Self::SocketAddress => "an IP address and a port such as 127.0.0.1:8080",
            Self::Sha256 => "64 hexadecimal digits",
            Self::Path => "a path",
            Self::Language => "auto, or a language code such as en, de or es",
        }
    }

    /// Whether `text` follows it; if not, what was found, without secrets.
    pub(super) fn check(self, text: &str) -> Result<(), ParseError> {
        let wrong = |found: String| Err(ParseError { found, expected: self.expected().to_owned() });
        match self {
            Self::FeedName => text.parse::<FeedName>().map(drop),
            Self::Source => text.parse::<Source>().map(drop),
            Self::Pcm => text.parse::<PcmSpec>().map(drop).or_else(|error| match error {
                IngestError::Usage { found, expected, .. } => {
                    Err(ParseError { found: format!("{text:?}: {found}"), expected: expected.to_owned() })
                }
                _ => wrong(format!("{text:?}")),
            }),
            Self::SocketAddress if text.parse::<SocketAddr>().is_err() => wrong(format!("{text:?}")),
            Self::Sha256 if hex_digest(text).is_none() => {
                wrong(format!("{} characters", text.chars().count()))
            }
            Self::Path if text.is_empty() || text.contains('\0') => wrong(format!("{text:?}")),
            Self::Language if text != "auto" && models::whisper::language(text).is_none() => {
                wrong(format!("{text:?}"))
            }
            _ => Ok(()),
        }
    }

    /// What may have been meant by `text`.
    pub(super) fn suggestion(self, text: &str) -> Option<String> {
        match self {
            Self::SocketAddress => {
                let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
                let port = text.strip_prefix(':').map(|port| format!("127.0.0.1:{port}"));
                local.or(port).filter(|address| address.parse::<SocketAddr>().is_ok())
            }
            Self::Source if text.starts_with('/') => Some(format!("file:{text}")),
            Self::Source if text == "-" || text == "stdin" => Some("stdin:".to_owned()),
            Self::FeedName => {
                let name: String = text
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
                    .collect();
                let name = name.trim_matches(['-', '.', '_']);
                name.parse::<FeedName>().ok().map(|name| name.to_string())
            }
            _ => None,
        }
    }
}

/// The bytes of a SHA-256 digest in hexadecimal digits.
pub(super) fn hex_digest(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| Some(c.to_digit(16)? as u8)).collect();
    let bytes: Vec<u8> =
        digits?.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    (text.len() == 64).then_some(bytes)?.try_into().ok()
}

/// The event types that have a budget, which a feed may change.
pub(super) fn budgeted() -> impl Iterator<Item = EventKind> + Clone {
    EventKind::ALL.into_iter().filter(|kind| kind.budget().is_some())
}

//! A guest: a feed that lives as long as the connection that brings its audio.

use std::sync::Arc;
use std::time::Duration;

use engine::time::MediaTime;
use operators::{KeywordError, KeywordRules, UtteranceConfig};
use thiserror::Error;
use tokio::sync::{broadcast, oneshot};

use crate::config::FeedName;
use crate::ingest::{Dock, LiveConfig};
use crate::publish::Published;
use crate::pump::{Rate, Tempo};

/// How fast a guest's audio is taken: whoever sends a recording at once waits in TCP, and does not take what the feeds
/// on air need.
pub const GUEST_TEMPO: Tempo = Tempo::AtMost(Rate { speed: 4, burst: Duration::from_secs(5) });
/// How often a guest is told how far its transcript is settled while nobody speaks.
const SETTLE: MediaTime = MediaTime::from_millis(200);
/// Silence before an endpoint after which its final is decoded in advance, at most: as for other feeds.
const SPECULATE: MediaTime = MediaTime::from_millis(200);
/// Endpoints that a guest may ask for; others are moved here. A shorter one cuts words off (docs/adr/0003).
const ENDPOINTS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

/// How a guest's dock is watched: it ends with its visitor, who may be silent for as long as the connection lasts.
#[must_use]
pub fn guest_live_config() -> LiveConfig {
    const NEVER: Duration = Duration::from_secs(7 * 24 * 3_600);
    LiveConfig { reconnect: false, stalled_after: NEVER, dead_after: 2 * NEVER, ..LiveConfig::default() }
}

/// What a guest asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestSpec {
    /// Name of its feed.
    pub feed: FeedName,
    /// Whether it wants text that may still change.
    pub partials: bool,
    /// Silence that ends an utterance. `None`: as configured.
    pub endpoint: Option<Duration>,
    /// Words and phrases to alert on.
    pub keywords: Vec<String>,
    /// Language code. `None`: as configured.
    pub language: Option<String>,
}

impl GuestSpec {
    /// How its speech is cut, where other feeds have `usual`.
    #[must_use]
    pub fn utterances(&self, usual: &UtteranceConfig) -> UtteranceConfig {
        let [least, most] = ENDPOINTS;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let asked = self.endpoint.map(|time| MediaTime::from_millis(millis(time.clamp(least, most))));
        let endpoint = asked.unwrap_or(usual.endpoint);
        // It must come before the endpoint, and the silence that is kept before both.
        let speculate = (endpoint > SPECULATE).then_some(SPECULATE);
        UtteranceConfig {
            endpoint,
            speculate,
            tail: usual.tail.min(speculate.unwrap_or(endpoint)),
            partial: usual.partial.filter(|_| self.partials),
            settle: Some(SETTLE),
            ..usual.clone()
        }
    }

    /// What is looked for in what it says. `None`: nothing.
    pub fn keyword_rules(&self) -> Result<Option<KeywordRules>, KeywordError> {
        if self.keywords.is_empty() {
            return Ok(None);
        }
        KeywordRules::parse(&self.keywords.join("\n")).map(Some)
    }
}

/// A guest that was let in.
#[derive(Debug)]
pub struct Guest {
    /// Where its audio is brought, by one visitor. When that is dropped the feed ends.
    pub dock: Dock,
    /// Everything published from before its first event on, of all feeds.
    pub events: broadcast::Receiver<Arc<Published>>,
    /// Answers when the last event of the feed is visible.
    pub done: oneshot::Receiver<()>,
    /// How long its utterances are at least where they are cut.
    pub whole: MediaTime,
}

/// Why a guest is not let in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is no room now.
    #[error("no room: {0}")]
    Full(String),
    /// What it asks for makes no sense.
    #[error("{0}")]
    Wrong(String),
    /// It cannot be served.
    #[error("{0}")]
    Failed(String),
}

/// Who lets guests in.
pub trait Reception: Send + Sync {
    /// Starts a feed for a guest. May take a moment: not for a thread of the runtime.
    fn admit(&self, spec: GuestSpec) -> Result<Guest, Refusal>;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use operators::Utterances;

    use super::*;

    #[test]
    fn every_endpoint_that_is_asked_for_can_be_built() {
        let feed: FeedName = "a".parse().unwrap();
        for (asked, expected) in
            [(None, 300), (Some(0), 200), (Some(10), 200), (Some(210), 210), (Some(9_000), 5_000)]
        {
            let endpoint = asked.map(Duration::from_millis);
            let spec =
                GuestSpec { feed: feed.clone(), partials: false, endpoint, keywords: vec![], language: None };
            let config = spec.utterances(&UtteranceConfig::live());
            assert_eq!((config.endpoint.as_millis(), config.partial), (expected, None));
            assert!(Utterances::new(&config).is_ok(), "{asked:?}");
        }
    }
}

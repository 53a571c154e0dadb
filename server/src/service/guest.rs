//! A guest: a feed that lives as long as the connection that brings its audio.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{broadcast, oneshot};

use crate::config::FeedName;
use crate::ingest::Dock;
use crate::publish::Published;

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

/// A guest that was let in.
#[derive(Debug)]
pub struct Guest {
    /// Where its audio is brought, by one visitor. When that is dropped the feed ends.
    pub dock: Dock,
    /// Everything published from before its first event on, of all feeds.
    pub events: broadcast::Receiver<Arc<Published>>,
    /// Answers when the last event of the feed is visible.
    pub done: oneshot::Receiver<()>,
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

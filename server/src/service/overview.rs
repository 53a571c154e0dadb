//! What is known of each feed now, and its metrics: made from what became visible. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use engine::continuity::Conservation;
use engine::event::{AlertKind, Body, FeedState, Phase};
use engine::time::MediaTime;
use serde::Serialize;
use utoipa::ToSchema;

use crate::publish::{Published, Record, Sink, Witness};
use crate::telemetry::Telemetry;

/// State of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A connection is being made, or there is no audio from it yet.
    Connecting,
    /// Audio arrives.
    Live,
    /// No bytes for 2 s.
    Stalled,
    /// Bytes for 5 s, but no audio in them.
    Undecodable,
    /// Audio arrives, and there is nothing to be heard in it.
    Silent,
    /// Not running: over, paused, or refused.
    #[default]
    Down,
}

/// What is known of a feed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct FeedStatus {
    /// State.
    pub state: State,
    /// Since when, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Why, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Rises with each start; 0 before the first.
    pub epoch: u64,
    /// Codec, such as `mp3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Sample rate, Hz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_hz: Option<u32>,
    /// Channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// What is to be known about the quality of its audio: of HE-AAC only the lower half is heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the source says is playing. Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Audio that arrived in this epoch, s.
    pub received_secs: f64,
    /// Of it, in gaps, s.
    pub in_gaps_secs: f64,
    /// Analysed / received, 0..=1.
    pub coverage: f64,
    /// Media time up to which everything is known, ms.
    pub watermark_ms: u64,
    /// Age of the newest audio at the last heartbeat, ms.
    pub lag_ms: u64,
    /// Step of the degradation ladder, 0 = all is done.
    pub degraded: u8,
    /// Alerts that are open.
    pub alerts: Vec<&'static str>,
}

/// A feed's status, and what it is made from.
struct View {
    status: FeedStatus,
    telemetry: Telemetry,
    connection: State,
    open: BTreeSet<&'static str>,
}

/// See the module.
#[derive(Default)]
pub struct Overview(RwLock<BTreeMap<String, Arc<Mutex<View>>>>);

impl Overview {
    /// What is known of `feed`. `None`: it never ran.
    #[must_use]
    pub fn status(&self, feed: &str) -> Option<FeedStatus> {
        self.view(feed).map(|view| lock(&view).status.clone())
    }

    /// A feed begins; what was known of it is over.
    pub fn begin(&self, feed: &str, epoch: u64) {
        self.insert(feed, epoch, Telemetry::new(feed.to_owned()));
    }

    /// A guest's feed begins.
    pub fn begin_guest(&self, feed: &str, epoch: u64) {
        self.insert(feed, epoch, Telemetry::of_guest());
    }

    fn insert(&self, feed: &str, epoch: u64, telemetry: Telemetry) {
        let status = FeedStatus { state: State::Connecting, epoch, coverage: 1.0, ..FeedStatus::default() };
        let view = View { status, telemetry, connection: State::Connecting, open: BTreeSet::new() };
        let mut feeds = self.0.write().unwrap_or_else(PoisonError::into_inner);
        feeds.insert(feed.to_owned(), Arc::new(Mutex::new(view)));
    }

    /// A feed is not running any more, or cannot, and no event of its own says so.
    pub fn down(&self, feed: &str, reason: &str) {
        if let Some(view) = self.view(feed) {
            let view = &mut *lock(&view);
            view.telemetry.over();
            let status = &mut view.status;
            status.state = State::Down;
            status.reason = Some(reason.to_owned());
        }
    }

    /// A feed is forgotten.
    pub fn forget(&self, feed: &str) {
        let forgotten = self.0.write().unwrap_or_else(PoisonError::into_inner).remove(feed);
        if let Some(view) = forgotten {
            lock(&view).telemetry.over();
        }
    }

    /// Where a feed's counts go.
    #[must_use]
    pub fn sink(self: &Arc<Self>, feed: &str) -> Box<dyn Sink> {
        Box::new(Counts { overview: Arc::clone(self), feed: feed.to_owned() })
    }

    fn view(&self, feed: &str) -> Option<Arc<Mutex<View>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(feed).cloned()
    }
}

fn lock(view: &Mutex<View>) -> MutexGuard<'_, View> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Witness for Overview {
    fn saw(&self, published: &Published) {
        let record = &published.record;
        if let Some(view) = self.view(&record.envelope.data.feed) {
            lock(&view).saw(record);
        }
    }

    fn probe(&self) {
        let views: Vec<_> = self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        views.iter().for_each(|view| drop(lock(view)));
    }
}

/// Counts that become known without an event.
struct Counts {
    overview: Arc<Overview>,
    feed: String,
}

impl Sink for Counts {
    fn take(&mut self, _record: &Record) -> io::Result<()> {
        Ok(())
    }

    fn counted(&mut self, total: Conservation, end: MediaTime) {
        if let Some(view) = self.overview.view(&self.feed) {
            lock(&view).counted(total, end);
        }
    }
}

impl View {
    fn saw(&mut self, record: &Record) {
        self.telemetry.saw(record);
        match &record.envelope.data.body {
            Body::Feed(feed) if feed.state == FeedState::Format => {
                self.status.codec.clone_from(&feed.codec);
                self.status.note.clone_from(&feed.reason);
                (self.status.rate_hz, self.status.channels) = (feed.rate_hz, feed.channels);
            }
            Body::Feed(feed) => {
                self.connection = match feed.state {
                    FeedState::Connected | FeedState::Reconnecting | FeedState::Format => State::Connecting,
                    FeedState::Live => State::Live,
                    FeedState::Stalled => State::Stalled,
                    FeedState::Undecodable => State::Undecodable,
                    FeedState::Ended => State::Down,
                };
                self.turn(feed.reason.clone(), record);
            }
            Body::Metadata(metadata) => self.status.title = Some(metadata.title.clone()),
            Body::Alert(alert) => {
                let name = record.envelope.data.body.kind().name();
                match alert.phase {
                    Phase::Open => self.open.insert(name),
                    Phase::Close => self.open.remove(name),
                };
                self.status.alerts = self.open.iter().copied().collect();
                if alert.alert == AlertKind::DeadAir {
                    let Phase::Open = alert.phase else { return self.turn(None, record) };
                    self.turn(Some(format!("below {} dBFS", alert.observation.threshold)), record);
                }
            }
            Body::Degraded(engine) | Body::Recovered(engine) => self.status.degraded = engine.step,
            Body::Heartbeat(beat) => self.status.lag_ms = beat.lag_ms,
            _ => {}
        }
    }

    fn turn(&mut self, reason: Option<String>, record: &Record) {
        let is_silent = self.connection == State::Live && self.open.contains("alert.dead_air");
        let state = if is_silent { State::Silent } else { self.connection };
        if state != self.status.state || self.status.since.is_none() {
            self.status.since = Some(record.envelope.time.clone());
        }
        (self.status.state, self.status.reason) = (state, reason);
    }

    fn counted(&mut self, total: Conservation, end: MediaTime) {
        self.telemetry.count(total, end);
        let rate_hz = f64::from(self.status.rate_hz.unwrap_or(0).max(1));
        self.status.received_secs = total.received as f64 / rate_hz;
        self.status.in_gaps_secs = total.in_gaps as f64 / rate_hz;
        self.status.coverage = total.coverage();
        self.status.watermark_ms = end.as_millis();
    }
}

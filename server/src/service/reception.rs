//! Guests: feeds of connections that bring their audio, started and ended with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use operators::{KeywordRules, Keywords};
use tokio::sync::oneshot;

use super::ground::Ground;
use super::player::now_secs;
use super::{Feeds, Guest, GuestSpec, Reception, Refusal};
use crate::config::{Config, DEFAULT_PROFILE, Profile};
use crate::ingest::{Audio, LiveConfig};
use crate::publish::{FeedIdentity, WallClock};
use crate::pump::{Tempo, pump};
use crate::recognise::{Admission, Entry, Listener};
use crate::run::{FeedRun, RunError, Setup, Travel};

/// Longest wait for the last events of a guest to be committed.
const COMMIT: Duration = Duration::from_secs(5);
/// A guest that is connected but sends nothing is ended by whoever speaks with it, not by its feed.
const PATIENCE: Duration = Duration::from_secs(24 * 3_600);

/// The reception of the service.
pub struct Lobby {
    ground: Arc<Ground>,
    feeds: Arc<Feeds>,
    n_guests: Arc<AtomicUsize>,
}

/// A guest's place, given back when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Lobby {
    /// Guests stand on the same ground as `feeds`, and are limited by their configuration.
    #[must_use]
    pub fn new(ground: Arc<Ground>, feeds: Arc<Feeds>) -> Self {
        Self { ground, feeds, n_guests: Arc::default() }
    }

    fn place(&self, n_max: usize) -> Result<Place, Refusal> {
        let place = Place(Arc::clone(&self.n_guests));
        let n = self.n_guests.fetch_add(1, Ordering::AcqRel);
        if n >= n_max {
            return Err(Refusal::Full(format!("{n} guests are here, which is the limit (limits.guests)")));
        }
        Ok(place)
    }

    fn setup(&self, spec: &GuestSpec, config: &Config, epoch: u64) -> Result<Setup, Refusal> {
        let usual = config.profiles.get(DEFAULT_PROFILE).unwrap_or(&Profile::DEFAULT);
        let endpoint = spec.endpoint.map(|endpoint| u64::try_from(endpoint.as_millis()).unwrap_or(u64::MAX));
        let profile = Profile {
            partials: spec.partials,
            endpoint_ms: endpoint.unwrap_or(usual.endpoint_ms),
            ..usual.clone()
        };
        let rules = (!spec.keywords.is_empty()).then(|| KeywordRules::parse(&spec.keywords.join("\n")));
        let rules = rules.transpose().map_err(|error| Refusal::Wrong(format!("keywords: {error}")))?;
        let name = spec.feed.as_str();
        Ok(Setup {
            identity: FeedIdentity { name: name.to_owned(), epoch },
            clock: WallClock::live(),
            travel: Travel::LIVE,
            analysis: profile.analysis(),
            listener: Listener::new(rules.map(Keywords::new)),
            entry: Entry { priority: 0, admission: Admission::IfItFits },
            sinks: vec![Box::new(self.ground.journal.sink(name, epoch)), self.ground.overview.sink(name)],
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Reception for Lobby {
    fn admit(&self, spec: GuestSpec) -> Result<Guest, Refusal> {
        let config = self.feeds.config();
        let place = self.place(config.limits.guests)?;
        let name = spec.feed.as_str().to_owned();
        let live = LiveConfig { reconnect: false, dead_after: PATIENCE, ..LiveConfig::default() };
        let failed = |error: &dyn std::fmt::Display| Refusal::Failed(error.to_string());
        let (mut audio, dock) =
            Audio::from_dock(&name, live, &self.ground.runtime).map_err(|error| failed(&error))?;
        let events = self.ground.hub.subscribe();
        let epoch = now_secs();
        self.ground.overview.begin(&name, epoch);
        let setup = self.setup(&spec, &config, epoch)?;
        let mut run = FeedRun::start(setup, Arc::clone(&self.ground.host)).map_err(|error| match error {
            RunError::Refused(refused) => Refusal::Full(refused.to_string()),
            error => failed(&error),
        })?;
        self.ground.beats.join(&name, run.post());
        let (last, done) = oneshot::channel();
        let ground = Arc::clone(&self.ground);
        let thread = std::thread::Builder::new().name(format!("guest-{name}"));
        let guest = move || {
            let pumped = pump(&mut audio, &mut run, Tempo::Free, &mut |_| {});
            ground.beats.leave(&name);
            let finished = run.finish();
            if let Some(error) = pumped.err().map(|e| e.to_string()).or(finished.err().map(|e| e.to_string()))
            {
                tracing::info!("guest {name}: {error}");
            }
            ground.journal.barrier(COMMIT);
            ground.overview.forget(&name);
            drop(place);
            // The connection may be gone.
            let _ = last.send(());
        };
        thread.spawn(guest).map_err(|error| failed(&error))?;
        Ok(Guest { dock, events, done })
    }
}

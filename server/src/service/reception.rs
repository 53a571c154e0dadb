//! Guests: feeds of connections that bring their audio, started and ended with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine::budget::Budgets;
use engine::time::MediaTime;
use operators::{Keywords, UtteranceConfig};
use tokio::sync::oneshot;

use super::ground::Ground;
use super::player::now_secs;
use super::{Feeds, GUEST_TEMPO, Guest, GuestSpec, Reception, Refusal, guest_live_config};
use crate::config::{Config, DEFAULT_PROFILE, Profile};
use crate::ingest::Audio;
use crate::publish::{FeedIdentity, WallClock};
use crate::pump::pump;
use crate::recognise::{Admission, Entry, Listener};
use crate::run::{FeedRun, RunError, Setup, Travel};

/// Longest wait for the last events of a guest to be committed.
const COMMIT: Duration = Duration::from_secs(5);
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
        let mut analysis = usual.analysis();
        let utterances = analysis.utterances.as_ref().map(|utterances| spec.utterances(utterances));
        let off = || Refusal::Failed(format!("profile {DEFAULT_PROFILE} recognises no speech"));
        analysis.utterances = Some(utterances.ok_or_else(off)?);
        if let (Some(asked), Some(heard)) = (&spec.language, self.ground.language)
            && !asked.eq_ignore_ascii_case(heard)
            && !asked.to_ascii_lowercase().starts_with(&format!("{heard}-"))
        {
            let model = &config.recognition.model;
            return Err(Refusal::Wrong(format!(
                "language {asked}: the model {model} is run for {heard} only"
            )));
        }
        let rules = spec.keyword_rules().map_err(|error| Refusal::Wrong(format!("keywords: {error}")))?;
        let name = spec.feed.as_str();
        Ok(Setup {
            identity: FeedIdentity { name: name.to_owned(), epoch },
            clock: WallClock::live(),
            budgets: Budgets::default(),
            travel: Travel::LIVE,
            analysis,
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
        let failed = |error: &dyn std::fmt::Display| Refusal::Failed(error.to_string());
        let (mut audio, dock) = Audio::from_dock(&name, guest_live_config(), &self.ground.runtime)
            .map_err(|error| failed(&error))?;
        let events = self.ground.hub.subscribe();
        let epoch = now_secs();
        let setup = self.setup(&spec, &config, epoch)?;
        let whole = setup.analysis.utterances.as_ref().map_or(MediaTime::ZERO, UtteranceConfig::whole);
        let mut run = FeedRun::start(setup, Arc::clone(&self.ground.host)).map_err(|error| match error {
            RunError::Refused(refused) => Refusal::Full(refused.to_string()),
            error => failed(&error),
        })?;
        // Nothing was said yet; and whoever is refused is not remembered.
        self.ground.overview.begin_guest(&name, epoch);
        self.ground.beats.join(&name, run.post());
        let (last, done) = oneshot::channel();
        let ground = Arc::clone(&self.ground);
        let thread = std::thread::Builder::new().name(format!("guest-{name}"));
        let guest = move || {
            let pumped = pump(&mut audio, &mut run, GUEST_TEMPO, &mut |_| {});
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
        Ok(Guest { dock, events, done, whole })
    }
}

//! Which feeds there are and which of them run: added, changed, paused and removed while the service goes on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

use super::ground::Ground;
use super::plan::plan;
use super::player::{Control, Plan, play};
use super::store::{Kept, Store};
use super::{FeedStatus, StoreError};
use crate::config::{Config, FeedName, FeedSpec, Profile, RecognitionConfig, Source};

/// Time that a feed which is paused, removed or changed has for what arrived before the rest is cut off.
const SETTLE: Duration = Duration::from_secs(4);

/// Where a feed was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Declared {
    /// In the configuration file, where it is changed and removed.
    File,
    /// Over the API.
    Api,
}

/// A feed: as it was asked for, and as it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FeedView {
    /// As it was asked for.
    #[serde(flatten)]
    pub spec: FeedSpec,
    /// Where.
    pub declared: Declared,
    /// As it is.
    pub status: FeedStatus,
}

/// Why a change was not made.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// There is no such feed.
    #[error("there is no feed {0}")]
    Unknown(FeedName),
    /// There is one already.
    #[error("there is a feed {0} already")]
    Exists(FeedName),
    /// It is changed elsewhere.
    #[error("feed {0} is in the configuration file: change it there")]
    InFile(FeedName),
    /// What was asked for makes no sense.
    #[error("{}", .0.join("; "))]
    Wrong(Vec<String>),
    /// There is no room for more.
    #[error("{0} feeds are configured, which is the limit (limits.feeds)")]
    Full(usize),
    /// It could not be written down, and is not done.
    #[error("cannot keep it: {0}")]
    Store(#[from] StoreError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// No feed is started any more.
    #[error("the service is ending")]
    Ending,
}

struct Slot {
    spec: FeedSpec,
    declared: Declared,
    running: Option<Running>,
}

struct Running {
    /// What its plan was made from.
    cause: Cause,
    control: Arc<Control>,
    thread: JoinHandle<()>,
}

/// What a plan is made from: the same cause, the same plan.
#[derive(Clone, Debug, PartialEq)]
struct Cause(FeedSpec, Profile, RecognitionConfig);

impl Cause {
    fn of(spec: &FeedSpec, config: &Config) -> Self {
        Self(spec.clone(), config.profile(spec).clone(), config.recognition.clone())
    }
}

struct State {
    config: Arc<Config>,
    kept: Kept,
    slots: BTreeMap<FeedName, Slot>,
    is_ending: bool,
}

/// See the module.
pub struct Feeds {
    ground: Arc<Ground>,
    store: Store,
    /// Held for as long as a change takes, so that they come one after the other.
    changing: Mutex<()>,
    /// Held for moments.
    state: Mutex<State>,
}

impl Feeds {
    /// Starts what `config` and the store name.
    pub fn start(config: Arc<Config>, state_dir: &Path, ground: Arc<Ground>) -> Result<Self, ChangeError> {
        let (store, kept) = Store::open(state_dir)?;
        let state = State { config, kept, slots: BTreeMap::new(), is_ending: false };
        let feeds = Self { ground, store, changing: Mutex::default(), state: Mutex::new(state) };
        feeds.arrange(feeds.ground.journal_note.as_deref())?;
        Ok(feeds)
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.state().config)
    }

    /// Whether feeds are being ended, and none is started any more.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.state().is_ending
    }

    /// All feeds, by name.
    #[must_use]
    pub fn list(&self) -> Vec<FeedView> {
        self.state().slots.values().map(|slot| self.view(slot)).collect()
    }

    /// One feed.
    #[must_use]
    pub fn get(&self, name: &FeedName) -> Option<FeedView> {
        self.state().slots.get(name).map(|slot| self.view(slot))
    }

    fn view(&self, slot: &Slot) -> FeedView {
        let status = self.ground.overview.status(slot.spec.name.as_str()).unwrap_or_default();
        FeedView { spec: slot.spec.clone(), declared: slot.declared, status }
    }

    /// Adds a feed, for good.
    pub fn add(&self, spec: FeedSpec) -> Result<FeedView, ChangeError> {
        let _changing = self.changing();
        let name = spec.name.clone();
        if self.state().slots.contains_key(&name) {
            return Err(ChangeError::Exists(name));
        }
        self.keep(spec)
    }

    /// Changes a feed of the API: it starts anew, in a new epoch. Blocks until it has ended.
    pub fn change(&self, spec: FeedSpec) -> Result<FeedView, ChangeError> {
        let _changing = self.changing();
        self.of_api(&spec.name)?;
        self.keep(spec)
    }

    /// Pauses a feed, or lets it go on, for good. Blocks until it has ended.
    pub fn pause(&self, name: &FeedName, paused: bool) -> Result<FeedView, ChangeError> {
        let _changing = self.changing();
        let mut kept = self.state().kept.clone();
        let declared = self.declared(name)?;
        match (declared, kept.feeds.get_mut(name)) {
            (Declared::Api, Some(spec)) => spec.paused = paused,
            (Declared::File, _) if paused => drop(kept.paused.insert(name.clone())),
            _ => drop(kept.paused.remove(name)),
        }
        self.write_down(kept)?;
        self.get(name).ok_or_else(|| ChangeError::Unknown(name.clone()))
    }

    /// Removes a feed of the API. Blocks until it has ended. Its events stay.
    pub fn remove(&self, name: &FeedName) -> Result<(), ChangeError> {
        let _changing = self.changing();
        self.of_api(name)?;
        let mut kept = self.state().kept.clone();
        kept.feeds.remove(name);
        self.write_down(kept)
    }

    /// Takes a new configuration: feeds that are the same go on undisturbed.
    pub fn reload(&self, config: Arc<Config>) -> Result<(), ChangeError> {
        let _changing = self.changing();
        self.state().config = config;
        self.arrange(None)
    }

    /// Ends all feeds. What arrived is still analysed, for half of `patience`; what is left then is a gap, or it would take
    /// as long as it lasts where feeds are far behind. Answers how many were not done after `patience`.
    pub fn drain(&self, patience: Duration) -> usize {
        self.state().is_ending = true;
        let _changing = self.changing();
        let running: Vec<Running> =
            self.state().slots.values_mut().filter_map(|slot| slot.running.take()).collect();
        running.iter().for_each(|feed| feed.control.stop());
        let left = unfinished(&running, patience / 2);
        if left > 0 {
            tracing::warn!("{left} feeds are behind: what they have not analysed is a gap");
        }
        running.iter().for_each(|feed| feed.control.cut());
        unfinished(&running, patience / 2)
    }

    fn keep(&self, spec: FeedSpec) -> Result<FeedView, ChangeError> {
        let name = spec.name.clone();
        let mut kept = self.state().kept.clone();
        self.check(&spec)?;
        kept.feeds.insert(name.clone(), spec);
        self.write_down(kept)?;
        self.get(&name).ok_or(ChangeError::Unknown(name))
    }

    fn check(&self, spec: &FeedSpec) -> Result<(), ChangeError> {
        let state = self.state();
        let mut wrong: Vec<String> = spec.check(&state.config).iter().map(ToString::to_string).collect();
        let others = state.slots.values().filter(|slot| slot.spec.name != spec.name);
        if let Some(other) = others.map(|slot| &slot.spec).find(|other| is_taken_by(spec, other)) {
            wrong.push(format!("source: feed {} has {} already", other.name, spec.source));
        }
        if spec.source.runs_a_command() && !state.config.server.exec_over_api {
            let why =
                "commands are for feeds of the configuration file (server.exec_over_api allows them here)";
            wrong.push(format!("source: {why}"));
        }
        let (n_feeds, n_max) = (state.slots.len(), state.config.limits.feeds);
        if n_feeds >= n_max && !state.slots.contains_key(&spec.name) {
            return Err(ChangeError::Full(n_feeds));
        }
        if wrong.is_empty() { Ok(()) } else { Err(ChangeError::Wrong(wrong)) }
    }

    fn declared(&self, name: &FeedName) -> Result<Declared, ChangeError> {
        let declared = self.state().slots.get(name).map(|slot| slot.declared);
        declared.ok_or_else(|| ChangeError::Unknown(name.clone()))
    }

    fn of_api(&self, name: &FeedName) -> Result<(), ChangeError> {
        match self.declared(name)? {
            Declared::Api => Ok(()),
            Declared::File => Err(ChangeError::InFile(name.clone())),
        }
    }

    fn write_down(&self, kept: Kept) -> Result<(), ChangeError> {
        self.store.save(&kept)?;
        self.state().kept = kept;
        self.arrange(None)
    }

    /// Makes what runs what was asked for. Feeds that start tell `note` first.
    fn arrange(&self, note: Option<&str>) -> Result<(), ChangeError> {
        let (config, wanted) = {
            let state = self.state();
            if state.is_ending {
                return Err(ChangeError::Ending);
            }
            (Arc::clone(&state.config), wanted(&state.config, &state.kept))
        };
        let gone: Vec<FeedName> = {
            let state = self.state();
            state.slots.keys().filter(|name| !wanted.contains_key(name)).cloned().collect()
        };
        for name in gone {
            self.end(&name, "removed");
            self.state().slots.remove(&name);
            self.ground.overview.forget(name.as_str());
            self.ground.captions.forget(name.as_str());
        }
        for (name, (spec, declared)) in wanted {
            let cause = (!spec.paused).then(|| Cause::of(&spec, &config));
            let is_same = self.state().slots.get(&name).is_some_and(|slot| slot.cause() == cause.as_ref());
            if !is_same {
                self.end(&name, "paused");
            }
            let running = match cause {
                Some(cause) if !is_same => {
                    let plan = Plan { note: note.map(str::to_owned), ..plan(&spec, &config) };
                    Some(self.run(plan, cause)?)
                }
                _ => self.state().slots.get_mut(&name).and_then(|slot| slot.running.take()),
            };
            self.state().slots.insert(name, Slot { spec, declared, running });
        }
        Ok(())
    }

    /// Ends a feed and waits for it.
    fn end(&self, name: &FeedName, why: &str) {
        let running = self.state().slots.get_mut(name).and_then(|slot| slot.running.take());
        if let Some(running) = running {
            running.control.stop();
            unfinished(std::slice::from_ref(&running), SETTLE);
            running.control.cut();
            if running.thread.join().is_err() {
                tracing::error!(feed = name.as_str(), "its thread panicked");
            }
            self.ground.overview.down(name.as_str(), why);
        }
    }

    fn run(&self, plan: Plan, cause: Cause) -> Result<Running, ChangeError> {
        if let Source::Mount(path) = &plan.source {
            self.ground.docks.announce(path, plan.name.clone());
        }
        let (control, parker) = Control::new();
        let (ground, controlled) = (Arc::clone(&self.ground), Arc::clone(&control));
        let thread = std::thread::Builder::new()
            .name(format!("feed-{}", plan.name))
            .spawn(move || play(&plan, &ground, &controlled, &parker))
            .map_err(ChangeError::Thread)?;
        Ok(Running { cause, control, thread })
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// What it runs for. A feed that ended by itself (a file) is not started again by a change elsewhere.
    fn cause(&self) -> Option<&Cause> {
        self.running.as_ref().map(|running| &running.cause)
    }
}

/// Waits until all of `running` have ended, for as long as `patience`. Answers how many have not.
fn unfinished(running: &[Running], patience: Duration) -> usize {
    let due = Instant::now() + patience;
    let is_left = |feed: &&Running| !feed.thread.is_finished();
    while Instant::now() < due && running.iter().any(|feed| is_left(&feed)) {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    running.iter().filter(is_left).count()
}

/// Whether `other` has what `spec` asks for, and only one can have.
fn is_taken_by(spec: &FeedSpec, other: &FeedSpec) -> bool {
    spec.source.is_exclusive() && spec.source == other.source
}

/// What has to run: the feeds of the file, then those of the API. A feed of both is the file's.
fn wanted(config: &Config, kept: &Kept) -> BTreeMap<FeedName, (FeedSpec, Declared)> {
    // Where commands were allowed when it was added, they may not be any more.
    let is_allowed = |spec: &&FeedSpec| config.server.exec_over_api || !spec.source.runs_a_command();
    let of_api = kept.feeds.values().filter(is_allowed).map(|spec| (spec.clone(), Declared::Api));
    let of_file = config.feeds.iter().map(|spec| {
        let paused = spec.paused || kept.paused.contains(&spec.name);
        (FeedSpec { paused, ..spec.clone() }, Declared::File)
    });
    of_api.chain(of_file).map(|(spec, declared)| (spec.name.clone(), (spec, declared))).collect()
}

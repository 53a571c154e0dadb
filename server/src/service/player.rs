//! The thread of a feed: starts it, again and again where that makes sense, until it is told to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam::sync::{Parker, Unparker};
use engine::budget::Budgets;
use engine::event::{Event, Feed, FeedState, GapReport};
use engine::time::{MediaTime, Span};
use jiff::SignedDuration;
use operators::{AnalysisConfig, KeywordRules, Keywords};

use super::ground::Ground;
use crate::captions;
use crate::config::{FeedName, Pace, Source};
use crate::ingest::{Audio, IngestError, LiveConfig, PcmSpec, Stopper};
use crate::publish::{FeedIdentity, Sink, WallClock};
use crate::pump::{PumpError, Tempo, pump};
use crate::recognise::{Entry, Listener};
use crate::run::{FeedRun, Setup, Travel};

/// Waits before a feed that could not go on is started again: the first, and the longest.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A run of this length was a good one: the waits begin anew.
const GOOD_RUN: Duration = Duration::from_secs(60);

/// What a feed is run with.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) name: FeedName,
    pub(super) source: Source,
    pub(super) pace: Pace,
    /// What the samples of a file, a pipe or a command are.
    pub(super) pcm: Option<PcmSpec>,
    pub(super) entry: Entry,
    pub(super) budgets: Budgets,
    pub(super) analysis: AnalysisConfig,
    pub(super) keywords: Option<KeywordRules>,
    pub(super) live: LiveConfig,
    /// What was wrong with the journal, for the first epoch to tell.
    pub(super) note: Option<String>,
}

/// How a feed is told to stop.
#[derive(Debug)]
pub(super) struct Control {
    is_over: AtomicBool,
    is_cut: AtomicBool,
    stopper: Mutex<Option<Stopper>>,
    unparker: Unparker,
}

impl Control {
    /// A control, and what its player sleeps on.
    pub(super) fn new() -> (Arc<Self>, Parker) {
        let parker = Parker::new();
        let unparker = parker.unparker().clone();
        let (is_over, is_cut) = (AtomicBool::new(false), AtomicBool::new(false));
        (Arc::new(Self { is_over, is_cut, stopper: Mutex::default(), unparker }), parker)
    }

    /// Ends the input; what arrived is still analysed.
    pub(super) fn stop(&self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(stopper) = &*self.stopper() {
            stopper.stop();
        }
        self.unparker.unpark();
    }

    /// Ends the input at once: what arrived and is not analysed yet is a gap.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        if let Some(stopper) = &*self.stopper() {
            stopper.cut();
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    fn stopper(&self) -> MutexGuard<'_, Option<Stopper>> {
        self.stopper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `stopper` is what stops the input; at once if it was told so before.
    fn hold(&self, stopper: Stopper) {
        *self.stopper() = Some(stopper.clone());
        if self.is_over() {
            stopper.stop();
        }
        if self.is_cut.load(Ordering::Acquire) {
            stopper.cut();
        }
    }
}

/// Why a run is over.
enum Over {
    /// For good.
    Done,
    /// It is tried again.
    Failed(String),
}

/// Plays the feed until it is over.
pub(super) fn play(plan: &Plan, ground: &Ground, control: &Control, parker: &Parker) {
    let mut wait = AGAIN.0;
    let mut note = plan.note.as_deref();
    while !control.is_over() {
        let began = Instant::now();
        let why = match once(plan, ground, control, note.take()) {
            Over::Done => break,
            Over::Failed(why) => why,
        };
        if began.elapsed() >= GOOD_RUN {
            wait = AGAIN.0;
        }
        tracing::warn!(feed = plan.name.as_str(), "{why}; again in {wait:?}");
        ground.overview.down(plan.name.as_str(), &why);
        let due = Instant::now() + wait;
        while !control.is_over() && Instant::now() < due {
            parker.park_deadline(due);
        }
        wait = (wait * 2).min(AGAIN.1);
    }
    if let Source::Mount(path) = &plan.source {
        ground.docks.remove(path, &plan.name);
    }
}

/// One epoch.
fn once(plan: &Plan, ground: &Ground, control: &Control, note: Option<&str>) -> Over {
    let name = plan.name.as_str();
    let last = match ground.journal.last_run(name) {
        Ok(last) => last,
        Err(error) => return Over::Failed(format!("the journal cannot be read: {error}")),
    };
    let epoch = last.as_ref().map_or(0, |last| last.epoch + 1).max(now_secs());
    ground.overview.begin(name, epoch);
    let mut run = match FeedRun::start(setup(plan, ground, epoch), Arc::clone(&ground.host)) {
        Ok(run) => run,
        Err(error) => return Over::Failed(error.to_string()),
    };
    let last = last.filter(|last| !last.has_ended);
    let away = last.map(|last| ground.opened_at.duration_since(last.time));
    if away.is_some() || note.is_some() {
        run.state(crash(away, note));
    }
    ground.beats.join(name, run.post());
    let played = listen(plan, ground, control, &mut run);
    ground.beats.leave(name);
    let finished = run.finish();
    match (played, finished) {
        (_, Err(error)) => Over::Failed(error.to_string()),
        (Ok(()), Ok(_)) => Over::Done,
        (Err(error), Ok(_)) => Over::Failed(error),
    }
}

fn setup(plan: &Plan, ground: &Ground, epoch: u64) -> Setup {
    let name = plan.name.as_str();
    let mut analysis = plan.analysis.clone();
    let mut journal: Box<dyn Sink> = Box::new(ground.journal.sink(name, epoch));
    if let Some(utterances) = &mut analysis.utterances {
        utterances.settle = Some(captions::SETTLE);
        journal = ground.captions.sink(name, epoch, journal);
    }
    Setup {
        identity: FeedIdentity { name: name.to_owned(), epoch },
        clock: WallClock::live(),
        budgets: plan.budgets.clone(),
        travel: Travel::LIVE,
        analysis,
        listener: Listener::new(plan.keywords.clone().map(Keywords::new)),
        entry: plan.entry,
        sinks: vec![journal, ground.overview.sink(name)],
    }
}

/// Aircheck was away: nobody knows how much of the feed it missed, but since when.
fn crash(away: Option<SignedDuration>, note: Option<&str>) -> Event {
    let start = Span::new(MediaTime::ZERO, MediaTime::ZERO);
    let away = away.map(|away| {
        let secs = away.as_secs_f64();
        format!("Aircheck was away without having stopped; its last event was {secs:.1} s ago")
    });
    let causes = [away.as_deref(), note];
    let cause = causes.into_iter().flatten().collect::<Vec<_>>().join("; ");
    Event::new(start, MediaTime::ZERO, GapReport::crashed(&cause))
}

/// Moves the input into the run.
fn listen(plan: &Plan, ground: &Ground, control: &Control, run: &mut FeedRun) -> Result<(), String> {
    let mut audio = open(plan, ground).map_err(|error| error.to_string())?;
    control.hold(audio.stopper());
    let is_local = !audio.is_live();
    if is_local {
        run.state(state(FeedState::Live, format!("reading {}", plan.source), MediaTime::ZERO));
    }
    let tempo = match plan.source {
        Source::File(_) if plan.pace == Pace::RealTime => Tempo::RealTime,
        _ => Tempo::Free,
    };
    let pumped = pump(&mut audio, run, tempo, &mut |_| {});
    *control.stopper() = None;
    if let Source::Mount(path) = &plan.source {
        ground.docks.close(path, &plan.name);
    }
    if is_local {
        let reason = match &pumped {
            Ok(()) if control.is_over() => "told to end".to_owned(),
            Ok(()) => format!("the end of {}", plan.source),
            Err(error) => error.to_string(),
        };
        run.state(state(FeedState::Ended, reason, audio.position()));
    }
    match pumped {
        Ok(()) => Ok(()),
        // A file that cannot be read now is no better in a second; what was read of it is published.
        Err(PumpError::Ingest(error)) if is_local => {
            tracing::warn!(feed = plan.name.as_str(), "{error}");
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn open(plan: &Plan, ground: &Ground) -> Result<Audio, IngestError> {
    match &plan.source {
        Source::Stream(address) => Audio::from_stream(address, plan.live, &ground.runtime),
        Source::Rtp(source) => Audio::from_rtp(source, plan.live, &ground.runtime),
        Source::Exec(source) => Audio::from_exec(source, plan.pcm, plan.live, &ground.runtime),
        Source::File(path) => Audio::from_file(path, plan.pcm),
        Source::Stdin => Audio::from_stdin(plan.pcm),
        Source::Mount(path) => {
            let place = plan.source.to_string();
            let (audio, dock) = Audio::from_dock(&place, plan.live, &ground.runtime)?;
            ground.docks.open(path, plan.name.clone(), dock);
            Ok(audio)
        }
    }
}

fn state(state: FeedState, reason: String, at: MediaTime) -> Event {
    let feed = Feed { state, reason: Some(reason), codec: None, rate_hz: None, channels: None };
    Event::new(Span::new(at, at), at, feed)
}

pub(super) fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).as_ref().map_or(0, Duration::as_secs)
}

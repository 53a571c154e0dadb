//! Where feeds play: recognisers, a host, runs; for one line of the table, or unhurried for comparison.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::{Builder, scope};
use std::time::{Duration, Instant};
use std::{io, mem};

use crossbeam::channel::{RecvTimeoutError, bounded};
use engine::budget::Budgets;
use engine::lane::WhenFull;
use models::store::{DEFAULT_MODEL, Store};
use models::whisper::{Whisper, WhisperOptions};
use models::{DecodeOptions, Recognizer, Scripted};
use operators::{AnalysisConfig, DecodePolicy, UtteranceConfig};
use server::host::Host;
use server::publish::{FeedIdentity, Record, Sink, Tally, WallClock};
use server::recognise::process::{Counters, ProcessConfig, ProcessRecognizer};
use server::recognise::{Admission, Entry, Listener, PoolConfig, RETRY_CONTEXTS, measure};
use server::run::{FeedRun, Setup, Travel};

use crate::args::Args;
use crate::figures::{Deaths, Effort, Figures, Memory};
use crate::heard::{Heard, Missing, Word};
use crate::load::{self, Programme, Speech};
use crate::measure::Probe;
use crate::system::{self, Cpu, memory_kb};

/// Feeds that are played unhurried at the same time: enough that no recogniser waits.
const UNHURRIED: usize = 8;

/// What all lines share.
pub(crate) struct Stage {
    args: Args,
    speech: Speech,
    /// Of this process.
    whisper: Option<Arc<Whisper>>,
    /// What each feed says when there is time.
    said: Vec<Vec<Word>>,
}

/// Recognisers, and what becomes of their processes.
struct Recognisers(Vec<Box<dyn Recognizer>>, Option<Arc<Counters>>);

impl Stage {
    pub(crate) fn new(args: &Args) -> Result<Self, String> {
        let speech = if args.is_noise { Speech::noise() } else { Speech::read()? };
        let is_here = !args.is_scripted && (args.is_lost || !args.is_processes);
        let whisper = is_here.then(|| whisper(args.n_recognisers));
        Ok(Self { args: args.clone(), speech, whisper, said: Vec::new() })
    }

    /// What is measured, in a line.
    pub(crate) fn title(&self) -> String {
        let Args { n_recognisers, is_finals, is_noise, is_scripted, is_processes, .. } = self.args;
        format!(
            "{} s a line, {} s of {}, {n_recognisers} recognisers{} ({}), {}",
            self.args.length().as_secs(),
            self.speech.secs(),
            if is_noise { "noise" } else { "speech" },
            if is_processes { " in processes" } else { "" },
            if is_scripted { "scripted" } else { DEFAULT_MODEL },
            if is_finals { "finals only" } else { "with partials" }
        )
    }

    /// Measures a line; a recogniser process dies every so often.
    pub(crate) fn line(&mut self, n_feeds: usize, kill_every: Option<Duration>) -> Figures {
        if self.args.is_lost {
            self.hear(n_feeds);
        }
        let length = self.args.length();
        let Recognisers(mut recognizers, counters) = self.recognisers();
        // As `aircheck watch` does: else it would guess at first.
        let measured = recognizers
            .first_mut()
            .map(|recognizer| measure(&mut **recognizer, &DecodeOptions::default(), 1).unwrap());
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let host = Arc::new(Host::start(cores, recognizers, PoolConfig::live(policy(), measured)).unwrap());
        let probe = Arc::new(Probe::new(n_feeds, length));
        let mut memory = Memory { before: memory_kb(), ..Memory::default() };
        let run = |idx| FeedRun::start(self.setup(idx, Travel::LIVE, probe.sink(idx)), Arc::clone(&host));
        let mut runs: Vec<FeedRun> = (0..n_feeds).map(|idx| run(idx).unwrap()).collect();
        let (programme, cpu) = (self.programme(), Cpu::now());
        killing(kill_every, || {
            let at_third = || memory.third = memory_kb();
            load::play(&mut runs, programme, |at| probe.begin(at), at_third);
        });
        let cpu = Cpu::now().since(&cpu);
        memory.end = memory_kb();
        probe.over();
        let tallies = finish(runs);
        let deaths = counters.map(|counters| {
            let counts = counters.now();
            Deaths { n_deaths: counts.deaths, n_retries: counts.retries }
        });
        let seen = probe.seen();
        let missing = self.args.is_lost.then(|| self.missing(&seen.heard));
        Figures::new(seen, &tallies, &Effort { length, cpu, memory, deaths }, missing)
    }

    fn programme(&self) -> Programme<'_> {
        Programme { speech: &self.speech, outages: self.args.outages, length: self.args.length() }
    }

    fn missing(&self, heard: &[Heard]) -> Missing {
        let mut missing = Missing::default();
        for (idx, (said, heard)) in self.said.iter().zip(heard).enumerate() {
            missing.add(idx, said, heard);
        }
        missing
    }

    fn recognisers(&self) -> Recognisers {
        let n = self.args.n_recognisers;
        if self.args.is_processes {
            let program = PathBuf::from(env!("CARGO_BIN_EXE_aircheck"));
            let config = ProcessConfig::new(program, ["recognizer", "--model", DEFAULT_MODEL]);
            let processes = ProcessRecognizer::start(&config, n).expect("the model is there: make weights");
            let counters = processes.first().map(ProcessRecognizer::counters);
            return Recognisers(processes.into_iter().map(|p| Box::new(p) as _).collect(), counters);
        }
        let recognizer = |_| -> Box<dyn Recognizer> {
            match &self.whisper {
                Some(whisper) => Box::new(whisper.recognizer().unwrap()),
                None => Box::new(Scripted::new()),
            }
        };
        Recognisers((0..n).map(recognizer).collect(), None)
    }

    fn setup(&self, idx: usize, travel: Travel, sink: Box<dyn Sink>) -> Setup {
        let mut utterances = UtteranceConfig::live();
        if self.args.is_finals || travel.when_full == WhenFull::Wait {
            utterances.partial = None;
        }
        Setup {
            identity: FeedIdentity { name: format!("feed-{idx}"), epoch: 1 },
            clock: WallClock::live(),
            budgets: Budgets::default(),
            travel,
            analysis: AnalysisConfig { utterances: Some(utterances), ..AnalysisConfig::default() },
            listener: Listener::new(None),
            entry: Entry { priority: 0, admission: Admission::Always },
            sinks: vec![sink],
        }
    }

    /// Finds out what the first `n_feeds` feeds say: the same audio, operators and recogniser, but each waits for the
    /// other.
    fn hear(&mut self, n_feeds: usize) {
        let Some(whisper) = self.whisper.clone() else { return };
        let recognizers = (0..self.args.n_recognisers).map(|_| Box::new(whisper.recognizer().unwrap()) as _);
        let pool = PoolConfig::batch(policy());
        let host = Arc::new(Host::start(NonZeroUsize::MIN, recognizers.collect(), pool).unwrap());
        for first in (self.said.len()..n_feeds).step_by(UNHURRIED) {
            let feeds: Vec<usize> = (first..n_feeds.min(first + UNHURRIED)).collect();
            let said = at_once(feeds, |idx| self.hear_one(idx, &host));
            self.said.extend(said);
        }
    }

    fn hear_one(&self, idx: usize, host: &Arc<Host>) -> Vec<Word> {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let sink = Box::new(Ears(Arc::clone(&heard)));
        let mut run = FeedRun::start(self.setup(idx, Travel::BATCH, sink), Arc::clone(host)).unwrap();
        load::play_unhurried(&mut run, self.programme(), idx);
        run.finish().unwrap();
        mem::take(&mut heard.lock().unwrap().words)
    }
}

/// Listens to one feed.
struct Ears(Arc<Mutex<Heard>>);

impl Sink for Ears {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        self.0.lock().unwrap().take(&record.envelope.data);
        Ok(())
    }
}

/// As `aircheck watch` decodes.
fn policy() -> DecodePolicy {
    DecodePolicy { retry_contexts: RETRY_CONTEXTS.to_vec(), ..DecodePolicy::default() }
}

/// Room for `n` recognisers.
fn whisper(n: usize) -> Arc<Whisper> {
    let store = Store::open(Store::default_dir().unwrap()).unwrap();
    let model = store.resolve(DEFAULT_MODEL).expect("the model is there: make weights");
    let options =
        WhisperOptions { n_recognizers_max: NonZeroUsize::new(n).unwrap(), ..WhisperOptions::default() };
    Whisper::load(&model, options).unwrap()
}

/// Ends all runs together, as they began: none waits for what another one's last words take.
fn finish(runs: Vec<FeedRun>) -> Vec<Tally> {
    at_once(runs, |run| run.finish().unwrap())
}

/// Does something with each at the same time.
fn at_once<T: Send, R: Send>(all: Vec<T>, act: impl Fn(T) -> R + Sync) -> Vec<R> {
    let act = &act;
    scope(|scope| {
        let start = |(idx, one)| {
            Builder::new().name(format!("feed-{idx}")).spawn_scoped(scope, move || act(one)).unwrap()
        };
        let threads: Vec<_> = all.into_iter().enumerate().map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Kills recogniser processes while `act` goes on.
fn killing(every: Option<Duration>, act: impl FnOnce()) {
    let Some(every) = every else { return act() };
    let (over, is_over) = bounded::<()>(0);
    scope(|scope| {
        let kill = move || {
            let mut due = Instant::now() + every;
            while is_over.recv_deadline(due) == Err(RecvTimeoutError::Timeout) {
                system::kill_a_recogniser();
                due += every;
            }
        };
        Builder::new().name("killer".to_owned()).spawn_scoped(scope, kill).unwrap();
        act();
        drop(over);
    });
}

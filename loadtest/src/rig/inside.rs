//! The rig that runs the engine alone: lanes and workers in this process, fed by the same sending thread as servers are, and
//! emptied by a stand-in for the analyses. What it measures is how long blocks wait for a worker, and what is shed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine::event::GapReason;
use engine::lane::LaneSender;
use engine::worker::Worker;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::LEAD;
use super::jury::Window;
use super::sender::{Tapes, count, programme};
use super::server::Server;
use super::trouble::Troubles;
use crate::failure::Failure;
use crate::measure::{Counts, Coverage, Figure, Generator, Latencies, Measurement, Sample, Score};
use crate::mode::{Load, Progress, Rig, Stop};
use crate::pace::Punctuality;
use crate::scenario::Scenario;
use crate::transport::in_process::{Clerk, Ledger, Place, pin, play};
use crate::transport::{Feed, Notes, Tape, Weather, on_thread, real_time};

/// Audio that a lane holds: after so much in which none was taken it is shed, as Aircheck sheds it.
const LANE: Duration = Duration::from_secs(2);
/// By then what was due in the time that counts is sent.
const TAIL: Duration = Duration::from_millis(500);
/// Between two looks at the score.
const TICK: Duration = Duration::from_secs(1);

/// Plays a scenario's programme into the engine, run after run.
pub struct Inside {
    scenario: Scenario,
    stop: Stop,
    tape: Arc<Tape>,
    /// There is none: it has no process and no address.
    nobody: Server,
}

impl Inside {
    /// Reads the programme.
    pub fn new(scenario: &Scenario, stop: &Stop) -> Result<Self, Failure> {
        let programme = programme(scenario)?;
        let tape = Tapes::new(scenario, &programme)?.first()?;
        let nobody = Server::start(&scenario.target)?;
        Ok(Self { scenario: scenario.clone(), stop: stop.clone(), tape, nobody })
    }
}

impl Rig for Inside {
    fn run(&mut self, load: &Load, tell: &mut dyn FnMut(&Progress)) -> Result<Measurement, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::runtime("start a runtime", error))?;
        runtime.block_on(Run::begin(self, load)?.play(tell))
    }
}

/// One run.
struct Run<'a> {
    rig: &'a mut Inside,
    load: &'a Load,
    begin: Instant,
    window: Window,
    book: Arc<Mutex<Book>>,
    /// They end when they are dropped, with their lanes.
    workers: Vec<Worker>,
    weathers: Vec<Weather>,
    generator: watch::Receiver<Generator>,
    end: watch::Sender<bool>,
    thread: JoinHandle<Result<(), Failure>>,
    troubles: Troubles,
}

impl<'a> Run<'a> {
    fn begin(rig: &'a mut Inside, load: &'a Load) -> Result<Self, Failure> {
        let begin = Instant::now() + LEAD;
        let window = Window { start: begin + load.warm_up, length: load.length };
        let book = Arc::new(Mutex::new(Book::new(window, rig.tape.piece_length().to_duration())));
        let spawn =
            |n| Worker::spawn(&format!("dsp-{n}")).map_err(|error| Failure::runtime("start a worker", error));
        let engine = rig.scenario.engine;
        let workers = (0..engine.workers()).map(spawn).collect::<Result<Vec<_>, _>>()?;
        let (rate, block) = (rig.tape.rate(), rig.tape.piece_length());
        let until = window.end() + TAIL + rig.scenario.run.grace;
        let place = Place { rate, block, lane: LANE, work: engine.work(), until };
        let turns = workers.iter().cycle().take(load.n_feeds);
        let lanes: Vec<LaneSender> = turns.map(|worker| pin(worker, place, Clerk::new(&book))).collect();
        let weathers: Vec<Weather> = lanes.iter().map(|_| Weather::new()).collect();
        let (end, ended) = watch::channel(false);
        let (look, generator) = watch::channel(Punctuality::new().count());
        let sending = Sending {
            lanes,
            weathers: weathers.clone(),
            tape: Arc::clone(&rig.tape),
            book: Arc::clone(&book),
            begin,
            counts: (window.start, window.end()),
        };
        let thread = on_thread("sender", move || sending.send(look, ended))?;
        let troubles = Troubles::new(&load.disturbances, window.start, rig.nobody.state());
        Ok(Self { rig, load, begin, window, book, workers, weathers, generator, end, thread, troubles })
    }

    async fn play(mut self, tell: &mut dyn FnMut(&Progress)) -> Result<Measurement, Failure> {
        let attended = self.attend(tell).await;
        self.end.send_replace(true);
        let sent = self.thread.join().map_err(|_| Failure::Runtime("the sending thread panicked".into()));
        // What waits in lanes is still taken.
        drop(self.workers);
        let marks = self.troubles.finish(&mut self.rig.nobody);
        attended?;
        sent??;
        let book = of(&self.book);
        let generator = self.generator.borrow().clone();
        Ok(Measurement {
            n_feeds: self.load.n_feeds,
            length: self.window.length,
            score: book.score(),
            series: book.series(),
            generator,
            marks: marks?,
            machine: Vec::new(),
            stages: Vec::new(),
        })
    }

    /// Waits for the end of the time that counts, or until somebody wants an end.
    async fn attend(&mut self, tell: &mut dyn FnMut(&Progress)) -> Result<(), Failure> {
        let end = self.window.end() + TAIL;
        let mut tick = self.begin + TICK;
        while Instant::now() < end && !self.thread.is_finished() {
            let wake = [Some(tick), Some(end), self.troubles.next()].into_iter().flatten().min();
            sleep_until(wake.unwrap_or(end).into()).await;
            let now = Instant::now();
            self.troubles.act(now, &self.weathers, &mut self.rig.nobody)?;
            if now >= tick {
                tick = now + TICK;
                tell(&self.progress(now));
                if self.rig.stop.is_asked() {
                    self.window.length = now.saturating_duration_since(self.window.start);
                    of(&self.book).window = self.window;
                    break;
                }
            }
        }
        Ok(())
    }

    fn progress(&self, now: Instant) -> Progress {
        Progress {
            at: now.saturating_duration_since(self.begin),
            of: self.load.warm_up + self.load.length,
            n_feeds: self.load.n_feeds,
            score: of(&self.book).score(),
            generator: self.generator.borrow().clone(),
        }
    }
}

/// What the sending thread is given.
struct Sending {
    lanes: Vec<LaneSender>,
    weathers: Vec<Weather>,
    tape: Arc<Tape>,
    book: Arc<Mutex<Book>>,
    begin: Instant,
    counts: (Instant, Instant),
}

impl Sending {
    /// Plays all feeds until it is told to end.
    async fn send(
        self,
        look: watch::Sender<Generator>,
        mut end: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        // Where it is refused, the lateness that is reported tells whether it mattered.
        let _refused = real_time();
        // Nobody has to be told where media time lies.
        let (notes, _) = Notes::new(1);
        let punctuality = Punctuality::new();
        let n_feeds = self.lanes.len();
        let mut playing = JoinSet::new();
        for (idx, (lane, weather)) in self.lanes.into_iter().zip(self.weathers).enumerate() {
            let (tapes, begin) = (vec![Arc::clone(&self.tape)], self.begin);
            let (notes, punctuality) = (notes.clone(), punctuality.clone());
            let feed = Feed { idx, n_feeds, tapes, begin, weather, notes, punctuality };
            playing.spawn_local(play(feed, lane, Clerk::new(&self.book), end.clone()));
        }
        tokio::select! {
            () = count(self.counts, &punctuality, &look) => {}
            _ = end.wait_for(|end| *end) => {}
        }
        while let Some(ended) = playing.join_next().await {
            ended.map_err(|error| Failure::runtime("a feed", error))??;
        }
        Ok(())
    }
}

/// What became of all blocks that were due in the time that counts.
struct Book {
    window: Window,
    /// Audio in a block.
    block: Duration,
    all: Latencies,
    slices: BTreeMap<usize, Latencies>,
}

impl Book {
    fn new(window: Window, block: Duration) -> Self {
        Self { window, block, all: Latencies::new(), slices: BTreeMap::new() }
    }

    fn score(&self) -> Score {
        let (n_expected, n_missing) = (self.all.count(), self.all.n_never());
        let counts = Counts { n_expected, n_missing, ..Counts::default() };
        let length = |n: u64| self.block.mul_f64(n as f64);
        let gaps = (n_missing > 0).then(|| (name_of(GapReason::Overload), n_missing));
        Score {
            figures: [(Figure::BlockTaken, (self.all.clone(), counts))].into(),
            coverage: Coverage { sent: length(n_expected), in_gaps: length(n_missing) },
            gaps: gaps.into_iter().collect(),
            ..Score::default()
        }
    }

    fn series(&self) -> Vec<Sample> {
        let slice = self.window.slice();
        let sample = |(idx, latencies): (&usize, &Latencies)| Sample {
            at: slice * u32::try_from(*idx).unwrap_or(u32::MAX),
            latencies: vec![(Figure::BlockTaken.name().to_owned(), latencies.clone())],
        };
        self.slices.iter().map(sample).collect()
    }
}

impl Ledger for Book {
    fn note(&mut self, due: Instant, waited: Option<Duration>) {
        let Some(since) = due.checked_duration_since(self.window.start) else { return };
        if since >= self.window.length {
            return;
        }
        let idx = (since.as_nanos() / self.window.slice().as_nanos().max(1)) as usize;
        for latencies in [&mut self.all, self.slices.entry(idx).or_default()] {
            match waited {
                Some(waited) => latencies.record(waited),
                None => latencies.record_never(),
            }
        }
    }
}

fn of(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As it is in events.
fn name_of(reason: GapReason) -> String {
    serde_json::to_value(reason).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

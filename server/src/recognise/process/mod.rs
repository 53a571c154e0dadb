//! Recognition in a process of its own: whatever whisper.cpp does there, this one lives, and each request ends in an
//! answer or in an error that says why (docs/adr/0006). Does not know whose audio it is, or when it is due.

mod breaker;
mod counters;
mod fence;
pub mod frame;
mod serve;
mod worker;

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use models::{DecodeOptions, RecognizeError, Recognizer, SAMPLE_RATE_HZ, Transcription};

use breaker::Breaker;
use counters::count;
pub use counters::{Counters, Counts};
pub use fence::enclose;
use frame::Message;
pub use serve::serve;
use worker::{Loss, Worker};

/// How a recogniser process is started and what it may do.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// Program that speaks [`frame`]s, for example this one.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Longest time from its start until it is ready.
    pub start_max: Duration,
    /// Longest decode, and what each second of audio adds to it. A process that takes longer is killed.
    pub decode_max: Duration,
    /// See `decode_max`.
    pub decode_max_per_second: Duration,
    /// Answers after which it is replaced by a fresh process: what leaks in C does not add up.
    pub recycle_after: NonZeroU64,
    /// Deaths within `deaths_window` that are borne; after more it rests, 1 s at first and up to 30 s.
    pub deaths_max: usize,
    /// See `deaths_max`.
    pub deaths_window: Duration,
}

impl ProcessConfig {
    /// With limits far from what a machine that keeps up needs: a decode takes 0.05 to 0.5 s (docs/adr/0003).
    #[must_use]
    pub fn new(program: PathBuf, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            program,
            args: args.into_iter().map(Into::into).collect(),
            start_max: Duration::from_secs(30),
            decode_max: Duration::from_secs(5),
            decode_max_per_second: Duration::from_secs(1),
            recycle_after: NonZeroU64::MIN.saturating_add(4_999),
            deaths_max: 5,
            deaths_window: Duration::from_secs(60),
        }
    }

    fn decode_max(&self, n_samples: usize) -> Duration {
        let seconds = n_samples as f32 / SAMPLE_RATE_HZ as f32;
        self.decode_max + self.decode_max_per_second.mul_f32(seconds)
    }
}

/// Recognises in a child process. Use it in the thread that made it or in one that outlives it: Linux ends the child
/// with the *thread* that started it.
#[derive(Debug)]
pub struct ProcessRecognizer {
    config: ProcessConfig,
    model: String,
    is_multilingual: bool,
    /// Serves, or loads its model still. `None`: the next request starts it.
    worker: Option<Worker>,
    /// Loads its model, to replace `worker` at the end of its term.
    successor: Option<Worker>,
    breaker: Breaker,
    last_loss: String,
    counters: Arc<Counters>,
    id: u64,
    request: Vec<u8>,
}

impl ProcessRecognizer {
    /// Starts `n` processes at once and waits until all are ready.
    pub fn start(config: &ProcessConfig, n: usize) -> Result<Vec<Self>, RecognizeError> {
        let mut all: Vec<Self> = (0..n).map(|_| Self::new(config.clone())).collect();
        for recognizer in &mut all {
            recognizer.worker = Some(recognizer.start_worker().map_err(failed)?);
        }
        for recognizer in &mut all {
            let Some(worker) = &mut recognizer.worker else { continue };
            let process_id = worker.id();
            let ready = worker.ready(config.start_max).map_err(failed)?;
            recognizer.model.clone_from(&ready.model);
            recognizer.is_multilingual = ready.is_multilingual;
            tracing::debug!("recogniser process {process_id} is ready after {} ms", ready.load_ms);
        }
        Ok(all)
    }

    fn new(config: ProcessConfig) -> Self {
        Self {
            breaker: Breaker::new(config.deaths_max, config.deaths_window),
            config,
            model: String::new(),
            is_multilingual: false,
            worker: None,
            successor: None,
            last_loss: String::new(),
            counters: Arc::default(),
            id: 0,
            request: Vec::new(),
        }
    }

    /// Whether the model knows languages other than English.
    #[must_use]
    pub fn is_multilingual(&self) -> bool {
        self.is_multilingual
    }

    /// What it has been through, readable while it works elsewhere.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Id of the process that serves or will. `None`: there is none just now.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.worker.as_ref().map(Worker::id)
    }

    fn start_worker(&self) -> Result<Worker, Loss> {
        count(&self.counters.starts);
        Worker::start(Command::new(&self.config.program).args(&self.config.args))
    }

    /// Asks a process once. Whatever goes wrong costs it its life.
    fn attempt(&mut self, n_samples: usize) -> Result<Result<Transcription, String>, Loss> {
        let asked = self.serving().and_then(|()| self.ask(n_samples));
        match &asked {
            Ok(_) => {
                self.breaker.answered();
                self.renew();
            }
            Err(loss) => self.lost(loss),
        }
        asked
    }

    /// Sees to it that there is a process that is ready.
    fn serving(&mut self) -> Result<(), Loss> {
        if let Some(successor) = &mut self.successor {
            match successor.is_ready(Instant::now()) {
                Ok(false) => {}
                Ok(true) => self.worker = self.successor.take(),
                Err(loss) => {
                    self.successor = None;
                    self.died(&loss);
                }
            }
        }
        let mut worker = match self.worker.take() {
            Some(worker) => worker,
            None => self.start_worker()?,
        };
        let ready = worker.ready(self.config.start_max)?;
        if ready.model != self.model {
            return Err(Loss::Garbage(format!("it loaded {}, expected {}", ready.model, self.model)));
        }
        self.worker = Some(worker);
        Ok(())
    }

    fn ask(&mut self, n_samples: usize) -> Result<Result<Transcription, String>, Loss> {
        let limit = self.config.decode_max(n_samples);
        let Some(worker) = &mut self.worker else { return Err(Loss::Closed) };
        match worker.ask(&self.request, limit)? {
            Message::Answer { id, decode_us, outcome } if id == self.id => {
                self.counters.decode_us.fetch_add(decode_us, Ordering::Relaxed);
                Ok(outcome)
            }
            Message::Answer { id, .. } => {
                Err(Loss::Garbage(format!("an answer to request {id}, expected {}", self.id)))
            }
            _ => Err(Loss::Garbage("a message that is no answer".to_owned())),
        }
    }

    /// At the end of a process's term another one starts; this one serves until that one is ready.
    fn renew(&mut self) {
        let is_over = |worker: &Worker| worker.n_answered >= self.config.recycle_after.get();
        if self.successor.is_none() && self.worker.as_ref().is_some_and(is_over) {
            match self.start_worker() {
                Ok(worker) => {
                    count(&self.counters.recycled);
                    self.successor = Some(worker);
                }
                Err(loss) => self.died(&loss),
            }
        }
    }

    /// The process is gone; the next one starts now, so that it is warm when it is needed.
    fn lost(&mut self, loss: &Loss) {
        self.worker = None;
        self.died(loss);
        if self.successor.is_some() {
            self.worker = self.successor.take();
        } else if self.breaker.resting(Instant::now()).is_none() {
            // Where it cannot start, the next request tries again and says so.
            self.worker = self.start_worker().ok();
        }
    }

    fn died(&mut self, loss: &Loss) {
        count(&self.counters.deaths);
        if matches!(loss, Loss::TookLonger(_)) {
            count(&self.counters.timeouts);
        }
        self.last_loss = loss.to_string();
        tracing::warn!("recogniser process: {loss}");
        if let Some(rest) = self.breaker.died(Instant::now()) {
            tracing::error!(
                "recogniser processes die too often: nothing is recognised for {} s",
                rest.as_secs()
            );
        }
    }

    fn why_it_rests(&self) -> Option<RecognizeError> {
        let rest = self.rest()?;
        let (rest_ms, last) = (rest.as_millis(), &self.last_loss);
        Some(failed(format!(
            "its processes die too often, the next try is in {rest_ms} ms; the last one {last}"
        )))
    }
}

impl Recognizer for ProcessRecognizer {
    fn recognize(
        &mut self,
        pcm: &[f32],
        options: &DecodeOptions,
        out: &mut Transcription,
    ) -> Result<(), RecognizeError> {
        out.clear();
        models::check_request(pcm, options)?;
        if let Some(resting) = self.why_it_rests() {
            return Err(resting);
        }
        self.id += 1;
        self.request.clear();
        frame::put_request(self.id, options, pcm, &mut self.request);
        let mut outcome = self.attempt(pcm.len());
        // A decode that took too long has used up its time, and would again.
        let may_retry = !matches!(outcome, Ok(_) | Err(Loss::TookLonger(_)));
        if may_retry && self.breaker.resting(Instant::now()).is_none() {
            count(&self.counters.retries);
            outcome = self.attempt(pcm.len());
        }
        *out = outcome.map_err(failed)?.map_err(RecognizeError::Failed)?;
        Ok(())
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn rest(&self) -> Option<Duration> {
        self.breaker.resting(Instant::now())
    }
}

fn failed(cause: impl ToString) -> RecognizeError {
    RecognizeError::Failed(cause.to_string())
}

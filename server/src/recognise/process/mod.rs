//! Recognition in a process of its own: whatever whisper.cpp does there, this one lives, and each request ends in an
//! answer or in an error that says why (docs/adr/0006). Does not know whose audio it is, or when it is due.

mod breaker;
mod counters;
mod fence;
pub mod frame;
mod keeper;
mod request;
mod serve;
mod worker;

use std::ffi::OsString;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam::channel::bounded;
use models::{DecodeOptions, RecognizeError, Recognizer, SAMPLE_RATE_HZ, Transcription};

pub use counters::{Counters, Counts};
pub use fence::enclose;
use keeper::Kept;
use request::{Reply, Request, Retry};
pub use serve::serve;

/// How a recogniser process is started and what it may do.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// Program that speaks [`frame`]s, for example this one.
    pub program: PathBuf,
    /// Its arguments, before `--states N`: how many requests it decodes at a time.
    pub args: Vec<OsString>,
    /// Recognisers that share a process and its weights, at most. Two or more recognisers have two processes at least, so
    /// that none takes all with it when it dies.
    pub states_max: NonZeroUsize,
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
            states_max: NonZeroUsize::MIN.saturating_add(3),
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

/// Recognises in a child process, which it may share with others.
#[derive(Debug)]
pub struct ProcessRecognizer {
    config: Arc<ProcessConfig>,
    kept: Arc<Kept>,
    counters: Arc<Counters>,
    model: String,
    is_multilingual: bool,
    /// Storage of requests.
    frame: Vec<u8>,
}

impl ProcessRecognizer {
    /// `n` recognisers, each for a thread, in as few processes as `config` allows. Starts all at once and waits until they
    /// are ready.
    pub fn start(config: &ProcessConfig, n: usize) -> Result<Vec<Self>, RecognizeError> {
        let (shared, counters) = (Arc::new(config.clone()), Arc::new(Counters::new()));
        let keep = |(idx, n_states)| Ok((n_states, Kept::start(config, idx, n_states, &counters)?));
        let kept = shares(n, config.states_max).enumerate().map(keep).collect::<std::io::Result<Vec<_>>>();
        let mut all = Vec::with_capacity(n);
        for (n_states, (kept, greeting)) in kept.map_err(failed)? {
            let ready = greeting.recv().map_err(|_| gone())?.map_err(RecognizeError::Failed)?;
            let kept = Arc::new(kept);
            all.extend((0..n_states).map(|_| Self {
                config: Arc::clone(&shared),
                kept: Arc::clone(&kept),
                counters: Arc::clone(&counters),
                model: ready.model.clone(),
                is_multilingual: ready.is_multilingual,
                frame: Vec::new(),
            }));
        }
        Ok(all)
    }

    /// Whether the model knows languages other than English.
    #[must_use]
    pub fn is_multilingual(&self) -> bool {
        self.is_multilingual
    }

    /// What it and those that were started with it have been through, readable while they work elsewhere.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Id of the process that serves or will. `None`: there is none just now.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        let id = self.kept.board.process_id.load(Ordering::Acquire);
        (id > 0).then_some(id)
    }

    /// Has the request in its storage answered; that of `id`, for `n_samples`.
    fn ask(&mut self, id: u64, n_samples: usize, is_alone: bool) -> Result<Reply, RecognizeError> {
        let (reply, answer) = bounded(1);
        let (frame, limit) = (std::mem::take(&mut self.frame), self.config.decode_max(n_samples));
        self.kept.ask(Request { id, frame, limit, is_alone, reply });
        answer.recv().map_err(|_| gone())
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
        let id = self.kept.next_id();
        self.frame.clear();
        frame::put_request(id, options, pcm, &mut self.frame);
        let (mut is_alone, mut is_retried) = (false, false);
        loop {
            let reply = self.ask(id, pcm.len(), is_alone)?;
            self.frame = reply.frame;
            let lost = match reply.outcome {
                Ok(answer) => {
                    *out = answer.map_err(RecognizeError::Failed)?;
                    return Ok(());
                }
                Err(lost) => lost,
            };
            let may_retry = match lost.retry {
                Retry::Never => false,
                Retry::Once => !std::mem::replace(&mut is_retried, true),
                // Nobody else is there the next time.
                Retry::Free => !is_alone,
            };
            if !may_retry || self.rest().is_some() {
                return Err(RecognizeError::Failed(lost.cause));
            }
            self.counters.retries.count();
            is_alone = true;
        }
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn rest(&self) -> Option<Duration> {
        let rest = self.kept.board.resting_until.load()?.saturating_duration_since(Instant::now());
        (!rest.is_zero()).then_some(rest)
    }
}

/// How many of `n` recognisers each process has: as many as `states_max`, and as equal as can be.
fn shares(n: usize, states_max: NonZeroUsize) -> impl Iterator<Item = usize> {
    let n_processes = n.div_ceil(states_max.get()).max(n.min(2));
    (0..n_processes).map(move |idx| n / n_processes + usize::from(idx < n % n_processes))
}

fn failed(cause: impl ToString) -> RecognizeError {
    RecognizeError::Failed(cause.to_string())
}

/// A bug: the thread of a process ends with the last of its recognisers.
fn gone() -> RecognizeError {
    failed("the thread of its process is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(n: usize, states_max: usize, expected: &[usize]) {
        let states_max = NonZeroUsize::MIN.saturating_add(states_max - 1);
        let shares: Vec<usize> = shares(n, states_max).collect();
        assert_eq!(shares, expected, "{n} recognisers, at most {states_max} a process");
    }

    #[test]
    fn recognisers_share_processes_evenly_and_no_process_has_all() {
        check(0, 4, &[]);
        check(1, 4, &[1]);
        check(2, 4, &[1, 1]);
        check(3, 4, &[2, 1]);
        check(8, 4, &[4, 4]);
        check(9, 4, &[3, 3, 3]);
        check(16, 4, &[4, 4, 4, 4]);
        check(3, 1, &[1, 1, 1]);
    }
}

//! A recogniser's thread: takes the most urgent job of all feeds, decodes it, answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam::sync::Parker;
use models::{RecognizeError, Recognizer, Transcription};
use operators::{BuildError, DecodePolicy, Decoder};

use super::badge::{Badge, State};
use super::desk::Desk;
use super::job::{Answer, Job};
use super::ladder::Step;
use super::pool::Shared;

/// A recogniser with its guards.
pub(super) struct Ear {
    recognizer: Box<dyn Recognizer>,
    model: Arc<str>,
    decoder: Decoder,
    /// For feeds that have given up second decodes.
    once: Decoder,
}

impl Ear {
    pub(super) fn new(recognizer: Box<dyn Recognizer>, policy: &DecodePolicy) -> Result<Self, BuildError> {
        let once = DecodePolicy { retry_contexts: Vec::new(), hole: None, ..policy.clone() };
        Ok(Self {
            model: recognizer.model().into(),
            recognizer,
            decoder: Decoder::new(policy.clone())?,
            once: Decoder::new(once)?,
        })
    }

    /// How long it will fail.
    fn rest(&self) -> Option<Duration> {
        self.recognizer.rest()
    }

    /// What comes of a job.
    pub(super) fn decode(&mut self, job: &Job) -> Answer {
        let Self { recognizer, decoder, once, model } = self;
        let decoder = if job.step >= Step::OnceOnly { once } else { decoder };
        let mut transcription = Transcription::default();
        let result = catch_unwind(AssertUnwindSafe(|| {
            decoder.recognise(&mut **recognizer, &job.head, &job.pcm, &mut transcription)
        }));
        let span = job.head.span;
        match result {
            Ok(Ok(outcome)) => Answer::Decoded { outcome, transcription, model: Arc::clone(model) },
            Ok(Err(error)) => {
                tracing::warn!("recognition of {} to {} s failed: {error}", span.start, span.end);
                Answer::Failed(match error {
                    RecognizeError::Failed(cause) => cause,
                    other => other.to_string(),
                })
            }
            Err(_) => {
                tracing::error!("the recogniser panicked at {} to {} s", span.start, span.end);
                Answer::Failed("it panicked".to_owned())
            }
        }
    }
}

/// Serves until the pool is closed and nothing waits.
pub(super) fn run(mut ear: Ear, mut desk: Desk, shared: &Shared, parker: &Parker) {
    let mut badge = Badge::new();
    let mut was_resting = false;
    loop {
        let is_closed = shared.is_closed.load(Ordering::Acquire);
        let rest = ear.rest();
        match (was_resting, rest) {
            (false, Some(_)) => shared.governor.rest_begins(),
            (true, None) => shared.governor.rest_ends(),
            _ => {}
        }
        was_resting = rest.is_some();
        if let Some(rest) = rest
            && shared.governor.leave()
        {
            if is_closed {
                return;
            }
            badge.turn(State::Resting);
            parker.park_timeout(rest);
            shared.governor.come_back();
            continue;
        }
        match (desk.next(&shared.outlook(Instant::now())), rest) {
            (Some(job), _) => {
                badge.turn(State::Busy);
                serve(*job, &mut ear, shared);
            }
            (None, _) if is_closed && desk.is_empty() => return,
            (None, Some(rest)) => {
                badge.turn(State::Resting);
                parker.park_timeout(rest);
            }
            (None, None) => {
                badge.turn(State::Idle);
                parker.park();
            }
        }
    }
}

fn serve(job: Job, ear: &mut Ear, shared: &Shared) {
    let began_at = Instant::now();
    if let Some(job) = shared.still_wanted(job, began_at) {
        let answer = ear.decode(&job);
        shared.served(job, answer, began_at, Instant::now());
    }
}

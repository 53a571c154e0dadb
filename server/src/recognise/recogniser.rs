//! A recogniser's thread: takes the most urgent job of all feeds, decodes it, answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crossbeam::queue::SegQueue;
use crossbeam::sync::Parker;
use engine::event::GapReason;
use models::{Recognizer, Transcription};
use operators::Decoder;

use super::job::{Answer, Feed, Job};
use super::mailbox::{Due, Offer};
use super::pool::Shared;

/// Partials that are late by this much, microseconds, wait for everything else: they would hardly be read.
const HOPELESS: Due = 2_000_000;

/// One thread's part of the pool.
pub(super) struct Recogniser {
    pub(super) recognizer: Box<dyn Recognizer>,
    pub(super) model: Arc<str>,
    pub(super) decoder: Decoder,
    pub(super) shared: Arc<Shared>,
    /// Feeds that are new.
    pub(super) inbox: Arc<SegQueue<Arc<Feed>>>,
    pub(super) feeds: Vec<Arc<Feed>>,
    pub(super) parker: Parker,
}

impl Recogniser {
    /// Until the pool is closed and nothing waits.
    pub(super) fn run(mut self) {
        loop {
            let is_closed = self.shared.is_closed.load(Ordering::Acquire);
            while let Some(feed) = self.inbox.pop() {
                self.feeds.push(feed);
            }
            match self.most_urgent() {
                Some(job) => self.serve(*job),
                None if is_closed && self.feeds.is_empty() => return,
                None => self.parker.park(),
            }
        }
    }

    /// Takes the job that is due first; partials that are long late anyway come last. Forgets feeds that are over.
    fn most_urgent(&mut self) -> Option<Box<Job>> {
        loop {
            let now = self.shared.micros(Instant::now());
            let rank = |offer: &Offer| (offer.is_partial && offer.due + HOPELESS < now, offer.due);
            let mut best: Option<(Offer, &Arc<Feed>)> = None;
            // Closed is read before the jobs: what was put in before it was closed is seen.
            self.feeds.retain(|feed| !feed.is_closed.load(Ordering::Acquire) || !feed.mailbox.is_empty());
            for feed in &self.feeds {
                let first = feed.mailbox.offers().min_by_key(rank);
                if let Some(offer) = first
                    && best.is_none_or(|(other, _)| rank(&offer) < rank(&other))
                {
                    best = Some((offer, feed));
                }
            }
            let (offer, feed) = best?;
            if let Some(job) = feed.mailbox.take(offer) {
                feed.room.unpark();
                return Some(job);
            }
        }
    }

    fn serve(&mut self, job: Job) {
        let began_at = Instant::now();
        if self.shared.is_too_late(&job, began_at) {
            job.answer(Answer::Lost(GapReason::Overload), began_at);
        } else if !job.is_abandoned() {
            let answer = self.decode(&job);
            let busy = u64::try_from(began_at.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.shared.load.note(busy, self.shared.micros(Instant::now()));
            job.answer(answer, began_at);
        }
        self.shared.give_back(job.pcm);
    }

    fn decode(&mut self, job: &Job) -> Answer {
        let Self { recognizer, decoder, model, .. } = self;
        let mut transcription = Transcription::default();
        let result = catch_unwind(AssertUnwindSafe(|| {
            decoder.recognise(&mut **recognizer, &job.head, &job.pcm, &mut transcription)
        }));
        let span = job.head.span;
        match result {
            Ok(Ok(outcome)) => Answer::Decoded { outcome, transcription, model: Arc::clone(model) },
            Ok(Err(error)) => {
                tracing::warn!("recognition of {} to {} s failed: {error}", span.start, span.end);
                Answer::Lost(GapReason::RecogniserFailed)
            }
            Err(_) => {
                tracing::error!("the recogniser panicked at {} to {} s", span.start, span.end);
                Answer::Lost(GapReason::RecogniserFailed)
            }
        }
    }
}

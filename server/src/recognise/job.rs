//! A job for a recogniser, from request to answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crossbeam::sync::Unparker;
use engine::budget::Deadline;
use engine::event::GapReason;
use engine::time::{MediaTime, SampleRate};
use models::Transcription;
use operators::{AskHead, HOP_FRAMES, Outcome, Purpose, hop_time, tail_start};

use super::desk::Place;
use super::ladder::Step;
use super::mailbox::Mailbox;
use crate::publish::{Item, Passage, Post};

/// The answer to a request, and the way it took.
#[derive(Debug)]
pub struct Heard {
    /// What was asked for.
    pub head: AskHead,
    /// Rate of the feed's own audio.
    pub rate: SampleRate,
    /// What the feed had given up when it asked.
    pub step: Step,
    /// What came of it.
    pub answer: Answer,
    /// When what happened.
    pub passage: Passage,
}

/// What came of a request.
#[derive(Debug)]
pub enum Answer {
    /// It was decoded.
    Decoded {
        /// How it went.
        outcome: Outcome,
        /// The words, where there are any.
        transcription: Transcription,
        /// Model that heard them.
        model: Arc<str>,
    },
    /// It was not: it was shed.
    Lost(GapReason),
    /// The recogniser failed, because of this.
    Failed(String),
}

/// One request with its audio.
pub(super) struct Job {
    pub(super) head: AskHead,
    pub(super) pcm: Vec<f32>,
    /// When a worker took the block that led to it, and when it was asked for.
    pub(super) taken_at: Instant,
    pub(super) asked_at: Instant,
    pub(super) deadline: Deadline,
    /// What the feed had given up by then.
    pub(super) step: Step,
    /// Of a feed that takes what is left, from when a recogniser took it.
    pub(super) place: Option<Place>,
    pub(super) feed: Arc<FeedPart>,
}

impl Job {
    /// Nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        let abandoned = self.feed.abandoned.load(Ordering::Acquire);
        let is_same_utterance = abandoned >> 16 == key(&self.head) >> 16;
        self.head.purpose == Purpose::Speculative && is_same_utterance && key(&self.head) <= abandoned
    }

    /// Of a partial, only what has to be decoded: what was heard and lies before a pause is not heard again.
    pub(super) fn shorten(&mut self) {
        let n_known = self.feed.n_known(&self.head);
        if n_known > 0 {
            self.head = self.head.without(n_known);
            self.pcm.drain(..(n_known * HOP_FRAMES).min(self.pcm.len()));
        }
    }

    /// Posts what came of it; a recogniser began with it and ended then.
    pub(super) fn answer(&self, answer: Answer, began_at: Instant, ended_at: Instant) {
        if matches!(answer, Answer::Lost(_) | Answer::Failed(_)) && self.head.purpose == Purpose::Speculative
        {
            self.feed.lost.fetch_max(key(&self.head), Ordering::AcqRel);
        }
        if matches!(answer, Answer::Decoded { outcome: Outcome::Said { .. }, .. }) {
            self.feed.note_heard(&self.head);
        }
        let passage = Passage {
            taken_at: Some(self.taken_at),
            stated_at: self.asked_at,
            queued: Some(began_at.saturating_duration_since(self.asked_at)),
            recognised: Some(ended_at.saturating_duration_since(began_at)),
        };
        let heard = Heard { head: self.head, rate: self.feed.rate, step: self.step, answer, passage };
        self.feed.post.send(Item::Heard(Box::new(heard)));
    }
}

/// What jobs know of their feed.
pub(super) struct FeedPart {
    pub(super) rate: SampleRate,
    /// Newest speculation that nobody waits for any more; nor for older ones of its utterance.
    pub(super) abandoned: AtomicU64,
    /// Newest speculation that was not decoded.
    pub(super) lost: AtomicU64,
    /// A recogniser is at work on a partial.
    pub(super) has_partial: Arc<AtomicBool>,
    /// Up to where the newest utterance that words were heard in was heard: its number, and hops.
    heard: AtomicU64,
    pub(super) post: Post,
}

impl FeedPart {
    pub(super) fn new(rate: SampleRate, post: Post) -> Self {
        let [abandoned, lost, heard] = [(); 3].map(|()| AtomicU64::new(0));
        Self { rate, abandoned, lost, has_partial: Arc::default(), heard, post }
    }

    fn note_heard(&self, head: &AskHead) {
        let time = head.span.end.saturating_sub(MediaTime::from_millis(head.utterance));
        let n_hops = (time.flicks() / hop_time().flicks()).min(0xffff);
        self.heard.fetch_max(head.utterance << 16 | n_hops, Ordering::AcqRel);
    }

    /// How many hops at the beginning of this request need not be decoded.
    pub(super) fn n_known(&self, head: &AskHead) -> usize {
        let heard = self.heard.load(Ordering::Acquire);
        if head.purpose != Purpose::Partial || heard >> 16 != head.utterance {
            return 0;
        }
        tail_start(head, usize::try_from(heard & 0xffff).unwrap_or(0))
    }
}

/// A feed as the recognisers see it. It must not know its post: they forget a feed some time after its end.
pub(super) struct Feed {
    pub(super) mailbox: Mailbox<Box<Job>>,
    /// The feed waits for room.
    pub(super) room: Unparker,
    pub(super) is_closed: AtomicBool,
    pub(super) priority: u8,
    /// It is served only while nothing of another feed waits.
    pub(super) takes_what_is_left: bool,
    /// A recogniser is at work on a partial.
    pub(super) has_partial: Arc<AtomicBool>,
}

/// One number for a decode: utterances are numbered by their start in ms, decodes within them from 1.
pub(super) fn key(head: &AskHead) -> u64 {
    head.utterance << 16 | u64::from(head.attempt & 0xffff)
}

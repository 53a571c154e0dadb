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

use super::mailbox::Mailbox;
use crate::publish::{Item, Passage, Post};

/// The answer to a request, and the way it took.
#[derive(Debug)]
pub struct Heard {
    /// What was asked for.
    pub head: AskHead,
    /// Rate of the feed's own audio.
    pub rate: SampleRate,
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
    /// It was not: shed, or the recogniser failed.
    Lost(GapReason),
}

/// One request with its audio.
pub(super) struct Job {
    pub(super) head: AskHead,
    pub(super) pcm: Vec<f32>,
    /// When a worker took the block that led to it, and when it was asked for.
    pub(super) taken_at: Instant,
    pub(super) asked_at: Instant,
    pub(super) deadline: Deadline,
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
        let n_heard = if self.head.purpose == Purpose::Partial { self.feed.n_heard(&self.head) } else { 0 };
        if n_heard > 0 {
            let start = tail_start(&self.head, n_heard);
            self.head = self.head.without(start);
            self.pcm.drain(..(start * HOP_FRAMES).min(self.pcm.len()));
        }
    }

    /// Posts what came of it; a recogniser began with it and ended then.
    pub(super) fn answer(&self, answer: Answer, began_at: Instant, ended_at: Instant) {
        if matches!(answer, Answer::Lost(_)) && self.head.purpose == Purpose::Speculative {
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
        let heard = Heard { head: self.head, rate: self.feed.rate, answer, passage };
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
    /// Up to where the newest utterance that words were heard in was heard: its number, and hops.
    heard: AtomicU64,
    pub(super) post: Post,
}

impl FeedPart {
    pub(super) fn new(rate: SampleRate, post: Post) -> Self {
        let [abandoned, lost, heard] = [(); 3].map(|()| AtomicU64::new(0));
        Self { rate, abandoned, lost, heard, post }
    }

    fn note_heard(&self, head: &AskHead) {
        let time = head.span.end.saturating_sub(MediaTime::from_millis(head.utterance));
        let n_hops = (time.flicks() / hop_time().flicks()).min(0xffff);
        self.heard.fetch_max(head.utterance << 16 | n_hops, Ordering::AcqRel);
    }

    /// How many hops of this utterance were heard, from its start on.
    fn n_heard(&self, head: &AskHead) -> usize {
        let heard = self.heard.load(Ordering::Acquire);
        if heard >> 16 == head.utterance { usize::try_from(heard & 0xffff).unwrap_or(0) } else { 0 }
    }
}

/// A feed as the recognisers see it.
pub(super) struct Feed {
    pub(super) mailbox: Mailbox<Box<Job>>,
    /// The feed waits for room.
    pub(super) room: Unparker,
    pub(super) is_closed: AtomicBool,
}

/// One number for a decode: utterances are numbered by their start in ms, decodes within them from 1.
pub(super) fn key(head: &AskHead) -> u64 {
    head.utterance << 16 | u64::from(head.attempt & 0xffff)
}

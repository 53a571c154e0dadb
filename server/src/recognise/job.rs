//! A job for a recogniser, from request to answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crossbeam::sync::Unparker;
use engine::budget::Deadline;
use engine::event::GapReason;
use engine::time::SampleRate;
use models::Transcription;
use operators::{AskHead, Outcome, Purpose};

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
    pub(super) feed: Arc<FeedPart>,
}

impl Job {
    /// Nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        let abandoned = self.feed.abandoned.load(Ordering::Acquire);
        let is_same_utterance = abandoned >> 16 == key(&self.head) >> 16;
        self.head.purpose == Purpose::Speculative && is_same_utterance && key(&self.head) <= abandoned
    }

    /// Posts what came of it; a recogniser began with it and ended then.
    pub(super) fn answer(&self, answer: Answer, began_at: Instant, ended_at: Instant) {
        if matches!(answer, Answer::Lost(_) | Answer::Failed(_)) && self.head.purpose == Purpose::Speculative
        {
            self.feed.lost.fetch_max(key(&self.head), Ordering::AcqRel);
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
    pub(super) post: Post,
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

//! One request on its way between the thread that asks and the thread that keeps the processes, and what comes back.

use std::time::Duration;

use crossbeam::channel::Sender;
use models::Transcription;

/// What one recogniser asks for.
#[derive(Debug)]
pub(super) struct Request {
    /// In its frame.
    pub(super) id: u64,
    /// As it goes over the pipe. Comes back with the reply: its storage is reused.
    pub(super) frame: Vec<u8>,
    /// Longest time from being handed to a process to the answer.
    pub(super) limit: Duration,
    /// Nothing else may be at work in its process: it was there when one was lost.
    pub(super) is_alone: bool,
    /// Where the reply goes: a channel for one.
    pub(super) reply: Sender<Reply>,
}

/// What became of a request.
#[derive(Debug)]
pub(super) struct Reply {
    /// Storage of the request.
    pub(super) frame: Vec<u8>,
    /// What the process answered: the words, or why there are none.
    pub(super) outcome: Result<Result<Transcription, String>, Lost>,
}

/// A request without an answer.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    /// Why, in words.
    pub(super) cause: String,
    /// What a second try is worth.
    pub(super) retry: Retry,
}

/// Whether a request is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// No: it took too long, and would again; or there is nothing to try it with.
    Never,
    /// If it is the first time: it may be what the process died of.
    Once,
    /// Yes, and this does not count: another request ran out of time.
    Free,
}

impl Request {
    /// Hands over what became of it. Who asked waits for it, or is gone.
    pub(super) fn answer(self, outcome: Result<Result<Transcription, String>, Lost>) {
        let _ = self.reply.send(Reply { frame: self.frame, outcome });
    }
}

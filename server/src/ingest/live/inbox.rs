//! The end of the queue on which bytes, titles and states of a connection arrive, as something that a decoder reads.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use engine::event::{Feed, FeedState, Metadata};
use tokio::sync::mpsc;

use super::{Out, Received, state};
use crate::ingest::decode::{Decoded, Hint};
use crate::ingest::error::IngestError;
use crate::ingest::hls::Part;

/// What the task that receives has to say, in order.
pub(in crate::ingest) enum Message {
    /// A stretch begins: bytes follow, and the first of them were heard `age` before they arrived.
    Opened { number: u64, hint: Hint, age: Duration },
    /// Bytes of the stream, which arrived then.
    Bytes { bytes: Bytes, at: Instant },
    /// What is playing from here on.
    Metadata(Metadata),
    /// An utterance ends here.
    Endpoint,
    /// No bytes for a while.
    Stalled,
    /// The stretch is over.
    Closed,
    /// Of a playlist. It belongs to no stretch.
    Part(Part),
    /// A state. Bytes that follow it without a new stretch go on where the last ones ended.
    Feed(Feed),
    /// It is over.
    Failed(IngestError),
}

/// Reads one stretch after the other.
pub(super) struct Inbox {
    messages: mpsc::Receiver<Message>,
    out: mpsc::Sender<Out>,
    undecodable_after: Duration,
    bytes: Bytes,
    closed: bool,
    live: bool,
    /// Nothing came for a while since the last audio.
    stalled: bool,
    first_at: Option<Instant>,
    last_at: Instant,
    /// When the first bytes arrived after the last audio.
    dry_since: Option<Instant>,
}

impl Inbox {
    pub(super) fn new(
        messages: mpsc::Receiver<Message>,
        out: mpsc::Sender<Out>,
        undecodable_after: Duration,
    ) -> Self {
        Self {
            messages,
            out,
            undecodable_after,
            bytes: Bytes::new(),
            closed: true,
            live: false,
            stalled: false,
            first_at: None,
            last_at: Instant::now(),
            dry_since: None,
        }
    }

    /// Waits until there are bytes, or the stretch is over.
    fn fill(&mut self) -> io::Result<()> {
        while self.bytes.is_empty() && !self.closed {
            match self.messages.blocking_recv() {
                Some(Message::Bytes { bytes, at }) => self.arrived(bytes, at)?,
                Some(Message::Metadata(metadata)) => {
                    self.say(Received::Decoded(Decoded::Metadata(metadata)))?
                }
                Some(Message::Endpoint) => self.say(Received::Endpoint)?,
                Some(Message::Feed(feed)) => {
                    (self.live, self.dry_since) = (false, None);
                    self.say(Received::Feed(feed))?;
                }
                Some(Message::Stalled) => {
                    (self.live, self.stalled, self.dry_since) = (false, true, None);
                    self.say(Received::Endpoint)?;
                    self.say(Received::Feed(state(FeedState::Stalled, None)))?;
                }
                Some(Message::Closed | Message::Opened { .. } | Message::Part(_) | Message::Failed(_))
                | None => self.closed = true,
            }
        }
        Ok(())
    }

    fn arrived(&mut self, bytes: Bytes, at: Instant) -> io::Result<()> {
        self.first_at.get_or_insert(at);
        self.last_at = at;
        self.bytes = bytes;
        let dry = at.saturating_duration_since(*self.dry_since.get_or_insert(at));
        if dry >= self.undecodable_after {
            return Err(io::Error::other(format!("bytes for {dry:.1?}, and no audio in them")));
        }
        Ok(())
    }

    fn say(&self, received: Received) -> io::Result<()> {
        let sent = self.out.blocking_send(Out::Received(received));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody listens"))
    }
}

/// A handle to the inbox: the decoder owns one, the thread another. They take turns.
#[derive(Clone)]
pub(super) struct Pipe(Arc<Mutex<Inbox>>);

impl Pipe {
    pub(super) fn new(inbox: Inbox) -> Self {
        Self(Arc::new(Mutex::new(inbox)))
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message, between connections.
    pub(super) fn recv(&self) -> Option<Message> {
        self.lock().messages.blocking_recv()
    }

    /// A stretch begins.
    pub(super) fn begin(&self) {
        let mut inbox = self.lock();
        (inbox.closed, inbox.live, inbox.stalled) = (false, false, false);
        (inbox.first_at, inbox.dry_since) = (None, None);
        inbox.bytes = Bytes::new();
    }

    /// Whether the stretch is over.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Audio came out. Answers when its last byte arrived: symphonia reads on only when it needs more.
    pub(super) fn audio(&self) -> Instant {
        let mut inbox = self.lock();
        inbox.dry_since = None;
        inbox.last_at
    }

    /// Whether the feed was not live until now.
    pub(super) fn goes_live(&self) -> bool {
        !std::mem::replace(&mut self.lock().live, true)
    }

    /// Whether nothing came for a while before the latest audio.
    pub(super) fn was_stalled(&self) -> bool {
        std::mem::take(&mut self.lock().stalled)
    }

    /// When the first bytes of this stretch arrived.
    pub(super) fn first_at(&self) -> Option<Instant> {
        self.lock().first_at
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut inbox = self.lock();
        inbox.fill()?;
        let n = inbox.bytes.len().min(buffer.len());
        inbox.bytes.copy_to_slice(buffer.get_mut(..n).unwrap_or(&mut []));
        Ok(n)
    }
}

//! A live stream: a network task receives, a thread decodes, and whoever pulls gets frames and states in one order.
//!
//! ```text
//! task "receive" ── Message, bounded ──> thread "decode" ── Out, bounded ──> Live::pull
//! ```
//!
//! Nothing overtakes: a stall, a title or a lost connection comes out at its place among the frames. Where the puller
//! is slow, both queues fill, the task stops reading and the server sees a slow listener; memory stays bounded.
//!
//! **Media time over a stall.** Where nothing came for a while on an open connection, and then no more at once than can be
//! heard in the time, the source was silent: the time is a gap.
//!
//! **Media time over a reconnection.** A server sends a burst of old audio to new listeners. Where the end of the old
//! connection is found in it the stream goes on from there, without a gap (see [`stitch`]). Otherwise the stretch ends
//! with its last frame, and the next one begins `elapsed` later: from the arrival of the last bytes that gave audio to
//! the arrival of the burst's last ones, less the length of the burst, on the monotonic clock. So the feed runs ahead
//! of the clock by the burst of its first connection only; latency is to be measured from the live edge.

mod backoff;
mod child;
mod dock;
mod execute;
mod inbox;
mod receive;
mod spout;
mod stall;
mod stitch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::queue::ArrayQueue;
use engine::event::{Feed, FeedState, GapReason, Metadata};
use engine::time::MediaTime;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

pub(super) use backoff::Backoff;
pub use backoff::BackoffConfig;
pub use dock::{Closed, Dock, Gone, Handed, Visitor};
pub(super) use spout::Spout;

use super::decode::{Decoded, Hint, Origin, Planes};
use super::error::IngestError;
use super::hls::{Anchor, Mark, Part, Player, Said, Stop};
use super::http::{Address, HttpLimits};
use super::reader::Reader;
pub(super) use inbox::Message;
use inbox::{Inbox, Pipe};
pub(super) use receive::{Abandoned, Outlet};
use stall::{Account, Stall};

/// Pieces of a body between task and thread: 1 MiB at most.
const MESSAGES: usize = 32;
/// Packets of frames between thread and puller: about a second.
const PACKETS: usize = 48;

/// What an address may lead to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wants {
    /// A live stream, or a recording at the pace at which it would be heard.
    #[default]
    Anything,
    /// A recording (HLS), as fast as it goes.
    Recording,
}

/// How a live stream is kept alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveConfig {
    /// What is listened to.
    pub wants: Wants,
    /// Time limits of a request.
    pub http: HttpLimits,
    /// Connect again, for ever, when a stream ends or breaks. Otherwise it ends with it.
    pub reconnect: bool,
    /// Attempts at the very first connection; a server that refuses, or sends no audio, gets one. `None`: it is tried
    /// for ever, whatever the answer, as after a connection that worked.
    pub first_attempts: Option<u32>,
    /// Waits between attempts.
    pub backoff: BackoffConfig,
    /// Without a byte for so long the feed is stalled.
    pub stalled_after: Duration,
    /// Without a byte for so long the connection is given up.
    pub dead_after: Duration,
    /// With bytes, but no audio, for so long the connection is given up.
    pub undecodable_after: Duration,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            wants: Wants::default(),
            http: HttpLimits::default(),
            reconnect: true,
            first_attempts: Some(3),
            backoff: BackoffConfig::default(),
            stalled_after: Duration::from_secs(2),
            dead_after: Duration::from_secs(15),
            undecodable_after: Duration::from_secs(5),
        }
    }
}

/// What comes out of a live stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Received {
    /// What a decoder says; frames lie in [`Live::planes`].
    Decoded(Decoded),
    /// The connection changed its state.
    Feed(Feed),
    /// An utterance ends here.
    Endpoint,
    /// What follows was heard then, says the source.
    Wall(Timestamp),
    /// Which segment of the source follows.
    Anchor(Anchor),
    /// Something that the source marked.
    Mark(Mark),
    /// The source was away for so long before what follows.
    Away {
        /// Monotonic time from the last bytes with audio to the next ones.
        elapsed: Duration,
        /// Disconnected, or connected but without audio.
        reason: GapReason,
    },
}

enum Out {
    Received(Received),
    Frames { planes: Planes, at: Instant },
    Failed(IngestError),
}

/// What task and thread share besides their queue.
#[derive(Default)]
struct Shared {
    /// Number of the connection that the decoder wants to be given up.
    give_up: watch::Sender<u64>,
    /// Audio came out of the present connection.
    heard: AtomicBool,
}

/// A live stream that is being received.
pub(super) struct Live {
    out: mpsc::Receiver<Out>,
    spare: Arc<ArrayQueue<Planes>>,
    planes: Planes,
    received_at: Instant,
    title: Option<Metadata>,
    receiving: AbortHandle,
}

impl Live {
    /// Starts to receive on `runtime`. Blocks for nothing; a failed first connection is the first thing pulled.
    pub(super) fn start(address: Address, config: LiveConfig, runtime: &Handle) -> Result<Self, IngestError> {
        let receive = |messages, shared| {
            runtime.spawn(receive::run(address.clone(), config, messages, shared)).abort_handle()
        };
        Self::decoding(address.to_string(), config, receive)
    }

    /// Starts a feed whose bytes are brought to the dock; `place` names it in errors.
    pub(super) fn docked(
        place: String,
        config: LiveConfig,
        runtime: &Handle,
    ) -> Result<(Self, Dock), IngestError> {
        let (dock, quay) = dock::dock();
        let receive = |messages, shared| {
            runtime.spawn(dock::run(quay, place.clone(), config, messages, shared)).abort_handle()
        };
        Ok((Self::decoding(place.clone(), config, receive)?, dock))
    }

    fn decoding(
        place: String,
        config: LiveConfig,
        receive: impl FnOnce(mpsc::Sender<Message>, Arc<Shared>) -> AbortHandle,
    ) -> Result<Self, IngestError> {
        let (message_tx, message_rx) = mpsc::channel(MESSAGES);
        let (out_tx, out_rx) = mpsc::channel(PACKETS);
        let shared = Arc::new(Shared::default());
        let spare = Arc::new(ArrayQueue::new(PACKETS));
        let decoding = Decoding {
            place: place.clone(),
            config,
            inbox: Pipe::new(Inbox::new(message_rx, out_tx.clone(), config.undecodable_after)),
            out: out_tx,
            spare: Arc::clone(&spare),
            shared: Arc::clone(&shared),
            edge: None,
            age: Duration::ZERO,
            was_heard: false,
            player: Player::new(place.clone(), config.first_attempts.is_none()),
        };
        let failed = |source| IngestError::Read { place, byte: 0, source };
        thread::Builder::new().name("decode".into()).spawn(move || decoding.run()).map_err(failed)?;
        let receiving = receive(message_tx, shared);
        let (planes, received_at) = (Planes::default(), Instant::now());
        Ok(Self { out: out_rx, spare, planes, received_at, title: None, receiving })
    }

    /// Waits for what comes next; `None` at the end. Must not be called on a thread of the runtime.
    pub(super) fn pull(&mut self) -> Result<Option<Received>, IngestError> {
        match self.next() {
            None => Ok(None),
            Some(Out::Received(received)) => Ok(Some(received)),
            Some(Out::Failed(error)) => Err(error),
            Some(Out::Frames { planes, at }) => {
                let used = std::mem::replace(&mut self.planes, planes);
                // A full queue of spares is no loss: the storage is freed.
                let _ = self.spare.push(used);
                self.received_at = at;
                Ok(Some(Received::Decoded(Decoded::Frames)))
            }
        }
    }

    /// What comes next. A title is said once: servers say it again at each connection.
    fn next(&mut self) -> Option<Out> {
        loop {
            let out = self.out.blocking_recv()?;
            let Out::Received(Received::Decoded(Decoded::Metadata(metadata))) = &out else {
                return Some(out);
            };
            if self.title.as_ref() != Some(metadata) {
                self.title = Some(metadata.clone());
                return Some(out);
            }
        }
    }

    /// The frames of the last [`Decoded::Frames`].
    #[must_use]
    pub(super) fn planes(&self) -> &Planes {
        &self.planes
    }

    /// When the last byte of those frames arrived.
    #[must_use]
    pub(super) fn received_at(&self) -> Instant {
        self.received_at
    }

    /// Ends it from another thread: what was received is still pulled, then it is over.
    #[must_use]
    pub(super) fn stopper(&self) -> AbortHandle {
        self.receiving.clone()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.receiving.abort();
    }
}

/// The end of a live stream was reached by whoever pulls: nobody listens any more.
pub(super) struct Deaf;

/// The thread that decodes, one connection after the other.
struct Decoding {
    place: String,
    config: LiveConfig,
    inbox: Pipe,
    out: mpsc::Sender<Out>,
    spare: Arc<ArrayQueue<Planes>>,
    shared: Arc<Shared>,
    /// Arrival of the last bytes with audio, and why there was none after it.
    edge: Option<(Instant, GapReason)>,
    /// How long before its arrival the first of this stretch was heard.
    age: Duration,
    was_heard: bool,
    /// Plays the segments of playlists.
    player: Player,
}

impl Decoding {
    fn run(mut self) {
        while let Some(message) = self.inbox.recv() {
            let going = match message {
                Message::Opened { number, hint, age } => {
                    self.age = age;
                    self.stretch(number, &hint)
                }
                Message::Feed(feed) => {
                    self.player.rest();
                    self.say(Received::Feed(feed))
                }
                Message::Part(part) => self.play(part),
                Message::Endpoint if self.player.is_live() => self.say(Received::Endpoint),
                Message::Failed(error) => self.out.blocking_send(Out::Failed(error)).map_err(|_| Deaf),
                // Left over from a stretch that was given up.
                Message::Bytes { .. }
                | Message::Metadata(_)
                | Message::Endpoint
                | Message::Stalled
                | Message::Closed => Ok(()),
            };
            if going.is_err() {
                return;
            }
        }
    }

    fn stretch(&mut self, number: u64, hint: &Hint) -> Result<(), Deaf> {
        self.inbox.begin();
        let origin = Origin::Stream(Box::new(self.inbox.clone()));
        let ended = match Reader::open(&self.place, origin, hint) {
            Ok(mut reader) => self.drain(&mut reader)?,
            Err(error) => Err(error),
        };
        self.shared.give_up.send_replace(number);
        match ended {
            Ok(()) => Ok(()),
            Err(error) => self.failed(error),
        }
    }

    /// Plays a part of a playlist.
    fn play(&mut self, part: Part) -> Result<(), Deaf> {
        let Self { player, out, spare, .. } = self;
        let mut say = |said: Said<'_>| {
            let next = match said {
                Said::Received(received) => Out::Received(received),
                Said::Frames(frames, at) => {
                    let mut planes = spare.pop().unwrap_or_default();
                    planes.copy_from(frames);
                    Out::Frames { planes, at }
                }
            };
            out.blocking_send(next).map_err(|_| Deaf)
        };
        match player.take(part, &mut say) {
            Ok(()) => Ok(()),
            Err(Stop::Deaf) => Err(Deaf),
            Err(Stop::Failed(error)) => {
                let _ = self.out.blocking_send(Out::Failed(error));
                Err(Deaf)
            }
        }
    }

    /// The decoder failed. A connection that broke off is no riddle, and the task says what became of it.
    fn failed(&mut self, error: IngestError) -> Result<(), Deaf> {
        let may_get_better = matches!(error, IngestError::Undecodable { .. } | IngestError::Read { .. });
        let broke_off = self.inbox.is_closed() && (may_get_better || self.inbox.first_at().is_none());
        let is_over = if self.config.reconnect {
            self.config.first_attempts.is_some() && !self.was_heard && !may_get_better && !broke_off
        } else {
            !self.was_heard || !broke_off
        };
        if is_over {
            let _ = self.out.blocking_send(Out::Failed(error));
            return Err(Deaf);
        }
        if broke_off {
            return Ok(());
        }
        if let Some((_, reason)) = &mut self.edge {
            *reason = GapReason::Undecodable;
        }
        self.say(Received::Endpoint)?;
        self.say(Received::Feed(state(FeedState::Undecodable, Some(error.to_string()))))
    }

    /// Decodes until the connection ends. The inner result is the decoder's.
    fn drain(&mut self, reader: &mut Reader) -> Result<Result<(), IngestError>, Deaf> {
        let mut joined = false;
        let mut rate = None;
        let mut stall: Option<Stall> = None;
        let mut account = Account::default();
        let ended = loop {
            let mut decoded = match reader.next() {
                Ok(Some(decoded)) => decoded,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            if !std::mem::replace(&mut joined, true) {
                self.join()?;
            }
            if decoded != Decoded::Frames {
                self.settle(stall.take(), &mut account)?;
                match (&mut decoded, rate) {
                    (Decoded::Stream(stream), _) => rate = Some(stream.format.rate()),
                    (Decoded::Lost(lost), Some(rate)) => {
                        lost.frames =
                            account.stream_says(MediaTime::from_frames(lost.frames, rate)).to_frames(rate);
                        if lost.frames == 0 {
                            continue;
                        }
                    }
                    _ => {}
                }
                self.say(Received::Decoded(decoded))?;
                continue;
            }
            let at = self.inbox.audio();
            let edge = self.edge.replace((at, GapReason::Disconnect));
            self.was_heard = true;
            self.shared.heard.store(true, Relaxed);
            if self.inbox.goes_live() {
                self.say(Received::Feed(state(FeedState::Live, None)))?;
            }
            if self.inbox.was_stalled() {
                self.settle(stall.take(), &mut account)?;
                stall = edge.map(|(edge, _)| Stall::new(edge + account.lost(), at));
            }
            let mut planes = self.spare.pop().unwrap_or_default();
            planes.copy_from(reader.planes());
            if let Some(rate) = rate {
                account.heard(MediaTime::from_frames(planes.n_frames() as u64, rate));
            }
            match (&mut stall, rate) {
                (Some(stall), Some(rate)) => stall.hold(planes, at, rate),
                _ => self.send(planes, at)?,
            }
            if stall.as_ref().is_some_and(Stall::is_judged) {
                self.settle(stall.take(), &mut account)?;
            }
        };
        self.settle(stall, &mut account)?;
        Ok(ended)
    }

    /// Lets go of what was held since a stall, behind the time that was lost in it.
    fn settle(&mut self, stall: Option<Stall>, account: &mut Account) -> Result<(), Deaf> {
        let Some(stall) = stall else { return Ok(()) };
        let (missing, held) = stall.end();
        if let Some(elapsed) = missing {
            account.we_say(elapsed);
            self.say(Received::Away { elapsed, reason: GapReason::Disconnect })?;
        }
        held.into_iter().try_for_each(|(planes, at)| self.send(planes, at))
    }

    fn send(&self, planes: Planes, at: Instant) -> Result<(), Deaf> {
        self.out.blocking_send(Out::Frames { planes, at }).map_err(|_| Deaf)
    }

    /// A new stretch gives audio: says how long there was none.
    fn join(&mut self) -> Result<(), Deaf> {
        let Some((edge, reason)) = self.edge.take() else { return Ok(()) };
        let first_at = self.inbox.first_at().map_or(Duration::ZERO, |at| at.saturating_duration_since(edge));
        let elapsed = first_at.saturating_sub(self.age);
        self.say(Received::Away { elapsed, reason })
    }

    fn say(&self, received: Received) -> Result<(), Deaf> {
        self.out.blocking_send(Out::Received(received)).map_err(|_| Deaf)
    }
}

/// A state of the connection, without a format.
pub(super) fn state(state: FeedState, reason: Option<String>) -> Feed {
    Feed { state, reason, codec: None, rate_hz: None, channels: None }
}

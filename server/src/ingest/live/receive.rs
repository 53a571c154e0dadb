//! The task that receives: connects, cuts metadata out of the body, stamps arrivals, reconnects, and drops what was
//! received before. Decodes nothing but the length of what a new connection begins with.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::event::FeedState;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::inbox::Message;
use super::stitch::{Held, Tail};
use super::{LiveConfig, Shared, Wants};
use crate::ingest::decode::{Decoded, Hint, Origin};
use crate::ingest::error::IngestError;
use crate::ingest::hls::{Listening, Over};
use crate::ingest::http::icy::{Demux, Piece};
use crate::ingest::http::{self, Address, Found, HttpError, Response};
use crate::ingest::reader::Reader;

/// Whoever decodes is gone.
pub(in crate::ingest) struct Abandoned;

/// The way to the thread that decodes.
pub(in crate::ingest) struct Outlet {
    pub(super) messages: mpsc::Sender<Message>,
    pub(super) shared: Arc<Shared>,
}

impl Outlet {
    /// What `bytes` answers, which sends the bytes of connection `number`. `None`: the decoder gave that up before.
    pub(super) async fn unless_given_up(
        &self,
        number: u64,
        bytes: impl Future<Output = Result<String, Abandoned>>,
    ) -> Result<Option<String>, Abandoned> {
        let mut given_up = self.shared.give_up.subscribe();
        tokio::select! {
            biased;
            _ = given_up.wait_for(|&given_up| given_up == number) => Ok(None),
            reason = bytes => reason.map(Some),
        }
    }

    pub(in crate::ingest) async fn tell(&self, state: FeedState, reason: String) -> Result<(), Abandoned> {
        self.send(Message::Feed(super::state(state, Some(reason)))).await
    }

    pub(in crate::ingest) async fn send(&self, message: Message) -> Result<(), Abandoned> {
        self.messages.send(message).await.map_err(|_| Abandoned)
    }
}

/// Why a connection ended that the decoder had enough of.
pub(super) const GIVEN_UP: &str = "given up";

pub(super) async fn run(
    address: Address,
    config: LiveConfig,
    messages: mpsc::Sender<Message>,
    shared: Arc<Shared>,
) {
    let outlet = Outlet { messages, shared };
    let (tail, number) = (Tail::default(), 0);
    let hls = Listening::new(config);
    let mut receiving = Receiving {
        address,
        config,
        outlet,
        tail,
        number,
        is_open: false,
        is_heard: false,
        hls,
        is_hls: false,
    };
    // An abandoned feed has nobody to tell.
    let _ = receiving.run().await;
}

struct Receiving {
    address: Address,
    config: LiveConfig,
    outlet: Outlet,
    tail: Tail,
    /// Number of the stretch that the decoder is at.
    number: u64,
    /// Whether it waits for more of that.
    is_open: bool,
    /// Whether that gave audio: nothing is joined to what the decoder does not understand.
    is_heard: bool,
    /// How far a playlist was followed.
    hls: Listening,
    /// Segments of a playlist were received.
    is_hls: bool,
}

impl Receiving {
    async fn run(&mut self) -> Result<(), Abandoned> {
        let mut backoff = Backoff::new(self.config.backoff);
        let mut first_attempts = 0;
        loop {
            let found = http::find(&self.address, &self.config.http).await;
            let reason = match self.listen(found).await? {
                Ok(Listened::Ended(reason)) => {
                    return self.outlet.tell(FeedState::Ended, reason).await;
                }
                Ok(Listened::Stream(response)) => {
                    let reason = self.connection(*response).await?;
                    if self.outlet.shared.heard.swap(false, Relaxed) {
                        backoff.reset();
                        self.is_heard = true;
                    }
                    if !self.tail.is_whole() {
                        self.close().await?;
                    }
                    if !self.config.reconnect {
                        self.close().await?;
                        return self.outlet.tell(FeedState::Ended, reason).await;
                    }
                    reason
                }
                Err(error) => {
                    if self.hls.was_good() {
                        (first_attempts, self.is_hls) = (0, true);
                        backoff.reset();
                    }
                    first_attempts += 1;
                    if let Some(last) = self.last_word(&error, first_attempts) {
                        return self.outlet.send(last).await;
                    }
                    // It is not over in a moment: what was said is said.
                    self.outlet.send(Message::Endpoint).await?;
                    error.to_string()
                }
            };
            let wait = backoff.next();
            let reason = format!("{reason}; next attempt in {wait:.1?}");
            self.outlet.tell(FeedState::Reconnecting, reason).await?;
            sleep(wait).await;
        }
    }

    /// Listens to what was found, as long as it is a playlist.
    async fn listen(
        &mut self,
        found: Result<Found, HttpError>,
    ) -> Result<Result<Listened, HttpError>, Abandoned> {
        let page = match found {
            Ok(Found::Hls(page)) => page,
            Ok(Found::Stream(response)) if self.config.wants == Wants::Anything => {
                return Ok(Ok(Listened::Stream(response)));
            }
            Ok(Found::Stream(response)) => {
                return Ok(Err(HttpError::Live(response.address)));
            }
            Err(error) => return Ok(Err(error)),
        };
        // Nothing goes on from a stream to a playlist.
        self.close().await?;
        Ok(match self.hls.listen(page, &self.outlet).await? {
            Over::Ended(reason) => Ok(Listened::Ended(reason)),
            Over::Lost(error) => Err(error),
        })
    }

    /// What is said where it is not tried again.
    fn last_word(&self, error: &HttpError, n_attempts: u32) -> Option<Message> {
        let has_begun = self.number > 0 || self.is_hls;
        if has_begun && self.is_hls && !self.config.reconnect && self.config.wants == Wants::Anything {
            return Some(Message::Feed(super::state(FeedState::Ended, Some(error.to_string()))));
        }
        let is_over = if has_begun {
            self.is_hls && !self.config.reconnect
        } else {
            self.is_hopeless(error, n_attempts)
        };
        is_over.then(|| Message::Failed(self.unreachable(error, n_attempts)))
    }

    /// Whether the first connection is not tried again.
    fn is_hopeless(&self, error: &HttpError, n_attempts: u32) -> bool {
        let refused = matches!(error, HttpError::Refused(_) | HttpError::Live(_));
        self.config.first_attempts.is_some_and(|attempts| refused || n_attempts >= attempts)
    }

    /// Receives until the connection is over. Answers why. The decoder is not told where the next connection may go on
    /// with what it has.
    async fn connection(&mut self, response: Response) -> Result<String, Abandoned> {
        let (content_type, extension) = (response.content_type.clone(), response.address.extension());
        let hint = Hint { content_type, extension, pcm: None };
        self.outlet.tell(FeedState::Connected, response.address.to_string()).await?;
        if self.is_open && *self.outlet.shared.give_up.borrow() == self.number {
            self.close().await?;
        }
        let mut tap = Tap::new(response, &self.config);
        let held = if self.tail.at().is_some() { self.hold(&mut tap).await? } else { Held::default() };
        let seam = self.join(&held, hint).await?;
        let (number, outlet, tail) = (self.number, &self.outlet, &mut self.tail);
        let bytes = pass(tap, held, seam, outlet, tail);
        let ended = self.outlet.unless_given_up(number, bytes).await?;
        if ended.is_none() {
            self.close().await?;
        }
        Ok(ended.map_or_else(|| GIVEN_UP.to_owned(), |reason| format!("{}: {reason}", self.address)))
    }

    /// The first of a new connection, as far as it may have been received before.
    async fn hold(&self, tap: &mut Tap) -> Result<Held, Abandoned> {
        let mut held = Held::default();
        while !held.is_full() {
            match tap.next(held.until()).await {
                Arrival::Bytes(bytes, at) => held.take(bytes, at, &mut tap.demux, &self.tail),
                Arrival::Stalled => self.outlet.send(Message::Stalled).await?,
                Arrival::Nothing => break,
                Arrival::Ended(reason) => {
                    held.ended = Some(reason);
                    break;
                }
            }
        }
        Ok(held)
    }

    /// Lets the decoder go on, or begin anew. Answers from where in `held`.
    async fn join(&mut self, held: &Held, hint: Hint) -> Result<usize, Abandoned> {
        // Decoding may have lagged behind until now.
        let is_heard = self.is_heard || self.outlet.shared.heard.load(Relaxed);
        let may_go_on = self.is_open && is_heard;
        if let Some(seam) = held.only_seam(&self.tail).filter(|_| may_go_on) {
            return Ok(seam);
        }
        let length = length(held.audio(), hint.clone()).await;
        if let Some(seam) = held.seam(&self.tail, length).filter(|_| may_go_on) {
            return Ok(seam);
        }
        self.close().await?;
        self.number += 1;
        let opened = Message::Opened { number: self.number, hint, age: held.age(length) };
        self.outlet.send(opened).await?;
        (self.is_open, self.is_heard) = (true, false);
        Ok(0)
    }

    /// Nothing more follows on what the decoder had.
    async fn close(&mut self) -> Result<(), Abandoned> {
        self.tail.forget();
        if std::mem::take(&mut self.is_open) { self.outlet.send(Message::Closed).await } else { Ok(()) }
    }

    fn unreachable(&self, error: &HttpError, n_attempts: u32) -> IngestError {
        let place = self.address.to_string();
        if matches!(error, HttpError::Live(_)) {
            return IngestError::Usage { place, found: "a live stream".into(), expected: RECORDING };
        }
        // The message may be about another address, to which this one led.
        let text = error.to_string();
        let reason = text.strip_prefix(&format!("{place}: ")).unwrap_or(&text);
        let tried = if n_attempts > 1 { format!(" ({n_attempts} attempts)") } else { String::new() };
        IngestError::Unreachable { place, reason: format!("{reason}{tried}") }
    }
}

const RECORDING: &str = "a recording (HLS); `aircheck watch` is for live streams";

/// What became of what was found at an address.
enum Listened {
    /// It is a stream.
    Stream(Box<Response>),
    /// It was a playlist, and has ended.
    Ended(String),
}

/// Sends what was held from `seam` on, and what follows it, until the connection is over. Answers why.
async fn pass(
    mut tap: Tap,
    mut held: Held,
    seam: usize,
    outlet: &Outlet,
    tail: &mut Tail,
) -> Result<String, Abandoned> {
    let ended = held.ended.take();
    for (piece, at) in held.from(seam) {
        send(piece, at, outlet, tail).await?;
    }
    if let Some(reason) = ended {
        return Ok(reason);
    }
    loop {
        match tap.next(None).await {
            Arrival::Bytes(mut bytes, at) => {
                while let Some(piece) = tap.demux.next(&mut bytes) {
                    send(piece, at, outlet, tail).await?;
                }
            }
            Arrival::Stalled => outlet.send(Message::Stalled).await?,
            Arrival::Nothing => {}
            Arrival::Ended(reason) => return Ok(reason),
        }
    }
}

async fn send(piece: Piece, at: Instant, outlet: &Outlet, tail: &mut Tail) -> Result<(), Abandoned> {
    let message = match piece {
        Piece::Audio(bytes) => {
            tail.take(&bytes, at);
            Message::Bytes { bytes, at }
        }
        Piece::Metadata(metadata) => Message::Metadata(metadata),
    };
    outlet.send(message).await
}

/// How long `audio` lasts. Zero: nobody can say.
async fn length(audio: Bytes, hint: Hint) -> Duration {
    if audio.is_empty() {
        return Duration::ZERO;
    }
    let measure = move || {
        let mut reader = Reader::open("burst", Origin::Stream(Box::new(Cursor::new(audio))), &hint).ok()?;
        let (mut secs, mut rate_hz) = (0.0, 0.0);
        while let Ok(Some(decoded)) = reader.next() {
            match decoded {
                Decoded::Stream(stream) => rate_hz = f64::from(stream.format.rate().hz()),
                Decoded::Frames => secs += reader.planes().n_frames() as f64 / rate_hz,
                Decoded::Lost(lost) => secs += lost.frames as f64 / rate_hz,
                Decoded::Metadata(_) | Decoded::Note(_) => {}
            }
        }
        Duration::try_from_secs_f64(secs).ok()
    };
    // Half a MiB takes some tens of milliseconds.
    tokio::task::spawn_blocking(measure).await.ok().flatten().unwrap_or_default()
}

/// What a connection gives next.
enum Arrival {
    Bytes(Bytes, Instant),
    /// Nothing until it was to be waited for.
    Nothing,
    /// Nothing for so long that people should know.
    Stalled,
    /// It is over, and why.
    Ended(String),
}

/// A connection that gives bytes, or too few.
struct Tap {
    response: Response,
    demux: Demux,
    stalled_after: Duration,
    dead_after: Duration,
    is_stalled: bool,
}

impl Tap {
    fn new(response: Response, config: &LiveConfig) -> Self {
        let demux = Demux::new(response.metaint);
        let LiveConfig { stalled_after, dead_after, .. } = *config;
        Self { response, demux, stalled_after, dead_after, is_stalled: false }
    }

    /// Waits until then, or for as long as a connection may be silent.
    async fn next(&mut self, until: Option<Instant>) -> Arrival {
        let Self { stalled_after, dead_after, .. } = *self;
        let silence = if self.is_stalled { dead_after.saturating_sub(stalled_after) } else { stalled_after };
        let patience = until.map_or(silence, |until| until.saturating_duration_since(Instant::now()));
        match timeout(patience, self.response.next()).await {
            Ok(Ok(Some(bytes))) => {
                self.is_stalled = false;
                Arrival::Bytes(bytes, Instant::now())
            }
            Ok(Ok(None)) => Arrival::Ended("the server closed the connection".into()),
            Ok(Err(error)) => Arrival::Ended(error.to_string()),
            Err(_) if until.is_some() => Arrival::Nothing,
            Err(_) if self.is_stalled => Arrival::Ended(format!("no bytes for {dead_after:?}")),
            Err(_) => {
                self.is_stalled = true;
                Arrival::Stalled
            }
        }
    }
}

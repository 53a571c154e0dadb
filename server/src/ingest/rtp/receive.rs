//! The task that receives: takes packets from the socket, lets them be put in order, and hands frames and states on.
//!
//! **Gathering.** Packets shorter than 10 ms are taken from the socket every 10 ms, all that are there: nothing is found
//! out in less than such a hop, and a hundred feeds of 1 ms packets would wake a thread a hundred thousand times a second.
//! Of what was gathered nobody knows when exactly it arrived: it counts as arrived when the gathering began, so that no
//! latency is told shorter than it was.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::event::FeedState;
use engine::time::{MediaTime, SampleRate};
use tokio::net::UdpSocket;
use tokio::time::{sleep, sleep_until, timeout_at};

use super::desk::{Desk, Ready};
use super::order::{Content, Counts, Order, Piece};
use super::packet::Packet;
use super::{Terms, socket};
use crate::ingest::error::IngestError;
use crate::ingest::live::{Backoff, Deaf, LiveConfig, Received, Spout};

/// Time for which short packets are gathered: a hop of the front end.
const GATHER: MediaTime = MediaTime::from_millis(10);
/// Datagrams that are taken in one go; then it is another feed's turn.
const TURN: usize = 256;
/// Largest datagram of all (RFC 768).
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Time between two lines of the log about packets that were left out.
const LOG_EVERY: Duration = Duration::from_secs(60);

pub(super) async fn run(terms: Terms, config: LiveConfig, spout: Spout) {
    let mut receiving = Receiving::new(terms, config, spout);
    // Where nobody listens any more there is nobody to tell.
    let _ = receiving.run().await;
}

struct Receiving {
    terms: Arc<Terms>,
    config: LiveConfig,
    spout: Spout,
    order: Order,
    desk: Desk,
    datagram: Vec<u8>,
    /// Length of the latest packet of audio.
    packet: MediaTime,
    /// Arrival of the latest packet of the feed.
    last_at: Instant,
    /// Since when packets come, and no audio.
    dry: Option<Dry>,
    trouble: Trouble,
    was_heard: bool,
    is_stalled: bool,
    is_down: bool,
    logged: (Instant, Counts),
}

/// Packets without audio.
struct Dry {
    since: Instant,
    is_told: bool,
}

/// Why the latest packet gave no audio.
#[derive(Clone, Copy)]
enum Trouble {
    NotRtp,
    PayloadType(u8),
    Corrupt(usize),
    /// It is audio, but does not follow on any other.
    Order,
}

impl Receiving {
    fn new(terms: Terms, config: LiveConfig, spout: Spout) -> Self {
        let (terms, now) = (Arc::new(terms), Instant::now());
        Self {
            order: Order::new(terms.reorder),
            desk: Desk::new(Arc::clone(&terms), spout.spare(), now),
            terms,
            config,
            spout,
            datagram: vec![0; DATAGRAM_BYTES_MAX],
            packet: MediaTime::ZERO,
            last_at: now,
            dry: None,
            trouble: Trouble::NotRtp,
            was_heard: false,
            is_stalled: false,
            is_down: false,
            logged: (now, Counts::default()),
        }
    }

    async fn run(&mut self) -> Result<(), Deaf> {
        let mut backoff = Backoff::new(self.config.backoff);
        loop {
            let (reason, wait) = match socket::open(&self.terms) {
                Ok(socket) => {
                    backoff.reset();
                    // Another try to join the group costs nothing, and the network may have forgotten us.
                    (self.listen(&socket).await?, Duration::ZERO)
                }
                Err(error) => (format!("cannot receive there: {error}"), backoff.next()),
            };
            if self.config.first_attempts.is_some() && !self.was_heard {
                let place = self.terms.place();
                self.spout.fail(IngestError::Unreachable { place, reason }).await;
                return Ok(());
            }
            let reason = format!("{}: {reason}", self.terms.place());
            if !self.config.reconnect {
                self.desk.turn(FeedState::Ended, Some(reason));
                return self.hand_over().await;
            }
            if !std::mem::replace(&mut self.is_down, true) {
                let reason = format!("{reason}; waiting for the next ones");
                self.desk.say(Received::Endpoint);
                self.desk.turn(FeedState::Reconnecting, Some(reason));
                self.hand_over().await?;
            }
            sleep(wait).await;
        }
    }

    /// Receives until no packets come for too long. Answers why it ended.
    async fn listen(&mut self, socket: &UdpSocket) -> Result<String, Deaf> {
        self.last_at = Instant::now();
        let mut at = self.last_at;
        loop {
            let n = self.take_in(socket, at);
            let now = Instant::now();
            let Self { order, desk, .. } = self;
            order.expire(now, &mut |outcome| desk.take(outcome, String::new));
            self.judge(now);
            self.desk.close();
            self.hand_over().await?;
            self.log(now);
            let silence = now.saturating_duration_since(self.last_at);
            if silence >= self.config.dead_after {
                return Ok(format!("no packets for {:?}", self.config.dead_after));
            }
            if silence >= self.config.stalled_after && !self.is_stalled && !self.is_down {
                self.is_stalled = true;
                self.desk.say(Received::Endpoint);
                self.desk.turn(FeedState::Stalled, None);
                continue;
            }
            at = match n {
                TURN.. => {
                    tokio::task::yield_now().await;
                    at
                }
                1.. if self.packet < GATHER => {
                    let gathered = now + GATHER.to_duration().saturating_sub(self.packet.to_duration());
                    sleep_until(self.order.due().map_or(gathered, |due| due.min(gathered)).into()).await;
                    now
                }
                _ => {
                    let limit = if self.is_stalled || self.is_down {
                        self.config.dead_after
                    } else {
                        self.config.stalled_after
                    };
                    let until = self.last_at + limit;
                    let until = self.order.due().map_or(until, |due| due.min(until));
                    // Whether it is ready, or was waited for long enough, shows in what it gives.
                    let _ = timeout_at(until.into(), socket.readable()).await;
                    Instant::now()
                }
            };
        }
    }

    /// Takes what is there, up to [`TURN`]; it arrived at `at`. Answers how many there were.
    fn take_in(&mut self, socket: &UdpSocket, at: Instant) -> usize {
        for n in 0..TURN {
            let mut datagram = std::mem::take(&mut self.datagram);
            let received = socket.try_recv_from(&mut datagram);
            if let Ok((n_bytes, from)) = &received {
                self.datagram(datagram.get(..*n_bytes).unwrap_or(&[]), *from, at);
            }
            self.datagram = datagram;
            match received {
                Ok(_) => {}
                // Not of a receiver that is connected to nobody; and if so, the next ones may be fine.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
                Err(_) => return n,
            }
        }
        TURN
    }

    fn datagram(&mut self, datagram: &[u8], from: SocketAddr, at: Instant) {
        if !self.terms.is_from(from.ip()) {
            return self.order.foreign();
        }
        self.last_at = self.last_at.max(at);
        let Some(packet) = Packet::parse(datagram) else {
            self.order.foreign();
            return self.note(at, Trouble::NotRtp);
        };
        let Packet { payload_type, sequence, timestamp, ssrc, payload } = packet;
        let codec = self.terms.codec(payload_type);
        let rate = codec.map_or(SampleRate::HZ_16000, |codec| codec.format.rate());
        let (content, trouble) = match codec.map(|codec| codec.n_frames(payload)) {
            Some(Some(n_frames)) => {
                self.packet = MediaTime::from_frames(u64::from(n_frames), rate);
                (Content::Audio(n_frames), Trouble::Order)
            }
            Some(None) => (Content::Corrupt, Trouble::Corrupt(payload.len())),
            None => (Content::Other, Trouble::PayloadType(payload_type)),
        };
        let piece = Piece { ssrc, payload_type, rate, sequence, timestamp, content };
        let desk = &mut self.desk;
        self.order.take(piece, payload, at, &mut |outcome| desk.take(outcome, || from.to_string()));
        self.note(at, trouble);
    }

    /// A packet was taken; if there was no audio, `trouble` is why.
    fn note(&mut self, at: Instant, trouble: Trouble) {
        if self.desk.was_heard() {
            (self.was_heard, self.is_stalled, self.is_down, self.dry) = (true, false, false, None);
        } else {
            self.dry.get_or_insert(Dry { since: at, is_told: false });
            self.trouble = trouble;
        }
    }

    /// Packets without audio for long are told of, once.
    fn judge(&mut self, now: Instant) {
        let Some(dry) = self.dry.as_mut().filter(|dry| !dry.is_told) else { return };
        let time = now.saturating_duration_since(dry.since);
        if time < self.config.undecodable_after {
            return;
        }
        dry.is_told = true;
        let what = match self.trouble {
            Trouble::NotRtp => "they are not RTP".to_owned(),
            Trouble::PayloadType(number) => {
                format!("payload type {number}, expected {}", self.terms.expected())
            }
            Trouble::Corrupt(n_bytes) => {
                format!("payloads of {n_bytes} bytes, which cannot be {}", self.terms.expected())
            }
            Trouble::Order => "their numbers and times do not follow each other".to_owned(),
        };
        let place = self.terms.place();
        let reason = format!("{place}: packets for {time:.1?}, and no audio in them: {what}");
        self.desk.say(Received::Endpoint);
        self.desk.turn(FeedState::Undecodable, Some(reason));
    }

    async fn hand_over(&mut self) -> Result<(), Deaf> {
        let mut ready = std::mem::take(&mut self.desk.ready);
        for ready in ready.drain(..) {
            match ready {
                Ready::Frames(planes, at) => self.spout.frames(planes, at)?,
                Ready::Received(received) => self.spout.say(received).await?,
            }
        }
        self.desk.ready = ready;
        Ok(())
    }

    fn log(&mut self, now: Instant) {
        let (last_at, last) = self.logged;
        let counts = self.order.counts();
        if counts == last || now.saturating_duration_since(last_at) < LOG_EVERY {
            return;
        }
        self.logged = (now, counts);
        let Counts { lost, late, foreign, corrupt } = counts;
        let place = self.terms.place();
        tracing::info!(
            "{place}: packets so far: {lost} lost, {late} late or twice, {corrupt} corrupt, {foreign} foreign"
        );
    }
}

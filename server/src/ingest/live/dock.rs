//! A live feed whose bytes are brought: an encoder that connects to us, a WebSocket. One visitor at a time hands in
//! pieces; who that is and how it is spoken to is not known here.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::event::{FeedState, Metadata};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::inbox::Message;
use super::receive::{Abandoned, GIVEN_UP, Outlet};
use super::{LiveConfig, Shared};
use crate::ingest::decode::Hint;

/// Pieces between a visitor and the feed. More make the visitor wait, and its sender with it.
const PIECES: usize = 4;

/// Something that a visitor hands in.
#[derive(Debug)]
pub enum Handed {
    /// Bytes of the stream, which arrived then.
    Bytes(Bytes, Instant),
    /// What is playing from here on.
    Metadata(Metadata),
    /// What was said so far is an utterance, whatever follows.
    Endpoint,
    /// Why there will be no more.
    End(String),
}

/// A visitor's connection, as the feed sees it.
struct Visit {
    hint: Hint,
    from: String,
    handed: mpsc::Receiver<Handed>,
}

/// Where visitors are let in to a feed.
#[derive(Clone, Debug)]
pub struct Dock {
    visits: mpsc::Sender<Visit>,
    is_taken: Arc<AtomicBool>,
    /// The present visitor's hand, while it is there.
    present: Arc<Mutex<Option<mpsc::WeakSender<Handed>>>>,
}

/// Why a visitor is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Somebody else is there.
    Taken,
    /// The feed is over.
    Over,
}

/// A visitor's hand. Dropped: the visitor is gone, and the next one may come.
#[derive(Debug)]
pub struct Visitor {
    pieces: mpsc::Sender<Handed>,
    is_taken: Arc<AtomicBool>,
}

/// The feed takes nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl Dock {
    /// Lets a visitor in that brings what `hint` says; `from` names it for people.
    pub async fn enter(&self, hint: Hint, from: String) -> Result<Visitor, Closed> {
        if self.is_taken.swap(true, AcqRel) {
            return Err(Closed::Taken);
        }
        let (pieces, handed) = mpsc::channel(PIECES);
        *self.present.lock().unwrap_or_else(PoisonError::into_inner) = Some(pieces.downgrade());
        let visitor = Visitor { pieces, is_taken: Arc::clone(&self.is_taken) };
        // A visitor that is not let in gives its place free when it is dropped.
        self.visits.send(Visit { hint, from, handed }).await.map_err(|_| Closed::Over)?;
        Ok(visitor)
    }

    /// Says what the present visitor plays, where that comes by another way than the visitor's own. Waits while the
    /// feed is behind. An error: no visitor is there.
    pub async fn tell(&self, metadata: Metadata) -> Result<(), Gone> {
        let present = self.present.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let pieces = present.and_then(|pieces| pieces.upgrade()).ok_or(Gone)?;
        pieces.send(Handed::Metadata(metadata)).await.map_err(|_| Gone)
    }

    /// Whether a visitor is there.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.is_taken.load(Acquire)
    }
}

impl Visitor {
    /// Hands something in; waits while the feed is behind.
    pub async fn hand(&self, handed: Handed) -> Result<(), Gone> {
        self.pieces.send(handed).await.map_err(|_| Gone)
    }

    /// Waits until the feed takes nothing any more.
    pub async fn gone(&self) {
        self.pieces.closed().await;
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.is_taken.store(false, Release);
    }
}

/// The feed's side of a dock.
pub(super) struct Quay {
    visits: mpsc::Receiver<Visit>,
}

pub(super) fn dock() -> (Dock, Quay) {
    let (visits, of_visits) = mpsc::channel(1);
    (Dock { visits, is_taken: Arc::default(), present: Arc::default() }, Quay { visits: of_visits })
}

/// Takes in what one visitor after the other brings; without `reconnect` only the first.
pub(super) async fn run(
    mut quay: Quay,
    place: String,
    config: LiveConfig,
    messages: mpsc::Sender<Message>,
    shared: Arc<Shared>,
) {
    let outlet = Outlet { messages, shared };
    // An abandoned feed has nobody to tell.
    let _ = receive(&mut quay, &place, config, &outlet).await;
}

async fn receive(quay: &mut Quay, place: &str, config: LiveConfig, outlet: &Outlet) -> Result<(), Abandoned> {
    let mut number = 0;
    while let Some(visit) = quay.visits.recv().await {
        number += 1;
        let Visit { hint, from, handed } = visit;
        outlet.tell(FeedState::Connected, from).await?;
        outlet.send(Message::Opened { number, hint, age: Duration::ZERO }).await?;
        let bytes = take_in(handed, place, config, outlet);
        let reason = outlet.unless_given_up(number, bytes).await?.unwrap_or_else(|| GIVEN_UP.to_owned());
        if config.reconnect {
            // What was said is said: nobody knows when the next one comes.
            outlet.send(Message::Endpoint).await?;
        }
        outlet.send(Message::Closed).await?;
        if !config.reconnect {
            return outlet.tell(FeedState::Ended, reason).await;
        }
        outlet.tell(FeedState::Reconnecting, format!("{reason}; waiting for the next one")).await?;
    }
    Ok(())
}

/// Takes in what one visitor brings. Answers why it ended.
async fn take_in(
    mut handed: mpsc::Receiver<Handed>,
    place: &str,
    config: LiveConfig,
    outlet: &Outlet,
) -> Result<String, Abandoned> {
    let LiveConfig { stalled_after, dead_after, .. } = config;
    let mut stalled = false;
    loop {
        let patience = if stalled { dead_after.saturating_sub(stalled_after) } else { stalled_after };
        match timeout(patience, handed.recv()).await {
            Ok(Some(Handed::Bytes(bytes, at))) => {
                stalled = false;
                outlet.send(Message::Bytes { bytes, at }).await?;
            }
            Ok(Some(Handed::Metadata(metadata))) => outlet.send(Message::Metadata(metadata)).await?,
            Ok(Some(Handed::Endpoint)) => outlet.send(Message::Endpoint).await?,
            Ok(Some(Handed::End(reason))) => return Ok(reason),
            Ok(None) => return Ok(format!("{place}: the sender is gone")),
            Err(_) if stalled => return Ok(format!("{place}: no bytes for {dead_after:?}")),
            Err(_) => {
                stalled = true;
                outlet.send(Message::Stalled).await?;
            }
        }
    }
}

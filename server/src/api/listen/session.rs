//! One connection: what reads from the client and what writes to it, side by side, until either is done.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, WebSocket};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Limits;
use super::channel::{Channel, Wanted};
use super::pieces::Pieces;
use super::query::Query;
use super::reader::Reader;
use super::wire::{Message, Origin};
use super::writer::Writer;
use crate::config::FeedName;
use crate::service::Guest;

/// Notes from the reader that the writer may be behind.
const NOTES: usize = 16;
/// Time for the client to answer the last frame.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a connection is made of.
pub(super) struct Session {
    pub(super) query: Query,
    /// Who was let in, one for each stream.
    pub(super) guests: Vec<(FeedName, Guest)>,
    pub(super) limits: Limits,
    pub(super) request_id: Arc<str>,
    /// Name of the model.
    pub(super) model: Arc<str>,
}

/// What the reader has to tell the writer.
#[derive(Debug)]
pub(super) enum Note {
    /// To be said to the client.
    Say(Message),
    /// Nothing more comes from the client: what is left is to be said.
    Closing(Sent),
    /// It is over.
    Close(Close),
}

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) sha256: String,
    pub(super) n_bytes: u64,
}

/// Why a connection ends, as the vendor says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// Everything was said.
    Done,
    /// What was sent is no audio that can be decoded.
    NoAudio,
    /// Nothing came from the client for too long.
    Idle,
    /// The service failed, or was too slow.
    Failed,
    /// A message was too long.
    TooLong,
}

impl Close {
    /// RFC 6455, 7.4.1, and the vendor's reasons.
    pub(super) fn frame(self) -> CloseFrame {
        let (code, reason) = match self {
            Self::Done => (1_000, ""),
            Self::NoAudio => (1_008, "DATA-0000: the payload cannot be decoded as audio"),
            Self::Idle => {
                (1_011, "NET-0001: no audio or text message was received within the timeout window")
            }
            Self::Failed => (1_011, "NET-0000: no response could be sent within the timeout window"),
            Self::TooLong => (1_009, "the message is too long"),
        };
        CloseFrame { code, reason: reason.into() }
    }
}

impl Session {
    /// Serves the client to its end.
    pub(super) async fn serve(self, socket: WebSocket) {
        let Self { query, guests, limits, request_id, model } = self;
        let created = jiff::Timestamp::now();
        let (notes, of_reader) = mpsc::channel(NOTES);
        let origin = Arc::new(Origin::new(request_id.to_string(), &model));
        let wanted = Wanted::from(&query);
        let n_streams = guests.len();
        let mut docks = Vec::with_capacity(n_streams);
        let mut streams = Vec::with_capacity(n_streams);
        for (idx, (feed, guest)) in guests.into_iter().enumerate() {
            docks.push(guest.dock);
            let channel = Channel::new([idx, n_streams], wanted, Arc::clone(&origin), guest.whole);
            streams.push((feed, channel, guest.events, guest.done));
        }
        let (sink, stream) = socket.split();
        let reader = Reader { stream, notes, limits, request_id, pieces: Pieces::new(query.streams()) };
        let Some(writer) = Writer::new(sink, of_reader, streams, limits) else { return };
        let reading = reader.run(&docks, query.hint());
        let writing = writer.run(&query, &origin, created);
        tokio::pin!(reading, writing);
        tokio::select! {
            // A client whose side is closed may still read; where it does not, writing fails.
            is_there = &mut reading => if is_there { writing.await },
            () = &mut writing => {
                // Too late for an answer: the connection is dropped.
                let _ = timeout(FAREWELL, reading).await;
            }
        }
    }
}

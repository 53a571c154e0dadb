//! The half of a connection that reads: audio to the feeds, in order with what is asked for between it. A feed that is
//! behind makes it wait, and TCP the client.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::ws::{self, WebSocket};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::{Instant as Moment, timeout_at};

use super::Limits;
use super::ids::hex;
use super::pieces::Pieces;
use super::session::{Close, Note, Sent};
use super::wire::{Message, Said};
use crate::ingest::{Dock, Handed, Hint, Visitor};

/// Longest part of a message that is sent back because it makes no sense, characters.
const ECHO_CHARS_MAX: usize = 500;

/// See the module.
pub(super) struct Reader {
    pub(super) stream: SplitStream<WebSocket>,
    pub(super) notes: mpsc::Sender<Note>,
    pub(super) limits: Limits,
    pub(super) request_id: Arc<str>,
    pub(super) pieces: Pieces,
}

/// Why nothing more is taken from the client.
enum End {
    /// It said so.
    Closed,
    /// It is gone.
    Gone,
    /// The feed was over before it began; the writer is told by the feed.
    Over,
    /// It made a mistake, or was silent for too long.
    Failed(Close),
}

impl Reader {
    /// Reads to the end. Answers whether there is somebody who waits for the rest.
    pub(super) async fn run(mut self, docks: &[Dock], hint: Hint) -> bool {
        let mut hash = Sha256::new();
        let mut n_bytes = 0;
        let end = match enter(docks, &hint, &self.request_id).await {
            None => End::Over,
            Some(visitors) => {
                let mut take = |bytes: &Bytes| {
                    hash.update(bytes);
                    n_bytes += bytes.len() as u64;
                };
                let Err(end) = self.take_in(&visitors, &mut take).await;
                match &end {
                    End::Closed => {
                        // Before the feed can be over: then it is known that this was meant.
                        self.note(Note::Closing(Sent { sha256: hex(&hash.finalize()), n_bytes })).await;
                        close(&visitors).await;
                    }
                    End::Failed(close) => self.note(Note::Close(*close)).await,
                    End::Gone | End::Over => {}
                }
                end
            }
        };
        if matches!(end, End::Gone) {
            return false;
        }
        while let Some(Ok(_)) = self.stream.next().await {}
        true
    }

    /// Hands on what the client sends, until there is a reason to stop.
    async fn take_in(
        &mut self,
        visitors: &[Visitor],
        take: &mut (dyn FnMut(&Bytes) + Send),
    ) -> Result<std::convert::Infallible, End> {
        let session_ends = Moment::now() + self.limits.session;
        let mut idle_ends = Moment::now() + self.limits.idle;
        loop {
            let message = match timeout_at(idle_ends.min(session_ends), self.stream.next()).await {
                Err(_) if Moment::now() >= session_ends => return Err(End::Closed),
                Err(_) => return Err(End::Failed(Close::Idle)),
                Ok(None) => return Err(End::Gone),
                Ok(Some(Err(error))) => return Err(broken(&error)),
                Ok(Some(Ok(message))) => message,
            };
            match message {
                ws::Message::Binary(bytes) if bytes.is_empty() => return Err(End::Closed),
                ws::Message::Binary(bytes) => {
                    take(&bytes);
                    self.hand(visitors, bytes).await;
                }
                ws::Message::Text(text) => self.hear(visitors, text.as_str()).await?,
                ws::Message::Close(_) => return Err(End::Gone),
                // Neither shows that the client has something to say.
                ws::Message::Ping(_) | ws::Message::Pong(_) => continue,
            }
            idle_ends = Moment::now() + self.limits.idle;
        }
    }

    /// What follows the end that a container knows of goes nowhere; the writer is told by the feed where it matters.
    async fn hand(&mut self, visitors: &[Visitor], bytes: Bytes) {
        let at = Instant::now();
        for (stream_idx, piece) in self.pieces.cut(bytes) {
            if let Some(visitor) = visitors.get(stream_idx) {
                let _ = visitor.hand(Handed::Bytes(piece, at)).await;
            }
        }
    }

    async fn hear(&mut self, visitors: &[Visitor], text: &str) -> Result<(), End> {
        match serde_json::from_str(text) {
            Ok(Said::KeepAlive) => {}
            Ok(Said::CloseStream) => return Err(End::Closed),
            Ok(Said::Finalize { channel }) => {
                let is_meant = |idx: usize| channel.is_none_or(|channel| channel == idx);
                for (_, visitor) in visitors.iter().enumerate().filter(|(idx, _)| is_meant(*idx)) {
                    // Of a feed that is over everything is final.
                    let _ = visitor.hand(Handed::Endpoint).await;
                }
            }
            Ok(Said::Configure {}) => {
                self.say(Message::ConfigureFailure {
                    request_id: self.request_id.to_string(),
                    code: "CONFIGURE_KEYTERMS_NOT_SUPPORTED",
                    description: "a stream is configured by the query of its address only",
                })
                .await;
            }
            Err(error) => {
                self.say(Message::Error {
                    variant: "SchemaError",
                    description: format!("cannot read the message: {error}"),
                    message: text.chars().take(ECHO_CHARS_MAX).collect(),
                })
                .await;
            }
        }
        Ok(())
    }

    async fn say(&self, message: Message) {
        self.note(Note::Say(message)).await;
    }

    async fn note(&self, note: Note) {
        // Where nobody writes any more there is nobody to tell.
        let _ = self.notes.send(note).await;
    }
}

/// Enters all docks. `None`: a feed is over already.
async fn enter(docks: &[Dock], hint: &Hint, request_id: &str) -> Option<Vec<Visitor>> {
    let mut visitors = Vec::with_capacity(docks.len());
    for dock in docks {
        visitors.push(dock.enter(hint.clone(), format!("listen {request_id}")).await.ok()?);
    }
    Some(visitors)
}

/// Ends the feeds. One that is over already needs no end.
async fn close(visitors: &[Visitor]) {
    for visitor in visitors {
        let _ = visitor.hand(Handed::End("the client closed the stream".to_owned())).await;
    }
}

fn broken(error: &axum::Error) -> End {
    // axum hides tungstenite's error; its text is "Space limit exceeded: Message too long: ..."
    if error.to_string().contains("too long") { End::Failed(Close::TooLong) } else { End::Gone }
}

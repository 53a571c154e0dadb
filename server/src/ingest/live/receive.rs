//! The task that receives: connects, cuts metadata out of the body, stamps arrivals, reconnects. Decodes nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use engine::event::FeedState;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::inbox::Message;
use super::{LiveConfig, Shared};
use crate::ingest::decode::Hint;
use crate::ingest::error::IngestError;
use crate::ingest::http::icy::{Demux, Piece};
use crate::ingest::http::{self, Address, HttpError, Response};

/// Whoever decodes is gone.
pub(super) struct Abandoned;

/// The way to the thread that decodes.
pub(super) struct Outlet {
    pub(super) messages: mpsc::Sender<Message>,
    pub(super) shared: Arc<Shared>,
}

impl Outlet {
    /// One connection: `bytes` sends its pieces and answers why it ended.
    pub(super) async fn connection(
        &self,
        number: u64,
        hint: Hint,
        bytes: impl Future<Output = Result<String, Abandoned>>,
    ) -> Result<String, Abandoned> {
        self.send(Message::Opened { number, hint }).await?;
        let mut given_up = self.shared.give_up.subscribe();
        let reason = tokio::select! {
            biased;
            _ = given_up.wait_for(|&given_up| given_up == number) => "given up".to_owned(),
            reason = bytes => reason?,
        };
        self.send(Message::Closed).await?;
        Ok(reason)
    }

    pub(super) async fn tell(&self, state: FeedState, reason: String) -> Result<(), Abandoned> {
        self.send(Message::Feed(super::state(state, Some(reason)))).await
    }

    pub(super) async fn send(&self, message: Message) -> Result<(), Abandoned> {
        self.messages.send(message).await.map_err(|_| Abandoned)
    }
}

pub(super) async fn run(
    address: Address,
    config: LiveConfig,
    messages: mpsc::Sender<Message>,
    shared: Arc<Shared>,
) {
    let receiving = Receiving { address, config, outlet: Outlet { messages, shared } };
    // An abandoned feed has nobody to tell.
    let _ = receiving.run().await;
}

struct Receiving {
    address: Address,
    config: LiveConfig,
    outlet: Outlet,
}

impl Receiving {
    async fn run(&self) -> Result<(), Abandoned> {
        let mut backoff = Backoff::new(self.config.backoff);
        let mut first_attempts = 0;
        let mut number = 0;
        loop {
            let reason = match http::open(&self.address, &self.config.http).await {
                Ok(response) => {
                    number += 1;
                    let reason = self.connection(number, response).await?;
                    if self.outlet.shared.heard.swap(false, Relaxed) {
                        backoff.reset();
                    }
                    if !self.config.reconnect {
                        return self.outlet.tell(FeedState::Ended, reason).await;
                    }
                    reason
                }
                Err(error) => {
                    first_attempts += 1;
                    let refused = matches!(error, HttpError::Refused(_));
                    if number == 0 && (refused || first_attempts >= self.config.first_attempts) {
                        let failed = Message::Failed(self.unreachable(&error, first_attempts));
                        return self.outlet.send(failed).await;
                    }
                    error.to_string()
                }
            };
            let wait = backoff.next();
            let reason = format!("{reason}; next attempt in {wait:.1?}");
            self.outlet.tell(FeedState::Reconnecting, reason).await?;
            sleep(wait).await;
        }
    }

    /// Receives until the connection is over. Answers why.
    async fn connection(&self, number: u64, response: Response) -> Result<String, Abandoned> {
        let (content_type, extension) = (response.content_type.clone(), response.address.extension());
        let hint = Hint { content_type, extension, pcm: None };
        self.outlet.tell(FeedState::Connected, response.address.to_string()).await?;
        self.outlet.connection(number, hint, self.receive(response)).await
    }

    async fn receive(&self, mut response: Response) -> Result<String, Abandoned> {
        let LiveConfig { stalled_after, dead_after, .. } = self.config;
        let mut demux = Demux::new(response.metaint);
        let mut stalled = false;
        loop {
            let patience = if stalled { dead_after.saturating_sub(stalled_after) } else { stalled_after };
            match timeout(patience, response.next()).await {
                Ok(Ok(Some(mut bytes))) => {
                    let at = Instant::now();
                    stalled = false;
                    while let Some(piece) = demux.next(&mut bytes) {
                        self.outlet
                            .send(match piece {
                                Piece::Audio(bytes) => Message::Bytes { bytes, at },
                                Piece::Metadata(metadata) => Message::Metadata(metadata),
                            })
                            .await?;
                    }
                }
                Ok(Ok(None)) => return Ok(format!("{}: the server closed the connection", self.address)),
                Ok(Err(error)) => return Ok(format!("{}: {error}", self.address)),
                Err(_) if stalled => return Ok(format!("{}: no bytes for {dead_after:?}", self.address)),
                Err(_) => {
                    stalled = true;
                    self.outlet.send(Message::Stalled).await?;
                }
            }
        }
    }

    fn unreachable(&self, error: &HttpError, n_attempts: u32) -> IngestError {
        let place = self.address.to_string();
        // The message may be about another address, to which this one led.
        let text = error.to_string();
        let reason = text.strip_prefix(&format!("{place}: ")).unwrap_or(&text);
        let tried = if n_attempts > 1 { format!(" ({n_attempts} attempts)") } else { String::new() };
        IngestError::Unreachable { place, reason: format!("{reason}{tried}") }
    }
}

//! The half of a connection that writes: what its feeds say, until the last event of each. Keeps up with the service, or
//! the connection ends: nothing piles up for a client that does not read.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::ws::{self, WebSocket};
use engine::time::MediaTime;
use futures_util::SinkExt;
use futures_util::future::try_join_all;
use futures_util::stream::SplitSink;
use jiff::Timestamp;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::timeout;

use super::Limits;
use super::channel::Channel;
use super::query::Query;
use super::session::{Close, Note, Sent};
use super::wire::{Message, Metadata, Origin, secs};
use crate::config::FeedName;
use crate::publish::Published;

type Events = broadcast::Receiver<Arc<Published>>;
type Done = oneshot::Receiver<()>;

/// See the module.
pub(super) struct Writer {
    sink: SplitSink<WebSocket, ws::Message>,
    notes: mpsc::Receiver<Note>,
    channels: Vec<(FeedName, Channel)>,
    events: Events,
    done: Pin<Box<dyn Future<Output = bool> + Send>>,
    limits: Limits,
    sent: Option<Sent>,
}

/// The client is gone, or does not read.
struct Deaf;

impl Writer {
    /// Of all streams of a connection: their feeds, and what is known of them. `None`: there is no stream.
    pub(super) fn new(
        sink: SplitSink<WebSocket, ws::Message>,
        notes: mpsc::Receiver<Note>,
        streams: Vec<(FeedName, Channel, Events, Done)>,
        limits: Limits,
    ) -> Option<Self> {
        let mut channels = Vec::with_capacity(streams.len());
        let (mut events, mut dones) = (None, Vec::with_capacity(streams.len()));
        for (feed, channel, of_feed, done) in streams {
            channels.push((feed, channel));
            // They all hear everything; the first one has done so from before the first event of any.
            events.get_or_insert(of_feed);
            dones.push(done);
        }
        let done = Box::pin(async move { try_join_all(dones).await.is_ok() });
        Some(Self { sink, notes, channels, events: events?, done, limits, sent: None })
    }

    /// Writes until everything was said.
    pub(super) async fn run(mut self, query: &Query, origin: &Origin, created: Timestamp) {
        let Ok(close) = self.follow().await else { return };
        let said = if close == Close::Done { self.finish(query, origin, created).await } else { Ok(()) };
        if said.is_ok() {
            // Whoever does not take the last frame is gone.
            let _ = self.send(ws::Message::Close(Some(close.frame()))).await;
        }
    }

    /// Says what the feeds say. Answers why there is no more of it.
    async fn follow(&mut self) -> Result<Close, Deaf> {
        let (mut is_reading, mut is_over) = (true, false);
        loop {
            if is_over && self.sent.is_some() {
                return Ok(Close::Done);
            }
            tokio::select! {
                biased;
                note = self.notes.recv(), if is_reading => match note {
                    Some(Note::Say(message)) => self.say(&message).await?,
                    Some(Note::Closing(sent)) => self.sent = Some(sent),
                    Some(Note::Close(close)) => return Ok(close),
                    None => is_reading = false,
                },
                event = self.events.recv() => match event {
                    Ok(event) => self.take(&event).await?,
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return Ok(Close::Failed),
                },
                is_whole = &mut self.done, if !is_over => {
                    match if is_whole { self.drain().await? } else { Some(Close::Failed) } {
                        Some(close) => return Ok(close),
                        None => is_over = true,
                    }
                }
            }
        }
    }

    /// Says what is left after the last event of all feeds. Answers how it ends; `None`: as the client wishes.
    async fn drain(&mut self) -> Result<Option<Close>, Deaf> {
        loop {
            match self.events.try_recv() {
                Ok(event) => self.take(&event).await?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Lagged(_) | TryRecvError::Closed) => return Ok(Some(Close::Failed)),
            }
        }
        while let Ok(note) = self.notes.try_recv() {
            if let Note::Closing(sent) = note {
                self.sent = Some(sent);
            }
        }
        // What cannot be decoded ends without being told to, or was never heard. A container knows its end, too.
        let is_audio = self.channels.iter().all(|(_, channel)| channel.is_heard() && channel.is_ended());
        let is_empty = self.sent.as_ref().is_some_and(|sent| sent.n_bytes == 0);
        Ok((!is_audio && !is_empty).then_some(Close::NoAudio))
    }

    async fn take(&mut self, published: &Published) -> Result<(), Deaf> {
        let data = &published.record.envelope.data;
        let Some((_, channel)) = self.channels.iter_mut().find(|(feed, _)| feed.as_str() == data.feed) else {
            return Ok(());
        };
        let mut messages = Vec::new();
        channel.take(data, &mut |message| messages.push(message));
        self.say_all(messages).await
    }

    /// Says the rest, and what it comes to.
    async fn finish(&mut self, query: &Query, origin: &Origin, created: Timestamp) -> Result<(), Deaf> {
        let mut messages = Vec::new();
        for (_, channel) in &mut self.channels {
            channel.finish(&mut |message| messages.push(message));
        }
        let duration = self.channels.iter().map(|(_, channel)| channel.duration()).max();
        let n_channels = self.channels.iter().map(|(_, channel)| channel.n_channels()).sum();
        messages.push(Message::Metadata(Box::new(Metadata {
            transaction_key: "deprecated",
            request_id: origin.request_id.clone(),
            sha256: self.sent.take().map(|sent| sent.sha256).unwrap_or_default(),
            created: format!("{created:.3}"),
            duration: secs(duration.unwrap_or(MediaTime::ZERO)),
            channels: n_channels,
            models: [origin.model_uuid.clone()],
            model_info: BTreeMap::from([(origin.model_uuid.clone(), origin.model_info.clone())]),
            tags: query.tags.clone(),
            extra: query.extra.clone(),
        })));
        self.say_all(messages).await
    }

    async fn say_all(&mut self, messages: Vec<Message>) -> Result<(), Deaf> {
        for message in &messages {
            self.say(message).await?;
        }
        Ok(())
    }

    async fn say(&mut self, message: &Message) -> Result<(), Deaf> {
        // Numbers, texts and lists: it has a JSON form.
        let text = serde_json::to_string(message).map_err(|_| Deaf)?;
        self.send(ws::Message::Text(text.into())).await
    }

    async fn send(&mut self, message: ws::Message) -> Result<(), Deaf> {
        match timeout(self.limits.unread, self.sink.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Deaf),
        }
    }
}

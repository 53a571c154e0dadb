//! The journal as a feed sees it: a sink that takes everything and never waits.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::waiting::{Posted, Waiting};
use crate::publish::{Hub, Published, Record, Sink};

/// Where a feed's records go: durable ones to the disk and then to the hub, ephemeral ones to the hub at once.
#[derive(Debug)]
pub struct JournalSink {
    waiting: Arc<Waiting>,
    hub: Arc<Hub>,
    feed: String,
    epoch: u64,
}

impl JournalSink {
    pub(super) fn new(waiting: Arc<Waiting>, hub: Arc<Hub>, feed: &str, epoch: u64) -> Self {
        Self { waiting, hub, feed: feed.to_owned(), epoch }
    }
}

impl Sink for JournalSink {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        let at = Instant::now();
        let Some(sequence) = record.envelope.sequence.as_deref() else {
            let line = Bytes::from(serde_json::to_vec(&record.envelope)?);
            self.hub.publish(Arc::new(Published { cursor: None, record: record.clone(), line }));
            return Ok(());
        };
        let data = &record.envelope.data;
        if (data.feed.as_str(), data.epoch) != (self.feed.as_str(), self.epoch) {
            let (feed, epoch) = (&self.feed, self.epoch);
            let message = format!("expected an event of {feed}, epoch {epoch}, got {}", record.envelope.id);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let sequence = sequence.parse().map_err(|_| io::Error::other("a sequence that is no number"))?;
        if self.waiting.post(Posted { record: record.clone(), sequence, at }) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::BrokenPipe, "the journal is closed"))
        }
    }
}

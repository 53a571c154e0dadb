//! Publishing: gives events their identity, wall time and latency, and hands them to the sinks, in one thread per
//! feed. Decides nothing about audio.

mod clock;
mod hub;
mod record;
mod stated;
mod tally;
mod thread;

pub use clock::WallClock;
pub use hub::{Hub, Published, Witness};
pub use record::{FeedIdentity, Now, Passage, Record, Recorder};
pub use tally::Tally;
#[cfg(test)]
pub(crate) use thread::Desk;
pub use thread::{Inbox, Item, Post, Publisher, Seen};

use std::io;

use engine::continuity::Conservation;
use engine::time::MediaTime;

use crate::ingest::Anchor;

/// Where records go. Called from the publishing thread only.
pub trait Sink: Send {
    /// Takes one record. An error ends the feed: what was promised to be written cannot be.
    fn take(&mut self, record: &Record) -> io::Result<()>;

    /// What became of all frames so far; everything up to `end` is known. Called when something else is published,
    /// every second or so otherwise, and at the end.
    fn counted(&mut self, _total: Conservation, _end: MediaTime) {}

    /// A segment of the source begins around `position`, as `anchor` says. Only HLS has them.
    fn anchored(&mut self, _position: MediaTime, _anchor: &Anchor) {}

    /// Nothing more is waiting at present: writes out what is held back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

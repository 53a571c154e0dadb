//! The publishing thread: takes what workers and recognisers post, records it, gives it to the sinks.

use std::io;
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender, bounded};
use engine::continuity::Conservation;
use engine::event::{Body, Event};
use engine::time::{MediaTime, SampleRate};
use jiff::Timestamp;
use operators::AskHead;

use super::{Now, Passage, Record, Recorder, Sink, Tally};
use crate::ingest::Anchor;
use crate::recognise::{Heard, Listener};

/// Items that may wait. A full post makes its sender wait, and a worker that waits sheds at its lane, which is a gap.
const ITEMS_MAX: usize = 128;
/// Sights of blocks that may wait, two a block: 2.6 s of a live feed. The same holds for them.
const SEEN_MAX: usize = 256;

/// What can be posted.
#[derive(Debug)]
pub enum Item {
    /// A fact, and the way it took.
    Fact(Box<Event>, Passage),
    /// Recognition was asked for.
    Asked {
        /// What for.
        head: Box<AskHead>,
        /// Rate of the feed's own audio.
        rate: SampleRate,
        /// The way of what follows from that alone.
        passage: Passage,
    },
    /// A recogniser is done with something that was asked for.
    Heard(Box<Heard>),
    /// A sign of life is due.
    Heartbeat {
        /// When.
        now: Instant,
    },
    /// Much was seen since the last item: time to look.
    Look,
}

/// What was seen of blocks. Nobody waits for it: it is looked at before the next item is taken.
#[derive(Clone, Copy, Debug)]
pub enum Seen {
    /// Audio up to `end` arrived at `at`.
    Arrived {
        /// Media time.
        end: MediaTime,
        /// When.
        at: Instant,
    },
    /// What follows `position` was heard at `wall`, says the source.
    HeardAt {
        /// Media time.
        position: MediaTime,
        /// When.
        wall: Timestamp,
    },
    /// A segment of the source follows at `position`.
    Anchored {
        /// Media time.
        position: MediaTime,
        /// Which.
        anchor: Anchor,
    },
    /// What became of frames of the feed, up to `end`.
    Counted {
        /// Frames since the last count.
        conservation: Conservation,
        /// Media time.
        end: MediaTime,
    },
}

/// A handle to post items with. The thread ends when all are dropped.
#[derive(Clone, Debug)]
pub struct Post {
    items: Sender<Item>,
    seen: Sender<Seen>,
}

/// The other end.
#[derive(Debug)]
pub struct Inbox {
    /// Items, which the thread sleeps without.
    pub items: Receiver<Item>,
    /// What was seen, which does not wake it.
    pub seen: Receiver<Seen>,
}

impl Post {
    /// A handle and the other end, for up to `n` items.
    #[must_use]
    pub fn to_inbox(n: usize) -> (Self, Inbox) {
        let (items, of_items) = bounded(n);
        let (seen, of_seen) = bounded(SEEN_MAX);
        (Self { items, seen }, Inbox { items: of_items, seen: of_seen })
    }

    /// Posts an item; waits while too many are waiting. `false`: publishing has failed and nothing is taken any more.
    pub fn send(&self, item: Item) -> bool {
        self.items.send(item).is_ok()
    }

    /// Posts what was seen, before the items that follow from it. The thread is woken only where much of it waits.
    pub fn see(&self, seen: Seen) {
        // Publishing has failed: whoever posts an item is told.
        let _ = self.seen.send(seen);
        // Whatever item waits, the thread looks when it takes it, which is after this.
        if self.seen.len() >= SEEN_MAX / 2 && self.items.is_empty() {
            self.send(Item::Look);
        }
    }
}

/// The running thread.
pub struct Publisher {
    thread: JoinHandle<io::Result<Tally>>,
}

impl Publisher {
    /// Starts the thread. What is heard goes through `listener`, whose events are published like any others.
    pub fn spawn(
        recorder: Recorder,
        listener: Listener,
        sinks: Vec<Box<dyn Sink>>,
    ) -> io::Result<(Self, Post)> {
        let (post, inbox) = Post::to_inbox(ITEMS_MAX);
        let desk = Desk::new(recorder, listener, sinks);
        let thread = std::thread::Builder::new().name("publish".into()).spawn(move || desk.run(&inbox))?;
        Ok((Self { thread }, post))
    }

    /// Whether it has ended: because all posts were dropped, or because a sink failed.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until everything posted is published, and says what it came to; all posts must have been dropped.
    pub fn join(self) -> io::Result<Tally> {
        match self.thread.join() {
            Ok(done) => done,
            Err(_) => Err(io::Error::other("the publishing thread panicked")),
        }
    }
}

/// What the thread does, without the thread.
pub(crate) struct Desk {
    recorder: Recorder,
    listener: Listener,
    sinks: Vec<Box<dyn Sink>>,
    tally: Tally,
}

impl Desk {
    pub(crate) fn new(recorder: Recorder, listener: Listener, sinks: Vec<Box<dyn Sink>>) -> Self {
        Self { recorder, listener, sinks, tally: Tally::default() }
    }

    fn run(mut self, Inbox { items, seen }: &Inbox) -> io::Result<Tally> {
        let mut events: Vec<Event> = Vec::new();
        loop {
            let item = match items.try_recv() {
                Ok(item) => item,
                Err(_) => {
                    self.flush()?;
                    match items.recv() {
                        Ok(item) => item,
                        Err(_) => break,
                    }
                }
            };
            self.look(seen);
            self.take(item, &mut events, Now::read())?;
        }
        self.look(seen);
        self.flush()?;
        Ok(self.tally)
    }

    /// Takes note of what was seen.
    pub(crate) fn look(&mut self, seen: &Receiver<Seen>) {
        let mut counted_to = None;
        for seen in seen.try_iter() {
            match seen {
                Seen::Arrived { end, at } => self.recorder.arrived(end, at),
                Seen::HeardAt { position, wall } => self.recorder.heard_at(position, wall),
                Seen::Anchored { position, anchor } => {
                    self.sinks.iter_mut().for_each(|sink| sink.anchored(position, &anchor));
                }
                Seen::Counted { conservation, end } => {
                    self.tally.conservation.add(conservation);
                    self.tally.duration = self.tally.duration.max(end);
                    counted_to = Some(end);
                }
            }
        }
        if let Some(end) = counted_to {
            let total = self.tally.conservation;
            self.sinks.iter_mut().for_each(|sink| sink.counted(total, end));
        }
    }

    /// Takes an item at `now`; `events` is storage.
    pub(crate) fn take(&mut self, item: Item, events: &mut Vec<Event>, now: Now) -> io::Result<()> {
        match item {
            Item::Fact(event, passage) => self.publish(*event, passage, now)?,
            Item::Look => {}
            Item::Asked { head, rate, passage } => {
                self.listener.asked(&head, rate, &mut |event: &Event| events.push(event.clone()));
                self.publish_heard(events, passage, now)?;
            }
            Item::Heard(heard) => {
                self.listener.heard(&heard, &mut |event: &Event| events.push(event.clone()));
                self.publish_heard(events, heard.passage, now)?;
            }
            Item::Heartbeat { now: due } => {
                if let Some(step) = self.recorder.look_at_clock(now) {
                    self.publish(step, Passage::direct(due), now)?;
                }
                let event = self.recorder.heartbeat(due, self.tally.conservation.coverage());
                self.publish(event, Passage::direct(due), now)?;
            }
        }
        Ok(())
    }

    /// Publishes what recognition led to. Its gaps are audio that was analysed but for the transcript.
    fn publish_heard(&mut self, events: &mut Vec<Event>, passage: Passage, now: Now) -> io::Result<()> {
        for event in events.drain(..) {
            if let Body::Gap(gap) = &event.body {
                self.tally.conservation.take_back(gap.frames);
            }
            self.publish(event, passage, now)?;
        }
        Ok(())
    }

    fn publish(&mut self, event: Event, passage: Passage, now: Now) -> io::Result<()> {
        let record: Record = self.recorder.record(event, passage, now);
        self.tally.count(&record);
        self.sinks.iter_mut().try_for_each(|sink| sink.take(&record))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sinks.iter_mut().try_for_each(|sink| sink.flush())
    }
}

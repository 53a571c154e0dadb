//! Workers: named threads that take blocks from the lanes pinned to them and push them through the feeds' analyses.
//! A worker parks when there is nothing to do. Knows nothing of what an analysis does.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam::queue::ArrayQueue;
use crossbeam::sync::{Parker, Unparker};

use crate::audio::Block;
use crate::lane::{LaneConfig, LaneReceiver, LaneSender, lane};
use crate::pulse::Pulse;

/// Feeds that may wait to be taken up by a worker.
const MAILBOX_FEEDS: usize = 64;
/// Blocks that a feed may have taken in one turn, so that one feed's backlog does not starve the others.
const BLOCKS_PER_TURN: usize = 8;

/// What a worker does with a feed's blocks. Runs on the worker's thread.
pub trait Consumer: Send {
    /// Takes one block.
    fn consume(&mut self, block: &Block);

    /// The lane was closed and everything in it was taken.
    fn finish(&mut self);

    /// A call panicked: nothing more will come, the feed is given up.
    fn failed(&mut self, message: &str);
}

struct Pinned {
    lane: LaneReceiver,
    consumer: Box<dyn Consumer>,
}

struct Shared {
    mailbox: ArrayQueue<Pinned>,
    stop: AtomicBool,
    pulse: Pulse,
}

/// A running worker. Dropping it stops it once its lanes are closed and empty.
pub struct Worker {
    shared: Arc<Shared>,
    unparker: Unparker,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a worker thread called `name`.
    pub fn spawn(name: &str) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            mailbox: ArrayQueue::new(MAILBOX_FEEDS),
            stop: AtomicBool::new(false),
            pulse: Pulse::default(),
        });
        let parker = Parker::new();
        let unparker = parker.unparker().clone();
        let of_thread = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&of_thread, &parker))?;
        Ok(Self { shared, unparker, thread: Some(thread) })
    }

    /// Pins a feed to this worker and gives the lane to fill. `Err` gives the consumer back: too many feeds are
    /// waiting to be taken up.
    pub fn pin(
        &self,
        config: LaneConfig,
        consumer: Box<dyn Consumer>,
    ) -> Result<LaneSender, Box<dyn Consumer>> {
        let (sender, receiver) = lane(config, self.unparker.clone());
        self.shared.mailbox.push(Pinned { lane: receiver, consumer }).map_err(|pinned| pinned.consumer)?;
        self.unparker.unpark();
        Ok(sender)
    }

    /// Asks for a sign of life. Waits for nothing.
    pub fn ask(&self) {
        self.shared.pulse.ask();
        self.unparker.unpark();
    }

    /// Whether it came round since it was asked: it does with work as without.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.shared.pulse.is_answered()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.unparker.unpark();
        if let Some(thread) = self.thread.take() {
            // Consumers' panics are caught in the thread.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, parker: &Parker) {
    let mut feeds: Vec<Pinned> = Vec::new();
    loop {
        shared.pulse.answer();
        while let Some(pinned) = shared.mailbox.pop() {
            feeds.push(pinned);
        }
        let mut progress = false;
        feeds.retain_mut(|feed| match catch_unwind(AssertUnwindSafe(|| turn(feed))) {
            Ok(Turn::Idle) => true,
            Ok(Turn::Worked) => {
                progress = true;
                true
            }
            Ok(Turn::Done) => false,
            Err(panic) => {
                // A second panic ends the feed all the same.
                let _ = catch_unwind(AssertUnwindSafe(|| feed.consumer.failed(message_of(&*panic))));
                false
            }
        });
        if feeds.is_empty() && shared.stop.load(Ordering::Acquire) && shared.mailbox.is_empty() {
            return;
        }
        if !progress {
            parker.park();
        }
    }
}

enum Turn {
    Idle,
    Worked,
    Done,
}

fn turn(feed: &mut Pinned) -> Turn {
    for taken in 0..BLOCKS_PER_TURN {
        match feed.lane.pop() {
            Some(block) => {
                feed.consumer.consume(&block);
                feed.lane.give_back(block);
            }
            None if feed.lane.is_done() => {
                feed.consumer.finish();
                return Turn::Done;
            }
            None if taken == 0 => return Turn::Idle,
            None => return Turn::Worked,
        }
    }
    Turn::Worked
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic without a message")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::time::Instant;

    use super::*;
    use crate::audio::Format;
    use crate::lane::WhenFull;
    use crate::time::MediaTime;

    struct Recorder {
        log: Arc<ArrayQueue<String>>,
        panic_at: Option<u64>,
    }

    impl Consumer for Recorder {
        fn consume(&mut self, block: &Block) {
            if self.panic_at == Some(block.start_frame()) {
                panic!("block {}", block.start_frame());
            }
            self.log.push(format!("{} {:?}", block.start_frame(), std::thread::current().name())).unwrap();
        }

        fn finish(&mut self) {
            self.log.push("finish".into()).unwrap();
        }

        fn failed(&mut self, message: &str) {
            self.log.push(format!("failed: {message}")).unwrap();
        }
    }

    fn play(panic_at: Option<u64>) -> Vec<String> {
        let worker = Worker::spawn("dsp-0").unwrap();
        let log = Arc::new(ArrayQueue::new(100));
        let config =
            LaneConfig { format: Format::SPEECH, block_frames: 1, n_blocks: 2, when_full: WhenFull::Wait };
        let recorder = Box::new(Recorder { log: Arc::clone(&log), panic_at });
        let Ok(lane) = worker.pin(config, recorder) else { panic!("mailbox full") };
        for n in 0..3 {
            let Some(mut block) = lane.take() else { break };
            block.restart(MediaTime::ZERO, n, Instant::now());
            lane.send(block);
        }
        drop(lane);
        drop(worker);
        std::iter::from_fn(|| log.pop()).collect()
    }

    #[test]
    fn blocks_are_consumed_in_order_on_the_named_thread() {
        let name = "Some(\"dsp-0\")";
        assert_eq!(
            play(None),
            [format!("0 {name}"), format!("1 {name}"), format!("2 {name}"), "finish".into()]
        );
    }

    #[test]
    fn a_panic_ends_its_feed_and_is_reported() {
        assert_eq!(play(Some(1)), ["0 Some(\"dsp-0\")", "failed: block 1"]);
    }
}

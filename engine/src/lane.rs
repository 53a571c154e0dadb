//! A lane carries one feed's blocks from its receiver to its worker, in storage that circulates: full blocks one way,
//! empty ones back. Lock-free (`crossbeam` `ArrayQueue`); it holds a limited time of audio. Not a general channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam::queue::ArrayQueue;
use crossbeam::sync::{Parker, Unparker};

use crate::audio::{Block, Format};

/// What a receiver does when its lane is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Waits for the worker: for files and pipes, which can wait.
    Wait,
    /// Sheds the audio once the worker has given nothing back for so long: for live feeds, which cannot wait. A burst of
    /// old audio, which the worker takes as fast as it can, is waited for. The frames missing show as a jump of
    /// [`Block::start_frame`], which [`crate::continuity::Continuity`] turns into a gap.
    ShedAfter(Duration),
}

/// Size and policy of a lane.
#[derive(Clone, Copy, Debug)]
pub struct LaneConfig {
    /// Rate and channels of the feed.
    pub format: Format,
    /// Frames a block holds.
    pub block_frames: usize,
    /// Blocks in circulation; `n_blocks * block_frames` frames is the longest that audio can wait.
    pub n_blocks: usize,
    /// Overload policy.
    pub when_full: WhenFull,
}

struct Shared {
    full: ArrayQueue<Block>,
    empty: ArrayQueue<Block>,
    closed: AtomicBool,
    abandoned: AtomicBool,
}

/// The end that a receiver holds. Dropping it closes the lane; what is in it is still taken.
pub struct LaneSender {
    shared: Arc<Shared>,
    when_full: WhenFull,
    worker: Unparker,
    returned: Parker,
}

/// The end that a worker holds.
pub struct LaneReceiver {
    shared: Arc<Shared>,
    sender: Unparker,
}

/// Makes a lane whose blocks are announced to `worker`. At least one block of one frame is made.
#[must_use]
pub fn lane(config: LaneConfig, worker: Unparker) -> (LaneSender, LaneReceiver) {
    let n_blocks = config.n_blocks.max(1);
    let shared = Arc::new(Shared {
        full: ArrayQueue::new(n_blocks),
        empty: ArrayQueue::new(n_blocks),
        closed: AtomicBool::new(false),
        abandoned: AtomicBool::new(false),
    });
    let now = Instant::now();
    for _ in 0..n_blocks {
        // The queue holds exactly as many as are made.
        let _ = shared.empty.push(Block::new(config.format, config.block_frames.max(1), now));
    }
    let returned = Parker::new();
    let sender = returned.unparker().clone();
    (
        LaneSender { shared: Arc::clone(&shared), when_full: config.when_full, worker, returned },
        LaneReceiver { shared, sender },
    )
}

impl LaneSender {
    /// An empty block to fill; waits for one as the policy says. `None`: shed what would have gone in, or the worker is
    /// gone.
    pub fn take(&self) -> Option<Block> {
        let give_up = match self.when_full {
            WhenFull::Wait => None,
            WhenFull::ShedAfter(patience) => Instant::now().checked_add(patience),
        };
        loop {
            if self.shared.abandoned.load(Ordering::Acquire) {
                return None;
            }
            if let Some(block) = self.shared.empty.pop() {
                return Some(block);
            }
            match give_up {
                None => self.returned.park(),
                Some(instant) if Instant::now() < instant => self.returned.park_deadline(instant),
                Some(_) => return None,
            }
        }
    }

    /// Hands a filled block to the worker.
    pub fn send(&self, block: Block) {
        // Cannot be full: there are only as many blocks as it holds. A foreign block would be dropped here.
        let _ = self.shared.full.push(block);
        self.worker.unpark();
    }

    /// Whether the worker has given the feed up.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.shared.abandoned.load(Ordering::Acquire)
    }
}

impl Drop for LaneSender {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        self.worker.unpark();
    }
}

impl LaneReceiver {
    /// The next full block.
    #[must_use]
    pub fn pop(&self) -> Option<Block> {
        self.shared.full.pop()
    }

    /// Gives a block's storage back.
    pub fn give_back(&self, block: Block) {
        // Cannot be full, as in `send`.
        let _ = self.shared.empty.push(block);
        self.sender.unpark();
    }

    /// Whether the sender is gone and everything was taken.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire) && self.shared.full.is_empty()
    }
}

impl Drop for LaneReceiver {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Release);
        self.sender.unpark();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::time::MediaTime;

    fn config(when_full: WhenFull) -> LaneConfig {
        LaneConfig { format: Format::SPEECH, block_frames: 4, n_blocks: 2, when_full }
    }

    fn filled(mut block: Block, n: u64) -> Block {
        block.restart(MediaTime::ZERO, n, Instant::now());
        block.extend_interleaved(&[n as f32]);
        block
    }

    #[test]
    fn a_full_lane_sheds() {
        let (sender, receiver) =
            lane(config(WhenFull::ShedAfter(Duration::ZERO)), Parker::new().unparker().clone());
        for n in 0..2 {
            sender.send(filled(sender.take().unwrap(), n));
        }
        assert!(sender.take().is_none());
        receiver.give_back(receiver.pop().unwrap());
        assert!(sender.take().is_some());
    }

    #[test]
    fn a_waiting_lane_keeps_order_and_loses_nothing() {
        let parker = Parker::new();
        let (sender, receiver) = lane(config(WhenFull::Wait), parker.unparker().clone());
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for n in 0..10_000 {
                    sender.send(filled(sender.take().unwrap(), n));
                }
            });
            let mut seen = 0;
            while !receiver.is_done() {
                match receiver.pop() {
                    Some(block) => {
                        assert_eq!(block.start_frame(), seen);
                        seen += 1;
                        receiver.give_back(block);
                    }
                    None => parker.park(),
                }
            }
            assert_eq!(seen, 10_000);
        });
    }

    #[test]
    fn a_waiting_sender_learns_that_the_worker_is_gone() {
        let (sender, receiver) = lane(config(WhenFull::Wait), Parker::new().unparker().clone());
        let held = (sender.take(), sender.take());
        drop(receiver);
        assert!(held.0.is_some() && sender.take().is_none() && sender.is_abandoned());
    }
}

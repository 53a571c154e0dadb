//! Pages for the audio of utterances, which the feeds of a process share: few feeds hold a long utterance at the same
//! time. Lock-free; there are as many pages as were ever needed at once.

use std::sync::LazyLock;

use crossbeam::queue::ArrayQueue;

use crate::hop::HOP_FRAMES;

/// Hops of a page: 320 ms, 10 kB.
pub(super) const PAGE_HOPS: usize = 32;
/// Pages that are made in advance: 49 s.
const RESERVE: usize = 152;
/// Pages that are kept while nobody needs them: 22 minutes, 42 MB.
const SPARE_MAX: usize = 4_096;

static SPARE: LazyLock<ArrayQueue<Box<Page>>> = LazyLock::new(|| ArrayQueue::new(SPARE_MAX));

/// Hops of audio.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// What 1 stands for in each hop; a power of two.
    pub(super) steps: [f32; PAGE_HOPS],
    pub(super) samples: [[i16; HOP_FRAMES]; PAGE_HOPS],
}

impl Page {
    const EMPTY: Self = Self { steps: [0.0; PAGE_HOPS], samples: [[0; HOP_FRAMES]; PAGE_HOPS] };
}

/// Makes pages, so that one more feed need not.
pub(super) fn reserve() {
    while SPARE.len() < RESERVE && SPARE.push(Box::new(Page::EMPTY)).is_ok() {}
}

/// A page to fill. Makes one where all are in use.
pub(super) fn take() -> Box<Page> {
    SPARE.pop().unwrap_or_else(|| Box::new(Page::EMPTY))
}

/// Keeps a page for whoever needs it.
pub(super) fn give_back(page: Box<Page>) {
    // Beyond what is kept it is dropped.
    let _ = SPARE.push(page);
}

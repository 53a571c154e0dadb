//! Storage that an operator allocates when it is built and fills for ever after.

use std::time::Instant;

use engine::audio::{Block, Format};

/// An empty block of `format` for `n_frames` frames. Its arrival time is a placeholder until it is stamped.
#[allow(clippy::disallowed_methods, reason = "while building, not while pushing; overwritten by every stamp")]
pub(crate) fn spare_block(format: Format, n_frames: usize) -> Block {
    Block::new(format, n_frames, Instant::now())
}

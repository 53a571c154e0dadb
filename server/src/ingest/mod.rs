//! Input: files, pipes and live streams, from bytes to blocks of frames. Analyses nothing and publishes nothing.

pub mod decode;
pub mod error;

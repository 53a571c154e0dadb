//! Servers that can be measured, and how each of them tells what it heard.

pub mod aircheck;
mod deepgram;
mod dialect;
mod disk;
mod process;
mod spoken;
mod vosk;
mod whisperlive;

pub use deepgram::Deepgram;
pub use dialect::{Dialect, Said};
pub use disk::{FREE_BYTES_MAX, Filler, fill_disk};
pub use process::{MemoryKind, Process, free_port};
pub use vosk::Vosk;
pub use whisperlive::WhisperLive;

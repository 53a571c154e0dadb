//! Input: files, pipes and live streams, from bytes to blocks of frames. Analyses nothing and publishes nothing.
//!
//! [`Input::parse`] says what was given, [`Audio`] reads it: one pull interface for a file, a pipe, raw samples and a
//! live stream, with media time counted and everything that is not audio said at its place.

mod audio;
mod decode;
mod error;
mod exec;
mod hls;
pub(crate) mod http;
mod input;
mod live;
pub mod mount;
mod pcm;
mod reader;
mod rtp;

pub use audio::{Audio, Step, Stopper};
pub use decode::{Hint, Origin, Stream};
pub use error::{Fault, IngestError};
pub use exec::ExecSource;
pub use hls::Anchor;
pub(crate) use http::connect;
pub use http::{Address, HttpLimits};
pub use input::Input;
pub use live::{BackoffConfig, Closed, Dock, Gone, Handed, LiveConfig, Visitor, Wants};
pub use pcm::{PcmSpec, SampleFormat};
pub use rtp::{RtpAddress, RtpSource};

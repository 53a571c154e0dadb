//! Ways for audio to reach a server. One thread and one runtime carry all feeds; a piece of audio costs a timer and a
//! write of bytes that were made before the run. Judges nothing.
//!
//! **What media time is**, for [`Noted::Leg`] and [`Noted::Lost`]. A server counts the audio that it gets, so what is left
//! out of a stream shifts everything behind it: there is a new leg, and nothing is said of what was left out, since it has no
//! media time. Where the server goes by a clock, it has: it is `Lost`.
//!
//! | trouble | [`websocket`] | [`station`], [`push`] | [`rtp`] |
//! | --- | --- | --- | --- |
//! | `Stall` | new leg | `Lost` from [`StationOptions::notices_after`] on, else new leg | `Lost` |
//! | `Burst` | leg with `held_until` | the same | the same |
//! | `Disconnect` | new session at 0; what was due meanwhile follows | goes on; what the burst does not hold and nobody fetched is expected all the same | nothing |
//! | `Change` | as `Disconnect` | as `Disconnect` | nothing |
//! | `Scramble` | new legs | new legs | `Lost`; what comes late or twice changes nothing |
//! | `Garbage` | `Lost` | `Lost`, if the server counts it as time | `Lost` |
//! | `Jitter` | nothing: audio is due as planned, so it may be told `by` early | the same | the same |
//! | `Drift` | a new leg each millisecond | the same | the same |
//! | `SlowSink` | nothing | nothing | nothing |

mod course;
pub mod encode;
pub mod in_process;
mod note;
mod player;
pub mod push;
pub mod rtp;
pub mod station;
mod stream;
mod tape;
#[cfg(test)]
mod testing;
mod thread;
mod weather;
pub mod websocket;

pub use note::{Departure, Note, Noted, Notes};
pub use player::{Clock, Feed, share};
pub use station::{Station, StationOptions};
pub use tape::{PIECE, Tape};
pub use thread::{on_thread, real_time, thread_cpu};
pub use weather::Weather;

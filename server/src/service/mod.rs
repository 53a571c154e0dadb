//! The service: feeds that come and go while it runs, and what the doors of the house (API, mounts, WebSockets) need
//! of them. Speaks no protocol.

mod docks;
mod guest;

pub use docks::Docks;
pub use guest::{GUEST_TEMPO, Guest, GuestSpec, Reception, Refusal, guest_live_config};

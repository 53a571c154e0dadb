//! The service: feeds that come and go while it runs, and what the doors of the house (API, mounts, WebSockets) need
//! of them. Speaks no protocol.

mod beats;
mod docks;
mod feeds;
mod ground;
mod guest;
mod notify;
mod overview;
mod plan;
mod player;
mod reception;
mod store;
mod vitals;

pub use docks::{Berth, Docks};
pub use feeds::{ChangeError, Declared, FeedView, Feeds};
pub use ground::{Footing, Ground};
pub use guest::{GUEST_TEMPO, Guest, GuestSpec, Reception, Refusal, guest_live_config};
pub use notify::{Notify, watchdog};
pub use overview::{FeedStatus, Overview, State};
pub use reception::Lobby;
pub use store::StoreError;
pub use vitals::{Stuck, Vital, Vitals, VitalsConfig, of_service};

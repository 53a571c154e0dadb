//! Due times: when each piece of audio of each feed is to be sent, and how late that was. Knows no socket.

mod anchor;
mod dice;
mod pacer;
mod punctuality;
mod timeline;

pub use anchor::Anchor;
pub use dice::Dice;
pub(crate) use pacer::now;
pub use pacer::{Pacer, Turn};
pub use punctuality::Punctuality;
pub use timeline::Timeline;

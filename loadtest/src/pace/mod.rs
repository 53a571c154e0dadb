//! Due times: when each piece of audio of each feed is to be sent, and how late that was.

mod anchor;

pub use anchor::Anchor;

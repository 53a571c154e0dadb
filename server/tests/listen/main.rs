//! The wire protocol of Deepgram's live API over real sockets: with clients of our own, and with the vendor's SDKs.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod client;
mod crowd;
mod faults;
mod parameters;
mod sdks;
mod service;
#[path = "../support/mod.rs"]
mod support;
mod talk;

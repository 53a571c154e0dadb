//! The service as its users meet it: the program itself, its API over real sockets, killed and started again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod crash;
mod doors;
mod ending;
mod feeds;
mod guests;
mod readers;
mod rig;
mod slo;
mod speech;

//! Live captions as players read them: beside a stream of HLS, and of a feed without one. With the real model.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod beside;
mod files;
mod own;
mod playlist;
#[allow(dead_code, reason = "shared with the tests of the service")]
#[path = "../serve/rig.rs"]
mod rig;
#[path = "../support/mod.rs"]
mod support;

//! The mount: real encoders push to it, and others that have no manners. All traffic stays on the loopback interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod manners;
mod peers;
mod returns;
mod rig;
#[allow(dead_code, reason = "shared with the tests of ingest")]
#[path = "../ingest/support.rs"]
mod support;

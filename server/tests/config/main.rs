//! The configuration of the service as its users meet it: files that are wrong, the reference, the commands, the rules for
//! Prometheus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad;
mod commands;
mod fuzz;
mod load;
mod slo;
#[path = "../support/mod.rs"]
mod support;

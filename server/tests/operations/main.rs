//! What who runs Aircheck has in hand: the unit, the service manager's protocol, the watchdog, alerts with their runbooks, the dashboard.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../journal/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the journal")]
mod journal;

mod alerts;
mod dashboard;
mod documents;
mod manager;
mod watchdog;

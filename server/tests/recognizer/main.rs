//! Recogniser processes from outside: a fake one that misbehaves in every way, and the real one with the real model.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fake;
mod faults;
mod limits;
mod real;
mod shared;
#[path = "../support/mod.rs"]
mod support;

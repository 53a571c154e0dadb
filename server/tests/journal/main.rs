//! The journal as the service uses it: real files, real threads, real faults.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod basics;
mod child;
mod damage;
mod full;
mod kill;
mod power;
mod retention;
mod search;
mod support;

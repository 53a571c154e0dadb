//! Benchmarks of Aircheck beside what a user would pick instead.
#![forbid(unsafe_code)]

pub mod audio;
pub mod corpus;
pub mod english;
pub mod speech;

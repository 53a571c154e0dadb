//! Benchmarks of Aircheck beside what a user would pick instead.
#![forbid(unsafe_code)]

//! The program `aircheck`.
#![forbid(unsafe_code)]

fn main() {}

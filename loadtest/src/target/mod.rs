//! Servers that can be measured, and how each of them tells what it heard.

mod dialect;

pub use dialect::{Dialect, Said};

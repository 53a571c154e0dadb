//! Made-up runs, and the tests of what takes many of them.

mod baseline;
pub(super) mod synthetic;
mod terminal;

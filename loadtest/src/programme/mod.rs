//! What feeds play: labelled audio, and every fact in it that a server should tell. Knows no clock and no server.

mod labelled;

pub use labelled::{Fact, Programme, What};

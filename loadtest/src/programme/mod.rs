//! What feeds play: labelled audio, and every fact in it that a server should tell. Knows no clock and no server.

mod compose;
mod faults;
mod labelled;
mod manifest;
mod sample;
mod speech;
mod wav;

pub use labelled::{Fact, Programme, What};

//! The configuration of the service: one TOML file, and the same words in the API. Starts nothing.

mod feed;

pub use feed::{DEFAULT_PROFILE, FeedName, FeedSpec, Pace, ParseError, Source};

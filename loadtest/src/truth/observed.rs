//! What a server told, in the terms of all of them.

use std::time::{Duration, Instant};

use engine::event::EventKind;
use engine::time::Span;

/// One message of a server about one feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// When it was here.
    pub at: Instant,
    /// What it says.
    pub what: Observation,
    /// Latency that the server itself says it had. `None`: it does not say.
    pub stated: Option<Duration>,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// Words that may still change: they replace what was said before of `part`.
    Interim(Words),
    /// Words for good: they replace what was said before of `part`.
    Final(Words),
    /// The edge of an alert.
    Alert(Alert),
    /// Audio that was not analysed, and the reason.
    Gap {
        /// Where, media time of the feed.
        span: Span,
        /// `overload`, `loss` ...
        reason: String,
    },
    /// The server will not analyse this feed, or not all of it.
    Refused {
        /// In its words.
        reason: String,
    },
    /// A final without words or an event that nothing is expected of; it counts as coverage of its span only.
    Other {
        /// As named by the server: `heartbeat`, `feed.live` ...
        name: String,
        /// Where, media time of the feed.
        span: Option<Span>,
    },
}

/// Words of one part (an utterance, a segment) of a feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    /// Which part: what is said later of the same part replaces what was said before.
    pub part: u64,
    /// Where the part is, media time of the feed, as far as the server says.
    pub span: Option<Span>,
    /// In order.
    pub words: Vec<Heard>,
}

/// One word that a server heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// As written, with its punctuation.
    pub text: String,
    /// Where, media time of the feed. `None`: the server does not say.
    pub span: Option<Span>,
}

/// The edge of an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Which alert.
    pub kind: EventKind,
    /// Which edge.
    pub edge: Edge,
    /// From where to where, media time of the feed.
    pub span: Span,
    /// Pairs the edges; empty if the server does not.
    pub pair: String,
}

/// Edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edge {
    /// It begins.
    Open,
    /// It is over.
    Close,
}

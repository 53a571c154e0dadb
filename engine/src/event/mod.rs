//! Events: what Aircheck says about a feed. Operators emit [`Event`]s without names or wall time; the server wraps
//! them in an [`Envelope`]. No I/O here.

mod body;
mod envelope;
mod gap;
mod kind;
mod marker;
mod transcript;

pub use body::{
    Alert, AlertKind, Body, ChannelMap, ClockStep, Engine, Feed, FeedState, Heartbeat, LoudnessProfile,
    LoudnessReport, LoudnessScope, Metadata, Meter, Observation, Phase, Segment, SegmentKind,
};
pub use envelope::{Data, Envelope, EventId, Latency, Stages, schema};
pub use gap::{Gap, GapReason, GapReport};
pub use kind::EventKind;
pub use marker::{Marker, MarkerKind};
pub use transcript::{Keyword, KeywordState, Onset, Settled, Settling, SpokenWord, Transcript};

use crate::time::{MediaTime, Span};

/// A fact about a feed, as an operator states it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Where in the feed the fact holds. For an opening alert or segment: empty, at its start.
    pub span: Span,
    /// End of the last sample that was needed to know it: latency counts from that sample's arrival.
    pub proof: MediaTime,
    /// The fact.
    pub body: Body,
}

impl Event {
    /// A fact about `span` that was certain once the feed had reached `proof`.
    pub fn new(span: Span, proof: MediaTime, body: impl Into<Body>) -> Self {
        Self { span, proof, body: body.into() }
    }

    /// Which type of event it is.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.body.kind()
    }
}

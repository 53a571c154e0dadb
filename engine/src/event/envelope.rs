//! The wire form: one CloudEvents 1.0 structured envelope a line. Wall time comes from the caller.

use std::time::Duration;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

use super::{
    Alert, Body, ClockStep, Engine, EventKind, Feed, GapReport, Heartbeat, Keyword, LoudnessReport, Marker,
    Metadata, Meter, Onset, Segment, Settled, Transcript,
};
use crate::budget::Budget;
use crate::time::Span;

/// Identity of an event: stable, so that a reader can drop what it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventId {
    /// Place in the gapless sequence of its epoch.
    Durable(u64),
    /// A number of its own, apart from the sequence.
    Ephemeral(u64),
}

/// One line of the wire.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Envelope<B> {
    /// Always `1.0`.
    pub specversion: &'static str,
    /// `{feed}-{epoch}-{sequence}`, or `{feed}-{epoch}-e{n}` for an ephemeral event.
    pub id: String,
    /// `/feeds/{feed}`.
    pub source: String,
    /// `aircheck.{kind}.v1`.
    #[serde(rename = "type")]
    pub wire_type: String,
    /// What within the feed: `u-{utterance}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When the fact happened in the audio: RFC 3339, UTC.
    pub time: String,
    /// When the event became visible: RFC 3339, UTC.
    pub recordedtime: String,
    /// Twenty digits, gapless within the epoch. Absent from ephemeral events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// The feed.
    pub partitionkey: String,
    /// Always `application/json`.
    pub datacontenttype: &'static str,
    /// Pairs an open with its close.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlationid: Option<String>,
    /// The facts.
    pub data: Data<B>,
}

/// The facts of an event and where, in which feed, how fast.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Data<B> {
    /// Name of the feed.
    pub feed: String,
    /// Rises at each start of the feed.
    pub epoch: u64,
    /// Where in the feed, media time.
    pub span: Span,
    /// What this type of event carries.
    #[serde(flatten)]
    pub body: B,
    /// Promise and truth. Absent from events that react to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// The latency that an event was promised and the one that it had, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Latency {
    /// Promised: from the arrival of the last sample that proves the fact to the event being visible.
    pub budget_ms: u64,
    /// Had.
    pub total_ms: u64,
    /// Whether the promise was kept.
    pub met: bool,
    /// From the end of the fact to the last sample that proves it: no machine can be faster.
    pub algorithmic_ms: u64,
    /// Where the time went.
    pub stages_ms: Stages,
}

/// Where an event's time went, ms. `None`: the event did not pass there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stages {
    /// From the last sample's arrival until a worker took its block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lane: Option<u64>,
    /// Operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operators: Option<u64>,
    /// Waiting for a recogniser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u64>,
    /// Recognition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recognise: Option<u64>,
    /// Until it was handed over to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<u64>,
    /// Until it was on disk, and visible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<u64>,
}

impl Envelope<Body> {
    /// Wraps the facts of `data` as event `id`. `time` and `recordedtime` are RFC 3339 in UTC.
    #[must_use]
    pub fn new(id: EventId, data: Data<Body>, time: String, recordedtime: String) -> Self {
        let kind = data.body.kind();
        let prefix = format!("{}-{}", data.feed, data.epoch);
        let (id, sequence) = identity(&prefix, id);
        Self {
            specversion: "1.0",
            id,
            source: format!("/feeds/{}", data.feed),
            wire_type: kind.wire_type(),
            subject: subject(&data.body),
            time,
            recordedtime,
            sequence,
            partitionkey: data.feed.clone(),
            datacontenttype: "application/json",
            correlationid: data.body.pair().map(|pair| format!("{prefix}-{}-{pair}", kind.name())),
            data,
        }
    }
}

impl<B> Envelope<B> {
    /// Gives the event another identity within its feed and epoch.
    pub fn renumber(&mut self, id: EventId) {
        (self.id, self.sequence) = identity(&format!("{}-{}", self.data.feed, self.data.epoch), id);
    }
}

/// `id` and `sequence` of an event of the feed and epoch `prefix`.
fn identity(prefix: &str, id: EventId) -> (String, Option<String>) {
    match id {
        EventId::Durable(n) => (format!("{prefix}-{n}"), Some(format!("{n:020}"))),
        EventId::Ephemeral(n) => (format!("{prefix}-e{n}"), None),
    }
}

fn subject(body: &Body) -> Option<String> {
    match body {
        Body::Partial(t) | Body::Final(t) => Some(format!("u-{}", t.utterance)),
        Body::Keyword(k) => Some(format!("u-{}", k.utterance)),
        Body::Onset(onset) => Some(format!("u-{}", onset.utterance)),
        _ => None,
    }
}

impl Latency {
    /// The record of an event that became visible `total` after the arrival of its last proving sample, which itself
    /// came `algorithmic` after the fact.
    #[must_use]
    pub fn new(budget: Budget, total: Duration, algorithmic: Duration, stages: Stages) -> Self {
        let budget = budget.duration();
        Self {
            budget_ms: whole_ms(budget),
            total_ms: whole_ms(total),
            met: total <= budget,
            algorithmic_ms: whole_ms(algorithmic),
            stages_ms: stages,
        }
    }

    /// The same event where it took `journal` more to become visible: `total` in all.
    #[must_use]
    pub fn after_journal(self, total: Duration, journal: Duration) -> Self {
        Self {
            total_ms: whole_ms(total),
            met: total <= Duration::from_millis(self.budget_ms),
            stages_ms: Stages { journal: Some(whole_ms(journal)), ..self.stages_ms },
            ..self
        }
    }
}

/// Whole milliseconds, rounded to the nearest.
fn whole_ms(duration: Duration) -> u64 {
    u64::try_from((duration.as_micros() + 500) / 1_000).unwrap_or(u64::MAX)
}

/// JSON Schema of one type of event, whole envelope.
#[must_use]
pub fn schema(kind: EventKind) -> Schema {
    use EventKind as K;
    let mut schema = match kind {
        K::FeedConnected
        | K::FeedLive
        | K::FeedStalled
        | K::FeedUndecodable
        | K::FeedEnded
        | K::FeedReconnecting
        | K::FeedFormat => schema_for!(Envelope<Feed>),
        K::FeedMetadata => schema_for!(Envelope<Metadata>),
        K::Marker => schema_for!(Envelope<Marker>),
        K::Meter => schema_for!(Envelope<Meter>),
        K::LoudnessReport => schema_for!(Envelope<LoudnessReport>),
        K::AlertDeadAir
        | K::AlertClipping
        | K::AlertPhase
        | K::AlertMono
        | K::AlertChannelLost
        | K::AlertLoudness => schema_for!(Envelope<Alert>),
        K::Segment => schema_for!(Envelope<Segment>),
        K::TranscriptPartial | K::TranscriptFinal => schema_for!(Envelope<Transcript>),
        K::TranscriptSettled => schema_for!(Envelope<Settled>),
        K::SpeechOnset => schema_for!(Envelope<Onset>),
        K::Keyword => schema_for!(Envelope<Keyword>),
        K::Gap => schema_for!(Envelope<GapReport>),
        K::EngineDegraded | K::EngineRecovered | K::EngineRefused => schema_for!(Envelope<Engine>),
        K::ClockStep => schema_for!(Envelope<ClockStep>),
        K::Heartbeat => schema_for!(Envelope<Heartbeat>),
    };
    schema.insert("title".into(), kind.wire_type().into());
    if let Some(properties) = schema.get_mut("properties").and_then(|p| p.as_object_mut()) {
        properties.insert("type".into(), serde_json::json!({ "const": kind.wire_type() }));
    }
    schema
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::event::{AlertKind, Gap, GapReason, Observation, Phase};
    use crate::time::MediaTime;

    fn dead_air() -> Data<Body> {
        let alert = Alert {
            alert: AlertKind::DeadAir,
            phase: Phase::Close,
            pair: 3,
            observation: Observation { observed: -71.5, threshold: -50.0, unit: "dBFS" },
            profile: None,
            channels: None,
            duration: Some(MediaTime::from_secs(12)),
        };
        Data {
            feed: "wxyz".into(),
            epoch: 7,
            span: Span::new(MediaTime::from_secs(1), MediaTime::from_secs(13)),
            body: Body::Alert(alert),
            latency: Some(Latency::new(
                Budget::from_millis(250),
                Duration::from_micros(12_600),
                Duration::from_secs(1),
                Stages { lane: Some(1), ..Stages::default() },
            )),
        }
    }

    #[test]
    fn an_alert_on_the_wire() {
        let envelope = Envelope::new(EventId::Durable(4711), dead_air(), "T1".into(), "T2".into());
        let wire = serde_json::to_value(&envelope).unwrap();
        let expected = serde_json::json!({
            "specversion": "1.0", "id": "wxyz-7-4711", "source": "/feeds/wxyz", "type": "aircheck.alert.dead_air.v1",
            "time": "T1", "recordedtime": "T2", "sequence": "00000000000000004711", "partitionkey": "wxyz",
            "datacontenttype": "application/json", "correlationid": "wxyz-7-alert.dead_air-3",
            "data": {
                "feed": "wxyz", "epoch": 7, "span": { "start_ms": 1000, "end_ms": 13000 }, "phase": "close",
                "observed": -71.5, "threshold": -50.0, "unit": "dBFS", "duration_ms": 12000,
                "latency": { "budget_ms": 250, "total_ms": 13, "met": true, "algorithmic_ms": 1000,
                    "stages_ms": { "lane": 1 } },
            },
        });
        assert_eq!(wire, expected);
    }

    #[test]
    fn a_gap_says_what_it_was_in_words_that_are_fit_to_print() {
        let cause = format!("exited with\u{1b}[31m signal 11\n{}", "x".repeat(300));
        let wire = serde_json::to_value(GapReport::recogniser_failed(480, &cause)).unwrap();
        let printed = format!("exited with[31m signal 11{}", "x".repeat(175));
        let expected = serde_json::json!({ "frames": 480, "reason": "recogniser_failed", "cause": printed });
        assert_eq!(wire, expected);
        let other = Body::from(Gap { frames: 480, reason: GapReason::Overload });
        let expected = serde_json::json!({ "frames": 480, "reason": "overload" });
        assert_eq!(serde_json::to_value(other).unwrap(), expected);
    }

    #[test]
    fn every_kind_has_a_schema_that_names_it() {
        for kind in EventKind::ALL {
            let schema = schema(kind);
            let wire_type = schema.get("properties").unwrap()["type"]["const"].as_str().unwrap().to_owned();
            assert_eq!(wire_type, format!("aircheck.{}.v1", kind.name()));
            assert!(schema.get("properties").unwrap().get("data").is_some());
        }
    }
}

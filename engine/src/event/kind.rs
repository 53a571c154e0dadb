//! The event types, their names on the wire, their budgets, and which of them are durable.

use crate::budget::Budget;

/// Every type of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are the wire names of docs/events.md")]
pub enum EventKind {
    FeedConnected,
    FeedLive,
    FeedStalled,
    FeedUndecodable,
    FeedEnded,
    FeedReconnecting,
    FeedFormat,
    FeedMetadata,
    Marker,
    Meter,
    LoudnessReport,
    AlertDeadAir,
    AlertClipping,
    AlertPhase,
    AlertMono,
    AlertChannelLost,
    AlertLoudness,
    Segment,
    TranscriptPartial,
    TranscriptFinal,
    TranscriptSettled,
    SpeechOnset,
    Keyword,
    Gap,
    EngineDegraded,
    EngineRecovered,
    EngineRefused,
    ClockStep,
    Heartbeat,
}

use EventKind as K;

impl EventKind {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 29] = [
        K::FeedConnected,
        K::FeedLive,
        K::FeedStalled,
        K::FeedUndecodable,
        K::FeedEnded,
        K::FeedReconnecting,
        K::FeedFormat,
        K::FeedMetadata,
        K::Marker,
        K::Meter,
        K::LoudnessReport,
        K::AlertDeadAir,
        K::AlertClipping,
        K::AlertPhase,
        K::AlertMono,
        K::AlertChannelLost,
        K::AlertLoudness,
        K::Segment,
        K::TranscriptPartial,
        K::TranscriptFinal,
        K::TranscriptSettled,
        K::SpeechOnset,
        K::Keyword,
        K::Gap,
        K::EngineDegraded,
        K::EngineRecovered,
        K::EngineRefused,
        K::ClockStep,
        K::Heartbeat,
    ];

    /// Short name, for tables and labels: `transcript.final`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            K::FeedConnected => "feed.connected",
            K::FeedLive => "feed.live",
            K::FeedStalled => "feed.stalled",
            K::FeedUndecodable => "feed.undecodable",
            K::FeedEnded => "feed.ended",
            K::FeedReconnecting => "feed.reconnecting",
            K::FeedFormat => "feed.format",
            K::FeedMetadata => "feed.metadata",
            K::Marker => "marker",
            K::Meter => "meter",
            K::LoudnessReport => "loudness.report",
            K::AlertDeadAir => "alert.dead_air",
            K::AlertClipping => "alert.clipping",
            K::AlertPhase => "alert.phase",
            K::AlertMono => "alert.mono",
            K::AlertChannelLost => "alert.channel_lost",
            K::AlertLoudness => "alert.loudness",
            K::Segment => "segment",
            K::TranscriptPartial => "transcript.partial",
            K::TranscriptFinal => "transcript.final",
            K::TranscriptSettled => "transcript.settled",
            K::SpeechOnset => "speech.onset",
            K::Keyword => "keyword",
            K::Gap => "gap",
            K::EngineDegraded => "engine.degraded",
            K::EngineRecovered => "engine.recovered",
            K::EngineRefused => "engine.refused",
            K::ClockStep => "clock.step",
            K::Heartbeat => "heartbeat",
        }
    }

    /// The type of this name, short or as on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let short = name.strip_prefix("aircheck.").and_then(|rest| rest.strip_suffix(".v1")).unwrap_or(name);
        Self::ALL.into_iter().find(|kind| kind.name() == short)
    }

    /// CloudEvents type: `aircheck.transcript.final.v1`.
    #[must_use]
    pub fn wire_type(self) -> String {
        format!("aircheck.{}.v1", self.name())
    }

    /// From the arrival of the last sample that proves the fact until the event is visible (p99). The algorithmic
    /// wait before that sample is stated apart in each event. `None`: not a reaction to audio.
    #[must_use]
    pub const fn budget(self) -> Option<Budget> {
        let millis = match self {
            K::FeedConnected
            | K::FeedLive
            | K::FeedStalled
            | K::FeedUndecodable
            | K::FeedEnded
            | K::FeedReconnecting
            | K::FeedFormat
            | K::FeedMetadata
            | K::Marker
            | K::Gap
            | K::EngineDegraded
            | K::EngineRecovered
            | K::EngineRefused => 100,
            K::Meter => 50,
            K::LoudnessReport => 1_000,
            K::AlertDeadAir
            | K::AlertClipping
            | K::AlertPhase
            | K::AlertMono
            | K::AlertChannelLost
            | K::AlertLoudness
            | K::Segment
            | K::SpeechOnset => 250,
            K::TranscriptPartial => 2_000,
            K::TranscriptFinal | K::TranscriptSettled => 3_000,
            K::Keyword => 5_500,
            K::ClockStep | K::Heartbeat => return None,
        };
        Some(Budget::from_millis(millis))
    }

    /// Ephemeral events carry no sequence number and are never stored.
    #[must_use]
    pub const fn is_ephemeral(self) -> bool {
        matches!(self, K::Meter | K::TranscriptPartial | K::TranscriptSettled | K::SpeechOnset)
    }
}

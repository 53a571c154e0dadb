//! What each type of event carries. Those that operators emit from `push` own no heap storage.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::transcript::{Keyword, Onset, Settled, Transcript};
use super::{EventKind, Gap, GapReport, Marker};
use crate::time::MediaTime;

/// The facts of an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "each variant is documented at its type")]
pub enum Body {
    Feed(Feed),
    Metadata(Metadata),
    Marker(Marker),
    Meter(Meter),
    LoudnessReport(LoudnessReport),
    Alert(Alert),
    Segment(Segment),
    Partial(Transcript),
    Final(Transcript),
    Onset(Onset),
    Settled(Settled),
    Keyword(Keyword),
    Gap(GapReport),
    Degraded(Engine),
    Recovered(Engine),
    Refused(Engine),
    ClockStep(ClockStep),
    Heartbeat(Heartbeat),
}

impl Body {
    /// Which type of event these facts make.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        match self {
            Self::Feed(feed) => feed.kind(),
            Self::Metadata(_) => EventKind::FeedMetadata,
            Self::Marker(_) => EventKind::Marker,
            Self::Meter(_) => EventKind::Meter,
            Self::LoudnessReport(_) => EventKind::LoudnessReport,
            Self::Alert(alert) => alert.alert.kind(),
            Self::Segment(_) => EventKind::Segment,
            Self::Partial(_) => EventKind::TranscriptPartial,
            Self::Final(_) => EventKind::TranscriptFinal,
            Self::Onset(_) => EventKind::SpeechOnset,
            Self::Settled(_) => EventKind::TranscriptSettled,
            Self::Keyword(_) => EventKind::Keyword,
            Self::Gap(_) => EventKind::Gap,
            Self::Degraded(_) => EventKind::EngineDegraded,
            Self::Recovered(_) => EventKind::EngineRecovered,
            Self::Refused(_) => EventKind::EngineRefused,
            Self::ClockStep(_) => EventKind::ClockStep,
            Self::Heartbeat(_) => EventKind::Heartbeat,
        }
    }

    /// What pairs an open with its close: unique within a feed's epoch and the type. `None`: not a pair.
    #[must_use]
    pub fn pair(&self) -> Option<u32> {
        match self {
            Self::Alert(alert) => Some(alert.pair),
            Self::Segment(segment) => Some(segment.pair),
            _ => None,
        }
    }
}

impl From<Feed> for Body {
    fn from(facts: Feed) -> Self {
        Self::Feed(facts)
    }
}

impl From<Metadata> for Body {
    fn from(facts: Metadata) -> Self {
        Self::Metadata(facts)
    }
}

impl From<Marker> for Body {
    fn from(facts: Marker) -> Self {
        Self::Marker(facts)
    }
}

impl From<Meter> for Body {
    fn from(facts: Meter) -> Self {
        Self::Meter(facts)
    }
}

impl From<LoudnessReport> for Body {
    fn from(facts: LoudnessReport) -> Self {
        Self::LoudnessReport(facts)
    }
}

impl From<Alert> for Body {
    fn from(facts: Alert) -> Self {
        Self::Alert(facts)
    }
}

impl From<Segment> for Body {
    fn from(facts: Segment) -> Self {
        Self::Segment(facts)
    }
}

impl From<Keyword> for Body {
    fn from(facts: Keyword) -> Self {
        Self::Keyword(facts)
    }
}

impl From<Onset> for Body {
    fn from(facts: Onset) -> Self {
        Self::Onset(facts)
    }
}

impl From<Settled> for Body {
    fn from(facts: Settled) -> Self {
        Self::Settled(facts)
    }
}

impl From<Gap> for Body {
    fn from(Gap { frames, reason }: Gap) -> Self {
        Self::Gap(GapReport { frames, reason, losses: None, cause: None })
    }
}

impl From<GapReport> for Body {
    fn from(facts: GapReport) -> Self {
        Self::Gap(facts)
    }
}

impl From<ClockStep> for Body {
    fn from(facts: ClockStep) -> Self {
        Self::ClockStep(facts)
    }
}

impl From<Heartbeat> for Body {
    fn from(facts: Heartbeat) -> Self {
        Self::Heartbeat(facts)
    }
}

/// State of a feed's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedState {
    /// A connection was made.
    Connected,
    /// Audio arrives.
    Live,
    /// No bytes for 2 s.
    Stalled,
    /// Bytes for 5 s, but no audio in them.
    Undecodable,
    /// The source ended, or was told to.
    Ended,
    /// The connection was lost and is being made again.
    Reconnecting,
    /// Codec, rate or channel count, at the start and when they change.
    Format,
}

impl FeedState {
    /// States that a feed can be in: all but [`Self::Format`].
    pub const LASTING: [Self; 6] =
        [Self::Connected, Self::Live, Self::Stalled, Self::Undecodable, Self::Ended, Self::Reconnecting];

    /// As in the names of events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Live => "live",
            Self::Stalled => "stalled",
            Self::Undecodable => "undecodable",
            Self::Ended => "ended",
            Self::Reconnecting => "reconnecting",
            Self::Format => "format",
        }
    }
}

/// A feed changed its state.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Feed {
    /// The new state.
    pub state: FeedState,
    /// Why, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Codec, for example `mp3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Sample rate, Hz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_hz: Option<u32>,
    /// Channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
}

impl Feed {
    fn kind(&self) -> EventKind {
        match self.state {
            FeedState::Connected => EventKind::FeedConnected,
            FeedState::Live => EventKind::FeedLive,
            FeedState::Stalled => EventKind::FeedStalled,
            FeedState::Undecodable => EventKind::FeedUndecodable,
            FeedState::Ended => EventKind::FeedEnded,
            FeedState::Reconnecting => EventKind::FeedReconnecting,
            FeedState::Format => EventKind::FeedFormat,
        }
    }
}

/// What the source says is playing. Untrusted text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Metadata {
    /// Title as sent (ICY StreamTitle, ID3 TIT2, Vorbis TITLE).
    pub title: String,
    /// Artist where it is sent apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// A link where one is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Loudness now, at 10 Hz. `None`: below the meter's floor, or not enough audio yet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Meter {
    /// Momentary loudness (400 ms), LUFS.
    pub momentary_lufs: Option<f64>,
    /// Short-term loudness (3 s), LUFS.
    pub short_term_lufs: Option<f64>,
    /// Highest true peak of any channel since the last meter, dBTP.
    pub true_peak_dbtp: Option<f64>,
}

/// What a loudness report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoudnessScope {
    /// One minute of the feed.
    Minute,
    /// Everything since its start.
    Programme,
}

/// Loudness over a minute or the programme. `None`: nothing above the gate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LoudnessReport {
    /// What was measured.
    pub scope: LoudnessScope,
    /// Integrated loudness, LUFS (ITU-R BS.1770-5).
    pub integrated_lufs: Option<f64>,
    /// Loudness range, LU (EBU Tech 3342).
    pub range_lu: Option<f64>,
    /// Highest true peak, dBTP.
    pub true_peak_dbtp: Option<f64>,
}

/// Which end of a pair an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It began.
    Open,
    /// It is over; the span is the whole of it.
    Close,
}

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// Silence for longer than allowed.
    DeadAir,
    /// Samples cut off at full scale.
    Clipping,
    /// Channels cancel each other in mono.
    Phase,
    /// Both channels of a stereo feed are the same.
    Mono,
    /// One channel is silent while another is not.
    ChannelLost,
    /// Loudness or true peak off its target.
    Loudness,
}

impl AlertKind {
    fn kind(self) -> EventKind {
        match self {
            Self::DeadAir => EventKind::AlertDeadAir,
            Self::Clipping => EventKind::AlertClipping,
            Self::Phase => EventKind::AlertPhase,
            Self::Mono => EventKind::AlertMono,
            Self::ChannelLost => EventKind::AlertChannelLost,
            Self::Loudness => EventKind::AlertLoudness,
        }
    }
}

/// A loudness recommendation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoudnessProfile {
    /// EBU R 128: -23 LUFS, -1 dBTP.
    EbuR128,
    /// ATSC A/85: -24 LKFS, -2 dBTP.
    AtscA85,
    /// Podcasts: -16 LUFS, -1 dBTP.
    Podcast,
    /// Set by the user.
    Custom,
}

/// A measured value beside its limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Observation {
    /// What was measured.
    pub observed: f64,
    /// The limit that it crossed.
    pub threshold: f64,
    /// Unit of both: `dBFS`, `LUFS`, `dBTP`, `correlation`, `runs_per_s`.
    pub unit: &'static str,
}

/// Channels, as a bit mask: bit 0 is the first channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct ChannelMap(pub u8);

/// Something is wrong with the audio, or is so no longer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Alert {
    /// What is wrong.
    #[serde(skip)]
    pub alert: AlertKind,
    /// Whether it begins or is over.
    pub phase: Phase,
    /// Pairs open and close.
    #[serde(skip)]
    pub pair: u32,
    /// Measured value and limit. A close repeats those of its open.
    #[serde(flatten)]
    pub observation: Observation,
    /// Recommendation that the limit comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<LoudnessProfile>,
    /// Channels concerned, where it is not all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<ChannelMap>,
    /// How long it lasted, at the close.
    #[serde(rename = "duration_ms", skip_serializing_if = "Option::is_none")]
    pub duration: Option<MediaTime>,
}

/// What is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SegmentKind {
    /// Somebody speaks, over music or not.
    Speech,
    /// Music without speech.
    Music,
    /// Nothing.
    Silence,
    /// Anything else.
    Noise,
}

/// A stretch of one kind of sound begins or is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Segment {
    /// Whether it begins or is over.
    pub phase: Phase,
    /// Pairs open and close.
    #[serde(skip)]
    pub pair: u32,
    /// What is heard.
    pub kind: SegmentKind,
    /// 0..=1.
    pub confidence: f32,
    /// Where the very same sound was heard before: it is a jingle, a spot, or the like.
    #[serde(rename = "repeats_ms", skip_serializing_if = "Option::is_none")]
    pub repeats: Option<MediaTime>,
}

/// The engine changed what it does for a feed.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Engine {
    /// Step of the ladder, 0 = all.
    pub step: u8,
    /// Why.
    pub reason: String,
}

/// The clock of the machine was set. Times of events before and after it do not compare; media time and latencies are
/// not concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClockStep {
    /// By how much it was set forward; negative: back. ms.
    pub by_ms: i64,
}

/// A sign of life, every 5 s.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Heartbeat {
    /// Everything before it is complete.
    #[serde(rename = "watermark_ms")]
    pub watermark: MediaTime,
    /// How far the watermark is behind the live edge, ms.
    pub lag_ms: u64,
    /// Analysed / received, 0..=1.
    pub coverage: f64,
}

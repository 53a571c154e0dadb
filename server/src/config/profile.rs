//! `[profiles.NAME]`: what is analysed of a feed, with which limits. Builds no operator.

use engine::event::LoudnessProfile;
use engine::time::MediaTime;
use operators::{
    ActivityConfig, AnalysisConfig, ChannelLostConfig, ClippingConfig, DeadAirConfig, LevelsConfig,
    LoudnessConfig, LoudnessTarget, Meters, MonoConfig, PhaseConfig, UtteranceConfig,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is analysed of a feed, with which limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// Whether speech is recognised.
    pub transcript: bool,
    /// Whether text is shown while somebody speaks, that may still change.
    pub partials: bool,
    /// Time between two partials of an utterance, ms.
    #[schema(minimum = 100, maximum = 29_000)]
    pub partial_interval_ms: u64,
    /// Silence that ends an utterance, ms. Longer gives fewer cuts and better text, as much later.
    #[schema(minimum = 50, maximum = 5_000)]
    pub endpoint_ms: u64,
    /// Longest utterance, s; a longer one is cut at its best pause.
    #[schema(minimum = 4, maximum = 29)]
    pub utterance_max_secs: u64,
    /// Whether loudness and true peak are told ten times a second.
    pub meter: bool,
    /// Silence that is dead air, s.
    #[schema(minimum = 0.1, maximum = 3_600)]
    pub dead_air_secs: f64,
    /// Level below which there is silence, dBFS (RMS of 10 ms); sound is back 3 dB above it.
    #[schema(minimum = -110, maximum = -3)]
    pub dead_air_dbfs: f64,
    /// Sound that ends dead air, s.
    #[schema(minimum = 0.01, maximum = 60)]
    pub dead_air_recover_secs: f64,
    /// Whether clipped samples raise an alert.
    pub clipping: bool,
    /// Whether channels in opposite phase raise an alert.
    pub phase: bool,
    /// Whether two channels that are the same raise an alert. Much of what is broadcast in stereo is mono.
    pub mono: bool,
    /// Whether one silent channel of two raises an alert.
    pub channel_lost: bool,
    /// Whether a jingle or spot that comes again is a segment of its own.
    pub repeats: bool,
    /// Loudness to be held: a recommendation by its name, or a table of one's own. Without it loudness is reported, and
    /// raises no alert.
    pub loudness: Option<Loudness>,
}

impl Profile {
    /// What a feed has unless it says otherwise.
    pub const DEFAULT: Self = Self {
        transcript: true,
        partials: true,
        partial_interval_ms: 1_000,
        endpoint_ms: 300,
        utterance_max_secs: 12,
        meter: false,
        dead_air_secs: 10.0,
        dead_air_dbfs: -50.0,
        dead_air_recover_secs: 1.0,
        clipping: true,
        phase: true,
        mono: false,
        channel_lost: true,
        repeats: true,
        loudness: None,
    };

    /// The operators' configuration of a live feed of this profile.
    #[must_use]
    pub fn analysis(&self) -> AnalysisConfig {
        AnalysisConfig {
            levels: LevelsConfig {
                clipping: self.clipping.then(ClippingConfig::default),
                phase: self.phase.then(PhaseConfig::default),
                mono: self.mono.then(MonoConfig::default),
                channel_lost: self.channel_lost.then(ChannelLostConfig::default),
            },
            dead_air: DeadAirConfig {
                below_dbfs: self.dead_air_dbfs,
                above_dbfs: self.dead_air_dbfs + DEAD_AIR_HYSTERESIS_DB,
                open_after: secs(self.dead_air_secs),
                close_after: secs(self.dead_air_recover_secs),
            },
            loudness: LoudnessConfig {
                meters: if self.meter { Meters::TenHertz } else { Meters::Off },
                target: self.loudness.as_ref().map(Loudness::target),
                ..LoudnessConfig::default()
            },
            activity: ActivityConfig { repeats: self.repeats, ..ActivityConfig::default() },
            utterances: self.transcript.then(|| self.utterances()),
            ..AnalysisConfig::default()
        }
    }

    /// Speech is decoded ahead a while before the endpoint, and no later than usual.
    fn utterances(&self) -> UtteranceConfig {
        let live = UtteranceConfig::live();
        let endpoint = MediaTime::from_millis(self.endpoint_ms);
        let ahead_ms = self.endpoint_ms.saturating_sub(AHEAD_MS);
        let speculate = live.speculate.map(|usual| usual.min(MediaTime::from_millis(ahead_ms)));
        let speculate = speculate.filter(|silence| *silence >= SHORTEST_AHEAD);
        let longest = MediaTime::from_secs(self.utterance_max_secs);
        UtteranceConfig {
            partial: self.partials.then(|| MediaTime::from_millis(self.partial_interval_ms)),
            endpoint,
            speculate,
            tail: live.tail.min(speculate.unwrap_or(endpoint)),
            longest,
            cut_search: live.cut_search.min(MediaTime::from_millis(self.utterance_max_secs * 500)),
            ..live
        }
    }
}

/// Sound is back this far above the level of silence, dB.
const DEAD_AIR_HYSTERESIS_DB: f64 = 3.0;
/// A final is decoded ahead at least this long before the endpoint, ms; there is no point in less.
const AHEAD_MS: u64 = 100;
/// Silence after which a final is decoded ahead, at least.
const SHORTEST_AHEAD: MediaTime = MediaTime::from_millis(50);

impl Default for Profile {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Loudness to be held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Loudness {
    /// A recommendation.
    Named(Recommendation),
    /// A target of one's own.
    Own(OwnTarget),
}

impl Loudness {
    /// The operator's target.
    #[must_use]
    pub fn target(&self) -> LoudnessTarget {
        match self {
            Self::Named(Recommendation::EbuR128) => LoudnessTarget::EBU_R128,
            Self::Named(Recommendation::AtscA85) => LoudnessTarget::ATSC_A85,
            Self::Named(Recommendation::Podcast) => LoudnessTarget::PODCAST,
            Self::Own(own) => LoudnessTarget {
                profile: LoudnessProfile::Custom,
                lufs: own.lufs,
                tolerance_lu: own.tolerance_lu,
                true_peak_max_dbtp: own.true_peak_max_dbtp,
                open_after: secs(own.open_secs),
                close_after: secs(own.close_secs),
            },
        }
    }
}

/// A recommendation for loudness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recommendation {
    /// -23 LUFS, -1 dBTP.
    EbuR128,
    /// -24 LKFS, -2 dBTP.
    AtscA85,
    /// -16 LUFS, -1 dBTP.
    Podcast,
}

/// A loudness target of one's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnTarget {
    /// Target, LUFS.
    #[schema(minimum = -50, maximum = 0, example = -18.0)]
    pub lufs: f64,
    /// How far short-term loudness may be from the target, LU.
    #[serde(default = "OwnTarget::tolerance_lu")]
    #[schema(minimum = 0.5, maximum = 20, default = OwnTarget::tolerance_lu)]
    pub tolerance_lu: f64,
    /// What true peaks may reach, dBTP.
    #[serde(default = "OwnTarget::true_peak_max_dbtp")]
    #[schema(minimum = -20, maximum = 3, default = OwnTarget::true_peak_max_dbtp)]
    pub true_peak_max_dbtp: f64,
    /// Off for this long raises an alert, s. True peaks raise it at once.
    #[serde(default = "OwnTarget::open_secs")]
    #[schema(minimum = 0, maximum = 600, default = OwnTarget::open_secs)]
    pub open_secs: f64,
    /// Right for this long ends it, s.
    #[serde(default = "OwnTarget::close_secs")]
    #[schema(minimum = 0.1, maximum = 60, default = OwnTarget::close_secs)]
    pub close_secs: f64,
}

/// The defaults of a target.
impl OwnTarget {
    const fn tolerance_lu() -> f64 {
        LoudnessTarget::PODCAST.tolerance_lu
    }

    const fn true_peak_max_dbtp() -> f64 {
        LoudnessTarget::PODCAST.true_peak_max_dbtp
    }

    fn open_secs() -> f64 {
        LoudnessTarget::PODCAST.open_after.as_secs_f64()
    }

    fn close_secs() -> f64 {
        LoudnessTarget::PODCAST.close_after.as_secs_f64()
    }
}

/// In media time, to the millisecond.
fn secs(secs: f64) -> MediaTime {
    MediaTime::from_millis((secs * 1e3).round() as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use engine::audio::Format;
    use operators::Analysis;
    use serde_json::{Value, json};

    use super::super::shape::Shape;
    use super::*;

    fn build(profile: &Value) {
        let parsed: Profile = serde_json::from_value(profile.clone()).unwrap();
        let built = Analysis::new(Format::SPEECH, 1_600, &parsed.analysis());
        assert!(built.is_ok(), "{profile}: {}", built.err().unwrap());
    }

    /// A table of which one number is at an end of its range.
    fn extremes(shape: &Shape, rest: &Value) -> Vec<Value> {
        let Shape::Table(keys) = shape else { return Vec::new() };
        let ends = keys.iter().flat_map(|key| match key.shape {
            Shape::Integer(min, max) => vec![(&key.name, json!(min)), (&key.name, json!(max))],
            Shape::Number(min, max) => vec![(&key.name, json!(min)), (&key.name, json!(max))],
            _ => Vec::new(),
        });
        let with = |(name, end): (&String, Value)| {
            let mut table = rest.clone();
            table[name] = end;
            table
        };
        ends.map(with).collect()
    }

    #[test]
    fn operators_can_be_built_from_what_every_range_allows() {
        let profiles = extremes(&Shape::of::<Profile>(), &json!({}));
        assert_eq!(profiles.len(), 12);
        profiles.iter().for_each(build);
        let targets = extremes(&Shape::of::<OwnTarget>(), &json!({"lufs": -18}));
        assert_eq!(targets.len(), 10);
        targets.iter().for_each(|target| build(&json!({ "loudness": target })));
        let lowest: serde_json::Map<String, Value> =
            profiles.iter().step_by(2).flat_map(|profile| profile.as_object().unwrap().clone()).collect();
        build(&Value::Object(lowest));
    }

    #[test]
    fn every_key_reaches_its_operator() {
        let usual = format!("{:?}", Profile::DEFAULT.analysis());
        let other = [
            json!({"transcript": false}),
            json!({"partials": false}),
            json!({"partial_interval_ms": 1500}),
            json!({"endpoint_ms": 400}),
            json!({"utterance_max_secs": 10}),
            json!({"meter": true}),
            json!({"dead_air_secs": 5}),
            json!({"dead_air_dbfs": -40}),
            json!({"dead_air_recover_secs": 2}),
            json!({"clipping": false}),
            json!({"phase": false}),
            json!({"mono": true}),
            json!({"channel_lost": false}),
            json!({"repeats": false}),
            json!({"loudness": "podcast"}),
        ];
        let Shape::Table(keys) = Shape::of::<Profile>() else { panic!("not a table") };
        assert_eq!(other.len(), keys.len());
        for profile in other {
            let parsed: Profile = serde_json::from_value(profile.clone()).unwrap();
            assert_ne!(format!("{:?}", parsed.analysis()), usual, "{profile}");
        }
    }

    #[test]
    fn without_a_word_it_is_what_the_operators_do_by_themselves() {
        let own = AnalysisConfig { utterances: Some(UtteranceConfig::live()), ..AnalysisConfig::default() };
        assert_eq!(format!("{:?}", Profile::default().analysis()), format!("{own:?}"));
        let parsed: Profile = serde_json::from_value(json!({})).unwrap();
        assert_eq!(parsed, Profile::DEFAULT);
    }

    #[test]
    fn a_recommendation_is_its_target() {
        for (text, target) in [
            (json!("ebu_r128"), LoudnessTarget::EBU_R128),
            (json!("atsc_a85"), LoudnessTarget::ATSC_A85),
            (json!("podcast"), LoudnessTarget::PODCAST),
            (json!({"lufs": -18}), LoudnessTarget::new(LoudnessProfile::Custom, -18.0, -1.0)),
        ] {
            assert_eq!(serde_json::from_value::<Loudness>(text).unwrap().target(), target);
        }
    }
}

//! Parameters of utterances: their units, ranges and defaults. Nothing is decided here.

use engine::time::{MediaTime, SampleRate};

use super::ask::UTTERANCE_HOPS_MAX;
use crate::error::{BuildError, check_range};
use crate::hop::HOP_FRAMES;
use crate::voice::VoiceConfig;

/// How speech is cut into utterances, and when recognition is asked for. Times are rounded to hops of 10 ms.
#[derive(Clone, Debug, PartialEq)]
pub struct UtteranceConfig {
    /// How [`super::Speech`] tells speech from the rest. Default: [`VoiceConfig::sensitive`].
    pub voice: VoiceConfig,
    /// Speech begins above this probability, 0..=1. Default 0.5.
    pub open: f32,
    /// Speech goes on down to this probability, 0..=`open`. Default 0.4: earshot falls slowly, below that it
    /// misses pauses.
    pub close: f32,
    /// Speech for this long without a break begins an utterance, 10 ms ..= 1 s. Default 30 ms.
    pub onset: MediaTime,
    /// Audio kept from before the onset, at most 1 s. Default 250 ms.
    pub pre_roll: MediaTime,
    /// Silence that ends an utterance, 50 ms ..= 5 s. Default 300 ms.
    pub endpoint: MediaTime,
    /// Silence kept at the end of an utterance, at most `speculate` and `endpoint`. Default 200 ms.
    pub tail: MediaTime,
    /// Silence after which the final is decoded in advance, 10 ms to below `endpoint`. `None`: it never is.
    /// Default 200 ms.
    pub speculate: Option<MediaTime>,
    /// Time between partials, 100 ms ..= 29 s. `None`: no partials. Default 1 s.
    pub partial: Option<MediaTime>,
    /// Longest utterance, 4 s ..= 29 s; a longer one is cut at its best pause. Default 12 s.
    pub longest: MediaTime,
    /// The best pause is looked for in this last part of a longest utterance, 100 ms ..= half of `longest`.
    /// Default 3 s.
    pub cut_search: MediaTime,
    /// Utterances with less voiced audio than this are dropped, 10 ms ..= 2 s. Default 200 ms.
    pub shortest: MediaTime,
    /// An utterance is music, and not recognised, where music is more probable than a voice by more than this on
    /// average, 0..=1. `None`: music is recognised like speech. Default 0.15, chosen with the
    /// weights before today's: in 26 minutes of speech, some of it in noise, over music or in languages that the model
    /// does not know, no words were lost; about half of 18 minutes of music and noise was not decoded.
    pub music: Option<f32>,
    /// Benefit of the doubt: music must be that sure for this long besides, at most 10 s. Default 800 ms.
    pub music_doubt: MediaTime,
    /// Tells of each onset, and how far everything is settled: where an utterance ends, and this often while there is
    /// none, 10 ms ..= 10 s. `None`: neither is told. Default `None`.
    pub settle: Option<MediaTime>,
}

impl UtteranceConfig {
    /// For live feeds: the policy that measured best (docs/adr/0003).
    #[must_use]
    pub const fn live() -> Self {
        Self {
            voice: VoiceConfig::sensitive(),
            open: 0.5,
            close: 0.4,
            onset: MediaTime::from_millis(30),
            pre_roll: MediaTime::from_millis(250),
            endpoint: MediaTime::from_millis(300),
            tail: MediaTime::from_millis(200),
            speculate: Some(MediaTime::from_millis(200)),
            partial: Some(MediaTime::from_millis(1_000)),
            longest: MediaTime::from_secs(12),
            cut_search: MediaTime::from_secs(3),
            shortest: MediaTime::from_millis(200),
            music: Some(0.15),
            music_doubt: MediaTime::from_millis(800),
            settle: None,
        }
    }

    /// For files, as fast as they go: finals only, and a longer silence ends an utterance, since nobody waits. Fewer
    /// cuts are cheaper and give better text: 5.6 % of words wrong instead of 6.0 %, at 0.9 of the cost. Utterances
    /// longer than 12 s gain nothing: the encoder's cost grows faster than they do.
    #[must_use]
    pub const fn batch() -> Self {
        let endpoint = MediaTime::from_millis(800);
        Self { endpoint, speculate: None, partial: None, ..Self::live() }
    }

    /// How long an utterance is at least where it is cut because it is as long as it may be.
    #[must_use]
    pub fn whole(&self) -> MediaTime {
        self.longest.saturating_sub(self.cut_search)
    }
}

impl Default for UtteranceConfig {
    fn default() -> Self {
        Self::live()
    }
}

/// [`UtteranceConfig`] checked and in hops.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) open: f32,
    pub(super) close: f32,
    pub(super) onset: usize,
    pub(super) pre_roll: usize,
    pub(super) endpoint: usize,
    pub(super) tail: usize,
    pub(super) speculate: Option<usize>,
    pub(super) partial: Option<usize>,
    pub(super) longest: usize,
    pub(super) cut_search: usize,
    pub(super) shortest: usize,
    pub(super) music: Option<f32>,
    pub(super) music_doubt: usize,
    pub(super) settle: Option<usize>,
}

impl Limits {
    pub(super) fn new(config: &UtteranceConfig) -> Result<Self, BuildError> {
        let (open, close) = (f64::from(config.open), f64::from(config.close));
        check_range("utterance open", open, 0.0..=1.0, "0 to 1")?;
        check_range("utterance close", close, 0.0..=open, "0 to utterance open")?;
        check_range("utterance music", config.music.unwrap_or(0.0).into(), 0.0..=1.0, "0 to 1")?;
        let endpoint = hops("utterance endpoint, ms", config.endpoint, 50..=5_000, "50 to 5000")?;
        let longest = hops("utterance longest, ms", config.longest, 4_000..=29_000, "4000 to 29000")?;
        let last = ms(config.endpoint).saturating_sub(10);
        let speculate = config.speculate.map(|silence| {
            hops("utterance speculate, ms", silence, 10..=last, "10 to below utterance endpoint")
        });
        let speculate = speculate.transpose()?;
        let settle = config.settle.map(|time| hops("utterance settle, ms", time, 10..=10_000, "10 to 10000"));
        let tail_max = ms(config.speculate.unwrap_or(config.endpoint));
        let half = ms(config.longest) / 2;
        Ok(Self {
            open: config.open,
            close: config.close,
            onset: hops("utterance onset, ms", config.onset, 10..=1_000, "10 to 1000")?,
            pre_roll: hops("utterance pre_roll, ms", config.pre_roll, 0..=1_000, "0 to 1000")?,
            endpoint,
            tail: hops("utterance tail, ms", config.tail, 0..=tail_max, "0 to speculate, or endpoint")?,
            speculate,
            partial: config.partial.map(partial_hops).transpose()?,
            longest: longest.min(UTTERANCE_HOPS_MAX),
            cut_search: hops(
                "utterance cut_search, ms",
                config.cut_search,
                100..=half,
                "100 to half of longest",
            )?,
            shortest: hops("utterance shortest, ms", config.shortest, 10..=2_000, "10 to 2000")?,
            music: config.music,
            music_doubt: hops("utterance music_doubt, ms", config.music_doubt, 0..=10_000, "0 to 10000")?,
            settle: settle.transpose()?,
        })
    }
}

/// Time between partials in hops.
pub(super) fn partial_hops(interval: MediaTime) -> Result<usize, BuildError> {
    hops("utterance partial, ms", interval, 100..=29_000, "100 to 29000")
}

fn hops(
    parameter: &'static str,
    time: MediaTime,
    range_ms: std::ops::RangeInclusive<u64>,
    expected: &'static str,
) -> Result<usize, BuildError> {
    let range = *range_ms.start() as f64..=*range_ms.end() as f64;
    check_range(parameter, ms(time) as f64, range, expected)?;
    let n_hops = (time.to_frames(SampleRate::HZ_16000) + HOP_FRAMES as u64 / 2) / HOP_FRAMES as u64;
    Ok(usize::try_from(n_hops).unwrap_or(usize::MAX))
}

fn ms(time: MediaTime) -> u64 {
    time.as_millis()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(change: impl FnOnce(&mut UtteranceConfig), expected: &str) {
        let mut config = UtteranceConfig::live();
        change(&mut config);
        let told = Limits::new(&config).map(|_| ()).map_err(|e| e.to_string());
        assert_eq!(told.err().unwrap_or_default(), expected);
    }

    #[test]
    fn the_presets_can_be_built() {
        assert!(
            Limits::new(&UtteranceConfig::live()).is_ok() && Limits::new(&UtteranceConfig::batch()).is_ok()
        );
    }

    #[test]
    fn each_parameter_is_checked_and_named() {
        let ms = MediaTime::from_millis;
        check(|c| c.open = f32::NAN, "utterance open is NaN, expected 0 to 1");
        check(|c| c.close = 0.75, "utterance close is 0.75, expected 0 to utterance open");
        check(|c| c.onset = ms(0), "utterance onset, ms is 0, expected 10 to 1000");
        check(|c| c.pre_roll = ms(1_001), "utterance pre_roll, ms is 1001, expected 0 to 1000");
        check(|c| c.endpoint = ms(40), "utterance endpoint, ms is 40, expected 50 to 5000");
        check(|c| c.tail = ms(201), "utterance tail, ms is 201, expected 0 to speculate, or endpoint");
        let expected = "utterance speculate, ms is 300, expected 10 to below utterance endpoint";
        check(|c| c.speculate = Some(ms(300)), expected);
        check(|c| c.partial = Some(ms(99)), "utterance partial, ms is 99, expected 100 to 29000");
        check(|c| c.longest = ms(29_001), "utterance longest, ms is 29001, expected 4000 to 29000");
        check(
            |c| c.cut_search = ms(6_001),
            "utterance cut_search, ms is 6001, expected 100 to half of longest",
        );
        check(|c| c.shortest = ms(5), "utterance shortest, ms is 5, expected 10 to 2000");
        check(|c| c.music = Some(-0.5), "utterance music is -0.5, expected 0 to 1");
        check(|c| c.settle = Some(ms(9)), "utterance settle, ms is 9, expected 10 to 10000");
        check(|c| c.music_doubt = ms(10_001), "utterance music_doubt, ms is 10001, expected 0 to 10000");
    }
}

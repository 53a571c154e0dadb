//! The hop: 10 ms of 16 kHz mono with its own features, made once for everybody after it.

use engine::time::{MediaTime, SampleRate, Span};

/// Frames of a hop at 16 kHz.
pub const HOP_FRAMES: usize = 160;
/// Kinds of sound that `Kinds` tells apart: speech, music, noise. Silence is told by its level.
pub const N_KINDS: usize = 3;
/// Mel bands (those of Whisper's smaller models).
pub const N_MELS: usize = 80;

/// 10 ms of speech-rate audio and what was computed from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// Media time of its first sample.
    pub start: MediaTime,
    /// Its samples; the last hop of a feed is filled up with zeros.
    pub pcm: [f32; HOP_FRAMES],
    /// Raw `log10(max(power, 1e-10))` of each mel band, before Whisper's clamp and scaling, which depend on the
    /// window. The analysis window is 400 samples, centred on the hop's first sample.
    pub log_mel: [f32; N_MELS],
    /// Mean power of `pcm`, dBFS (0 = full-scale square), at least -120.
    pub power_db: f32,
    /// Spectral centroid of the power spectrum, Hz.
    pub centroid_hz: f32,
    /// Frequency below which 85 % of the power lies, Hz.
    pub rolloff_hz: f32,
    /// Half-wave rectified change of the normalised magnitude spectrum since the last hop, 0..=1.
    pub flux: f32,
    /// Geometric over arithmetic mean of the power spectrum below 7 kHz, 0 (tone) ..= 1 (one frame of white noise:
    /// 0.56).
    pub flatness: f32,
    /// Sign changes per sample, 0..=1.
    pub zero_crossings: f32,
    /// Probability of speech, 0..=1; 0 before the `Voice` operator has seen it.
    pub speech: f32,
    /// Probability of speech, music and noise half a second ago, by the sound of 1.5 s; all 0 before the `Kinds`
    /// operator knows.
    pub kinds: [f32; N_KINDS],
    /// Probability of music less that of a voice, -1..=1; 0 before the `Kinds` operator has seen it.
    pub music: f32,
}

impl Hop {
    /// Media time that it covers.
    #[must_use]
    pub fn span(&self) -> Span {
        Span::new(self.start, self.start + hop_time())
    }
}

impl Default for Hop {
    fn default() -> Self {
        Self {
            start: MediaTime::ZERO,
            pcm: [0.0; HOP_FRAMES],
            log_mel: [-10.0; N_MELS],
            power_db: -120.0,
            centroid_hz: 0.0,
            rolloff_hz: 0.0,
            flux: 0.0,
            flatness: 0.0,
            zero_crossings: 0.0,
            speech: 0.0,
            kinds: [0.0; N_KINDS],
            music: 0.0,
        }
    }
}

/// Length of a hop.
#[must_use]
pub fn hop_time() -> MediaTime {
    MediaTime::from_frames(HOP_FRAMES as u64, SampleRate::HZ_16000)
}

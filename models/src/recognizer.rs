//! The recogniser trait and what goes in and out of it. No feeds, no media time, no events.

use std::ops::Range;
use std::time::Duration;

use thiserror::Error;

/// Sample rate that every recogniser takes, Hz.
pub const SAMPLE_RATE_HZ: u32 = 16_000;

/// Turns mono speech into words.
pub trait Recognizer: Send {
    /// Recognises `pcm` (mono, 16 kHz, finite, nominally in [-1, 1]) into `out`, whose storage is reused.
    ///
    /// Positions in `out` are samples from the start of `pcm`. Audio shorter than a second is padded with zeros inside.
    fn recognize(
        &mut self,
        pcm: &[f32],
        options: &DecodeOptions,
        out: &mut Transcription,
    ) -> Result<(), RecognizeError>;

    /// Name of the model as events report it, for example `tiny.en-q8_0`.
    fn model(&self) -> &str;

    /// How long every call from now on would fail. `None`: it is ready.
    fn rest(&self) -> Option<Duration> {
        None
    }
}

/// How one slice is decoded. Defaults are those that measured best for live work (docs/adr/0003).
#[derive(Clone, Debug, PartialEq)]
pub struct DecodeOptions {
    /// Encoder context, in encoder frames of 20 ms, 1..=1500. `None`: fitted to the audio by [`fitted_context`],
    /// at least [`CONTEXT_FRAMES_MIN`].
    pub audio_context: Option<u32>,
    /// Language code such as `en`; `None` lets a multilingual model detect it.
    pub language: Option<&'static str>,
    /// Greedy when 1, beam search above, 1..=8.
    pub beam_size: u32,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { audio_context: None, language: Some("en"), beam_size: 1 }
    }
}

/// Encoder frames a second of audio takes.
pub const CONTEXT_FRAMES_PER_SECOND: u32 = 50;
/// Full context of a Whisper encoder, in encoder frames (30 s).
pub const CONTEXT_FRAMES_MAX: u32 = 1_500;

/// The least encoder context that measured best for whole utterances.
pub const CONTEXT_FRAMES_MIN: u32 = 384;

/// Encoder frames behind the audio that measured best: with half as many the model repeats itself now and then.
pub const CONTEXT_FRAMES_MARGIN: u32 = 128;

/// The encoder context that measured best for `n_samples` of audio: [`wider_context`] by [`CONTEXT_FRAMES_MARGIN`].
#[must_use]
pub fn fitted_context(n_samples: usize, least: u32) -> u32 {
    wider_context(n_samples, least, CONTEXT_FRAMES_MARGIN)
}

/// An encoder context `margin` frames wider than `n_samples` of audio: `ceil(50 s) + margin`, at least `least`, rounded up
/// to a multiple of 64 (multiples of 16 matter for speed), at most [`CONTEXT_FRAMES_MAX`].
#[must_use]
pub fn wider_context(n_samples: usize, least: u32, margin: u32) -> u32 {
    let frames =
        (n_samples as u64 * u64::from(CONTEXT_FRAMES_PER_SECOND)).div_ceil(u64::from(SAMPLE_RATE_HZ));
    let padded = (frames + u64::from(margin)).max(least.into()).next_multiple_of(64);
    u32::try_from(padded).unwrap_or(CONTEXT_FRAMES_MAX).min(CONTEXT_FRAMES_MAX)
}

/// One word of a [`Transcription`].
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// Byte range of the word in [`Transcription::text`], without surrounding space, with its punctuation.
    pub text: Range<usize>,
    /// Samples from the start of the slice, half-open.
    pub span: Range<usize>,
    /// Mean probability of its tokens, 0..=1.
    pub probability: f32,
}

/// What a recogniser heard. Reuse one value: its storage is kept between calls.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcription {
    /// The whole text, words separated by one space (by none in languages that are written so).
    pub text: String,
    /// The words in order; ranges lie in `text`.
    pub words: Vec<Word>,
    /// Language code that the model used or detected, for example `en`.
    pub language: String,
    /// Probability that the slice holds no speech, 0..=1; 1 when the model decoded nothing at all.
    pub no_speech_probability: f32,
    /// Mean natural-log probability of the text tokens; 0 when there are none.
    pub mean_log_probability: f32,
    /// Tokens decoded, timestamps included.
    pub n_tokens: usize,
    /// Encoder frames that were used.
    pub audio_context: u32,
}

impl Transcription {
    /// Empties it and keeps the storage.
    pub fn clear(&mut self) {
        self.text.clear();
        self.words.clear();
        self.language.clear();
        self.no_speech_probability = 0.0;
        self.mean_log_probability = 0.0;
        self.n_tokens = 0;
        self.audio_context = 0;
    }

    /// Text of the word at `word_idx`; empty when there is none.
    #[must_use]
    pub fn word_text(&self, word_idx: usize) -> &str {
        self.words.get(word_idx).and_then(|w| self.text.get(w.text.clone())).unwrap_or("")
    }

    /// Appends a word and the space before it.
    pub fn push_word(&mut self, text: &str, span: Range<usize>, probability: f32) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.join_word(text, span, probability);
    }

    /// Appends a word with no space before it.
    pub fn join_word(&mut self, text: &str, span: Range<usize>, probability: f32) {
        let start = self.text.len();
        self.text.push_str(text);
        self.words.push(Word { text: start..self.text.len(), span, probability });
    }
}

/// Why a slice could not be recognised.
#[derive(Debug, Error)]
pub enum RecognizeError {
    /// A sample is NaN or infinite; it would make Whisper answer with junk and no error.
    #[error("sample {sample_idx} is {value}, expected a finite number")]
    NotFinite {
        /// Where.
        sample_idx: usize,
        /// What.
        value: f32,
    },
    /// The slice is longer than the model's window.
    #[error("{actual} samples at 16 kHz, expected at most {expected} (30 s)")]
    TooLong {
        /// Samples given.
        actual: usize,
        /// Samples allowed.
        expected: usize,
    },
    /// An option is out of range.
    #[error("{option} {actual}, expected {expected}")]
    Option {
        /// Which.
        option: &'static str,
        /// Value given.
        actual: String,
        /// Values allowed.
        expected: &'static str,
    },
    /// The model failed.
    #[error("recogniser failed: {0}")]
    Failed(String),
}

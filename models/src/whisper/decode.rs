//! One decode: checks what it is given, sets whisper.cpp up as measured best for live work, reads the tokens back.

use std::ops::Range;
use std::sync::Arc;

use whisper_rs::{FullParams, SamplingStrategy, WhisperState, get_lang_id, get_lang_str};

use super::Whisper;
use super::align::Aligner;
use super::words::{Spacing, Token, Words};
use crate::checks::{check_pcm, context_for, wrong_option};
use crate::{DecodeOptions, RecognizeError, Recognizer, SAMPLE_RATE_HZ, Transcription};

/// Shorter audio is padded: whisper.cpp ignores 90 ms and reads out of bounds below 201 samples (docs/adr/0003).
const N_SAMPLES_MIN: usize = SAMPLE_RATE_HZ as usize;
/// Louder samples are clipped; 1e30 would turn the whole text into junk.
const AMPLITUDE_MAX: f32 = 8.0;
/// Stop of a repetition loop, far above speech: tokens per second and for any slice (docs/adr/0003).
const TOKENS_PER_SECOND_MAX: usize = 8;
const TOKENS_SPARE: usize = 24;
/// Beams that whisper.cpp has decoders for (`WHISPER_MAX_DECODERS`).
const BEAM_SIZE_MAX: u32 = 8;

/// Recognises with a [`Whisper`]: its own state, the shared weights.
#[derive(Debug)]
pub struct WhisperRecognizer {
    whisper: Arc<Whisper>,
    /// `None` only while it is dropped.
    state: Option<WhisperState>,
    pcm: Vec<f32>,
    words: Words,
    aligner: Aligner,
    spans: Vec<Range<usize>>,
    /// Built once per language and beam size: whisper-rs leaks the language of each new one.
    prepared: Vec<(Option<&'static str>, u32, FullParams<'static, 'static>)>,
}

impl Drop for WhisperRecognizer {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            self.whisper.give_back(state);
        }
    }
}

impl Recognizer for WhisperRecognizer {
    fn recognize(
        &mut self,
        pcm: &[f32],
        options: &DecodeOptions,
        out: &mut Transcription,
    ) -> Result<(), RecognizeError> {
        out.clear();
        check_pcm(pcm)?;
        let audio_context = context_for(pcm.len(), options)?;
        let mut params = self.params(options)?;
        params.set_audio_ctx(audio_context.cast_signed());
        params.set_max_tokens(tokens_max(pcm.len()) as i32);
        pad(pcm, &mut self.pcm);
        out.audio_context = audio_context;
        let Some(state) = &mut self.state else { return Err(no_state()) };
        state.full(params, &self.pcm).map_err(failed)?;
        self.read_back(out)?;
        self.place(pcm, out);
        Ok(())
    }

    fn model(&self) -> &str {
        self.whisper.name()
    }
}

impl WhisperRecognizer {
    pub(super) fn new(whisper: Arc<Whisper>, state: WhisperState) -> Self {
        Self {
            whisper,
            state: Some(state),
            pcm: Vec::new(),
            words: Words::default(),
            aligner: Aligner::default(),
            spans: Vec::new(),
            prepared: Vec::new(),
        }
    }

    fn params(&mut self, options: &DecodeOptions) -> Result<FullParams<'static, 'static>, RecognizeError> {
        let language = self.language(options.language)?;
        let beam_size = options.beam_size;
        if !(1..=BEAM_SIZE_MAX).contains(&beam_size) {
            return Err(wrong_option("beam size", beam_size, "1 to 8"));
        }
        let known = self.prepared.iter().find(|(l, b, _)| (*l, *b) == (language, beam_size));
        if let Some((.., params)) = known {
            return Ok(params.clone());
        }
        let params = prepare(language, beam_size, self.whisper.options.n_threads.get());
        self.prepared.push((language, beam_size, params.clone()));
        Ok(params)
    }

    fn language(&self, asked: Option<&'static str>) -> Result<Option<&'static str>, RecognizeError> {
        let Some(language) = asked else {
            return Ok(if self.whisper.is_multilingual() { None } else { Some("en") });
        };
        let known = language.bytes().all(|b| b.is_ascii_lowercase()) && get_lang_id(language).is_some();
        if !known {
            return Err(wrong_option("language", language, "a language code that Whisper knows, such as en"));
        }
        if language != "en" && !self.whisper.is_multilingual() {
            return Err(wrong_option("language", language, "en, the only one of this model"));
        }
        Ok(asked)
    }

    /// Reads the tokens of the last decode into words.
    fn read_back(&mut self, out: &mut Transcription) -> Result<(), RecognizeError> {
        let Self { whisper, state: Some(state), words, .. } = self else { return Err(no_state()) };
        let language = if whisper.is_multilingual() {
            get_lang_str(state.full_lang_id_from_state())
        } else {
            Some("en")
        };
        out.language.push_str(language.unwrap_or_default());
        out.no_speech_probability = 1.0;
        let spacing = Spacing::of(&out.language);
        let (token_eot, token_begin) = (whisper.context.token_eot(), whisper.context.token_beg());
        let frame = |token| usize::try_from(token - token_begin).ok();
        let (mut n_text, mut log_probability_sum) = (0_u32, 0.0);
        words.clear();
        for segment in state.as_iter() {
            out.no_speech_probability = segment.no_speech_probability();
            for token in (0..segment.n_tokens()).filter_map(|i| segment.get_token(i)) {
                out.n_tokens += 1;
                let data = token.token_data();
                if data.id < token_eot {
                    n_text += 1;
                    log_probability_sum += data.plog;
                    let bytes = token.to_bytes().map_err(failed)?;
                    let start = frame(data.tid).map(|frame| (frame, data.pt));
                    words.push(&Token::Text { bytes, probability: data.p, start }, spacing, out);
                } else if let Some(frame) = frame(data.id) {
                    words.push(&Token::Mark(frame), spacing, out);
                }
            }
        }
        words.finish(spacing, out);
        if n_text > 0 {
            out.mean_log_probability = log_probability_sum / n_text as f32;
        }
        Ok(())
    }

    /// Gives the words of `out` their spans in `pcm`.
    fn place(&mut self, pcm: &[f32], out: &mut Transcription) {
        self.aligner.align(pcm, self.words.clues(), &mut self.spans);
        for (word, span) in out.words.iter_mut().zip(&self.spans) {
            word.span = span.clone();
        }
    }
}

/// The settings that measured best for live work (docs/adr/0003).
fn prepare(language: Option<&'static str>, beam_size: u32, n_threads: usize) -> FullParams<'static, 'static> {
    let strategy = if beam_size == 1 {
        SamplingStrategy::Greedy { best_of: 1 }
    } else {
        SamplingStrategy::BeamSearch { beam_size: beam_size.cast_signed(), patience: -1.0 }
    };
    let mut params = FullParams::new(strategy);
    params.set_language(language);
    params.set_n_threads(i32::try_from(n_threads).unwrap_or(i32::MAX));
    params.set_single_segment(true);
    params.set_no_context(true);
    params.set_suppress_blank(true);
    params.set_temperature(0.0);
    params.set_temperature_inc(0.0);
    // Never reached: whisper.cpp would hide what it takes for no speech, and with it the probability
    params.set_no_speech_thold(2.0);
    // Makes it report a segment, and so the no-speech probability, even where there is no text
    params.set_print_special(true);
    params.set_print_progress(false);
    params.set_print_realtime(false);
    params.set_print_timestamps(false);
    params
}

fn tokens_max(n_samples: usize) -> usize {
    (TOKENS_PER_SECOND_MAX * n_samples).div_ceil(SAMPLE_RATE_HZ as usize) + TOKENS_SPARE
}

/// Copies `pcm` into `out`, clipped, with exact zeros after it up to [`N_SAMPLES_MIN`].
fn pad(pcm: &[f32], out: &mut Vec<f32>) {
    out.clear();
    out.extend(pcm.iter().map(|s| s.clamp(-AMPLITUDE_MAX, AMPLITUDE_MAX)));
    out.resize(pcm.len().max(N_SAMPLES_MIN), 0.0);
}

fn no_state() -> RecognizeError {
    failed("it has no state")
}

fn failed(reason: impl ToString) -> RecognizeError {
    RecognizeError::Failed(reason.to_string())
}

//! A recogniser for tests, without weights: hears tones. Each burst of tone is a word, chosen by its pitch, so that any
//! two slices of the same audio agree as they do with a real recogniser.

use std::collections::VecDeque;
use std::ops::Range;

use crate::checks::{check_pcm, context_for};
use crate::{DecodeOptions, RecognizeError, Recognizer, SAMPLE_RATE_HZ, Transcription};

/// Step in which bursts are found: 10 ms.
const STEP: usize = SAMPLE_RATE_HZ as usize / 100;
/// Root mean square from which a step is loud: -40 dBFS.
const LOUD_RMS: f32 = 0.01;
/// Shortest burst that is a word, and shortest quiet that ends one, in steps.
const BURST_STEPS_MIN: usize = 8;
const QUIET_STEPS_MIN: usize = 4;
/// Words a second in an imitated loop; speech has at most 6.5 (docs/adr/0003).
const LOOP_WORDS_PER_SECOND: usize = 9;

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The first word, or `loop`, repeated all over the slice.
    Loop,
    /// The call fails.
    Error,
    /// Words of a description, and a high no-speech probability.
    NoSpeech,
    /// No words.
    Empty,
}

/// Hears a tone burst of at least 80 ms, 40 ms or more apart from others, as one word: that of its pitch in the
/// vocabulary, or else `w` and the pitch in hundreds of Hz, such as `w4` for 350 to 450 Hz.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    vocabulary: Vec<(u32, String)>,
    faults: VecDeque<Fault>,
}

impl Scripted {
    /// With words `w1`, `w2` and so on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls a pitch in Hz, rounded to hundreds, by a word of its own.
    #[must_use]
    pub fn with_words(mut self, words: &[(u32, &str)]) -> Self {
        self.vocabulary.extend(words.iter().map(|(hz, word)| (hundreds(*hz as f32), (*word).to_owned())));
        self
    }

    /// Faults of the next calls, one each; after them all is well.
    #[must_use]
    pub fn with_faults(mut self, faults: &[Fault]) -> Self {
        self.faults.extend(faults);
        self
    }

    fn word(&self, burst: &[f32]) -> String {
        let pitch = hundreds(pitch_hz(burst));
        let known = self.vocabulary.iter().find(|(hundreds, _)| *hundreds == pitch);
        known.map_or_else(|| format!("w{pitch}"), |(_, word)| word.clone())
    }

    fn hear(&self, pcm: &[f32], out: &mut Transcription) {
        for burst in bursts(pcm) {
            let word = self.word(pcm.get(burst.clone()).unwrap_or_default());
            out.push_word(&word, burst, 0.9);
        }
    }
}

impl Recognizer for Scripted {
    fn recognize(
        &mut self,
        pcm: &[f32],
        options: &DecodeOptions,
        out: &mut Transcription,
    ) -> Result<(), RecognizeError> {
        out.clear();
        check_pcm(pcm)?;
        out.audio_context = context_for(pcm.len(), options)?;
        out.language.push_str(options.language.unwrap_or("en"));
        let fault = self.faults.pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::Error => return Err(RecognizeError::Failed("scripted".to_owned())),
            Fault::None => self.hear(pcm, out),
            Fault::Loop => {
                self.hear(pcm, out);
                repeat(pcm.len(), out);
            }
            Fault::NoSpeech => {
                out.push_word("(upbeat", 0..pcm.len() / 2, 0.5);
                out.push_word("music)", pcm.len() / 2..pcm.len(), 0.5);
            }
            Fault::Empty => {}
        }
        let speech = !out.words.is_empty() && fault != Fault::NoSpeech;
        out.no_speech_probability = if speech { 0.02 } else { 0.95 };
        out.mean_log_probability = if out.words.is_empty() { 0.0 } else { -0.2 };
        out.n_tokens = out.words.len() + 2;
        Ok(())
    }

    fn model(&self) -> &str {
        "scripted"
    }
}

/// Fills `out` with its first word, over and over.
fn repeat(n_samples: usize, out: &mut Transcription) {
    let word = if out.words.is_empty() { "loop".to_owned() } else { out.word_text(0).to_owned() };
    let n_words = (n_samples * LOOP_WORDS_PER_SECOND).div_ceil(SAMPLE_RATE_HZ as usize).max(8);
    out.text.clear();
    out.words.clear();
    for idx in 0..n_words {
        out.push_word(&word, idx * n_samples / n_words..(idx + 1) * n_samples / n_words, 0.9);
    }
}

/// Loud stretches of `pcm`, in samples.
fn bursts(pcm: &[f32]) -> Vec<Range<usize>> {
    let loud = pcm.chunks(STEP).map(|step| rms(step) >= LOUD_RMS);
    let mut bursts: Vec<Range<usize>> = Vec::new();
    for step in loud.enumerate().filter_map(|(idx, loud)| loud.then_some(idx)) {
        match bursts.last_mut().filter(|burst| step - burst.end < QUIET_STEPS_MIN) {
            Some(burst) => burst.end = step + 1,
            None => bursts.push(step..step + 1),
        }
    }
    bursts.retain(|burst| burst.len() >= BURST_STEPS_MIN);
    bursts.into_iter().map(|burst| burst.start * STEP..(burst.end * STEP).min(pcm.len())).collect()
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt()
}

/// From the distances of zero crossings; those across a quiet gap do not count.
fn pitch_hz(samples: &[f32]) -> f32 {
    let pairs = samples.windows(2).enumerate();
    let crossings = pairs.filter_map(|(idx, pair)| ((pair[0] < 0.0) != (pair[1] < 0.0)).then_some(idx));
    let crossings: Vec<usize> = crossings.collect();
    let mut distances: Vec<usize> = crossings.windows(2).map(|pair| pair[1] - pair[0]).collect();
    distances.sort_unstable();
    let median = distances.get(distances.len() / 2).copied().unwrap_or(0);
    distances.retain(|distance| *distance <= median * 3 / 2);
    let n_samples: usize = distances.iter().sum();
    let half_periods_per_second =
        (distances.len() * SAMPLE_RATE_HZ as usize) as f32 / n_samples.max(1) as f32;
    half_periods_per_second / 2.0
}

fn hundreds(hz: f32) -> u32 {
    (hz / 100.0).round() as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Parts of a pitch in Hz (0: silence) and a length in ms.
    fn audio(parts: &[(u32, usize)]) -> Vec<f32> {
        let sample =
            |hz: u32, i: usize| (i as f32 * hz as f32 * std::f32::consts::TAU / 16_000.0).sin() * 0.3;
        parts.iter().flat_map(|(hz, ms)| (0..ms * 16).map(move |i| sample(*hz, i))).collect()
    }

    fn heard(recognizer: &mut Scripted, pcm: &[f32]) -> Transcription {
        let mut out = Transcription::default();
        recognizer.recognize(pcm, &DecodeOptions::default(), &mut out).unwrap();
        out
    }

    fn check(parts: &[(u32, usize)], expected: &str) {
        assert_eq!(heard(&mut Scripted::new().with_words(&[(500, "five")]), &audio(parts)).text, expected);
    }

    #[test]
    fn each_burst_is_the_word_of_its_pitch() {
        check(&[(0, 100), (300, 200), (0, 60), (500, 200), (0, 100), (1_210, 90)], "w3 five w12");
    }

    #[test]
    fn short_bursts_are_no_words_and_short_gaps_no_ends() {
        check(&[(300, 70), (0, 100), (500, 200)], "five");
        check(&[(500, 100), (0, 30), (500, 100)], "five");
        check(&[(0, 500)], "");
    }

    #[test]
    fn slices_of_the_same_audio_agree() {
        let pcm = audio(&[(0, 137), (400, 300), (0, 200), (700, 300), (0, 100)]);
        let whole = heard(&mut Scripted::new(), &pcm);
        assert_eq!(whole.words[1].span, 10_080..15_040);
        for cut in (137 + 90..937).step_by(7) {
            let text = heard(&mut Scripted::new(), &pcm[..cut * 16]).text;
            assert!(whole.text.starts_with(&text) && !text.is_empty(), "{text} at {cut} ms");
        }
    }

    #[test]
    fn faults_come_in_order_and_then_stop() {
        let faults = [Fault::Loop, Fault::NoSpeech, Fault::Empty, Fault::Error];
        let mut recognizer = Scripted::new().with_faults(&faults);
        let pcm = audio(&[(0, 500), (400, 500)]);
        let looped = heard(&mut recognizer, &pcm);
        assert_eq!(looped.words.len(), 9);
        assert!((0..9).all(|idx| looped.word_text(idx) == "w4"));
        assert!(heard(&mut recognizer, &pcm).no_speech_probability > 0.8);
        assert_eq!(heard(&mut recognizer, &pcm).text, "");
        let mut out = Transcription::default();
        assert!(recognizer.recognize(&pcm, &DecodeOptions::default(), &mut out).is_err());
        assert_eq!(heard(&mut recognizer, &pcm).text, "w4");
    }
}

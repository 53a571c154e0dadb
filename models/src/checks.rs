//! What every recogniser refuses before it starts.

use crate::{
    CONTEXT_FRAMES_MAX, CONTEXT_FRAMES_MIN, CONTEXT_FRAMES_PER_SECOND, DecodeOptions, RecognizeError,
    SAMPLE_RATE_HZ, fitted_context,
};

/// Longest slice: the model's window of 30 s.
const N_SAMPLES_MAX: usize = 30 * SAMPLE_RATE_HZ as usize;

/// What every recogniser refuses, without one: audio that is too long or no number, a context out of range.
///
/// # Errors
/// The same that [`crate::Recognizer::recognize`] gives.
pub fn check_request(pcm: &[f32], options: &DecodeOptions) -> Result<(), RecognizeError> {
    check_pcm(pcm)?;
    context_for(pcm.len(), options).map(drop)
}

pub(crate) fn check_pcm(pcm: &[f32]) -> Result<(), RecognizeError> {
    if pcm.len() > N_SAMPLES_MAX {
        return Err(RecognizeError::TooLong { actual: pcm.len(), expected: N_SAMPLES_MAX });
    }
    match pcm.iter().enumerate().find(|(_, sample)| !sample.is_finite()) {
        Some((sample_idx, value)) => Err(RecognizeError::NotFinite { sample_idx, value: *value }),
        None => Ok(()),
    }
}

/// The context asked for, raised to what the audio needs: a smaller one would cut speech off without a word.
pub(crate) fn context_for(n_samples: usize, options: &DecodeOptions) -> Result<u32, RecognizeError> {
    let Some(asked) = options.audio_context else { return Ok(fitted_context(n_samples, CONTEXT_FRAMES_MIN)) };
    if !(1..=CONTEXT_FRAMES_MAX).contains(&asked) {
        return Err(wrong_option("audio context", asked, "1 to 1500 frames of 20 ms"));
    }
    let needed = n_samples.div_ceil((SAMPLE_RATE_HZ / CONTEXT_FRAMES_PER_SECOND) as usize) as u32;
    Ok(asked.max(needed))
}

pub(crate) fn wrong_option(
    option: &'static str,
    actual: impl ToString,
    expected: &'static str,
) -> RecognizeError {
    RecognizeError::Option { option, actual: actual.to_string(), expected }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn samples_that_are_no_numbers_and_too_many_are_refused() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = check_pcm(&[0.0, 0.5, bad, 0.0]).unwrap_err().to_string();
            assert_eq!(error, format!("sample 2 is {bad}, expected a finite number"));
        }
        assert!(check_pcm(&vec![0.0; 480_000]).is_ok());
        let error = check_pcm(&vec![0.0; 480_001]).unwrap_err().to_string();
        assert_eq!(error, "480001 samples at 16 kHz, expected at most 480000 (30 s)");
    }

    #[test]
    fn the_context_is_in_range_and_never_shorter_than_the_audio() {
        let context = |seconds: usize, audio_context| {
            context_for(seconds * 16_000, &DecodeOptions { audio_context, ..DecodeOptions::default() })
        };
        assert_eq!(context(10, None).unwrap(), 640);
        assert_eq!(context(10, Some(768)).unwrap(), 768);
        assert_eq!(context(10, Some(1)).unwrap(), 500);
        for bad in [0, 1_501, u32::MAX] {
            let error = context(10, Some(bad)).unwrap_err().to_string();
            assert_eq!(error, format!("audio context {bad}, expected 1 to 1500 frames of 20 ms"));
        }
    }
}

//! What recognition costs: work by the length of the audio, and the price of work on this machine. No feeds.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use models::{
    CONTEXT_FRAMES_MIN, DecodeOptions, RecognizeError, Recognizer, SAMPLE_RATE_HZ, Transcription,
    fitted_context,
};

/// Encoder frames that cost as much as decoding the words of a second of speech (tiny.en: three words, four tokens).
const WORDS_A_SECOND: u64 = 25;
/// Nanoseconds that a unit of work takes where nothing was measured yet (tiny.en on a Xeon of 2023).
const NANOS_GUESSED: u32 = 400_000;
/// A measurement counts by one in this many.
const MEMORY: i64 = 16;
/// Work that a second of continuous speech leads to, by `make bench-feeds`: finals with what is decoded ahead for
/// them, and partials every second.
pub(super) const FINALS_A_SECOND: f64 = 150.0;
pub(super) const PARTIALS_A_SECOND: f64 = 300.0;

/// Length of the audio that a recogniser is measured with.
const MEASURED_SAMPLES: usize = 5 * SAMPLE_RATE_HZ as usize;

/// What a decode of 5 s without words takes here: the median of `n_decodes`, after one that does not count.
pub fn measure(
    recognizer: &mut dyn Recognizer,
    options: &DecodeOptions,
    n_decodes: usize,
) -> Result<Duration, RecognizeError> {
    let pcm: Vec<f32> = noise(MEASURED_SAMPLES).collect();
    let mut out = Transcription::default();
    let mut times = Vec::with_capacity(n_decodes + 1);
    for _ in 0..=n_decodes {
        let began_at = Instant::now();
        recognizer.recognize(&pcm, options, &mut out)?;
        times.push(began_at.elapsed());
    }
    let counted = times.get_mut(1..).unwrap_or_default();
    counted.sort_unstable();
    Ok(counted.get(n_decodes / 2).copied().unwrap_or_default())
}

/// White noise at about -20 dBFS, the same each time (xorshift64).
pub fn noise(n_samples: usize) -> impl Iterator<Item = f32> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..n_samples).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 * 0.2 - 0.2
    })
}

/// Work, in encoder frames: the encoder's and, as many as take as long, the decoder's.
pub(super) fn work(n_samples: usize, least_context: u32) -> u64 {
    let words = n_samples as u64 * WORDS_A_SECOND / u64::from(SAMPLE_RATE_HZ);
    u64::from(fitted_context(n_samples, least_context)) + words
}

/// What a unit of work costs, corrected by each decode.
#[derive(Debug)]
pub(super) struct Price(AtomicU32);

impl Price {
    /// `measured`: what [`measure`] says, where that is known.
    pub(super) fn new(measured: Option<Duration>) -> Self {
        let context = fitted_context(MEASURED_SAMPLES, CONTEXT_FRAMES_MIN);
        let nanos = measured.map(|took| nanos_per_work(context.into(), took));
        Self(AtomicU32::new(nanos.unwrap_or(NANOS_GUESSED)))
    }

    /// Time that `work` will take.
    pub(super) fn of(&self, work: u64) -> Duration {
        Duration::from_nanos(work.saturating_mul(self.0.load(Ordering::Relaxed).into()))
    }

    /// Learns from a decode. That another one is learned from at the same time is lost, and does not matter.
    pub(super) fn learn(&self, work: u64, took: Duration) {
        let before = i64::from(self.0.load(Ordering::Relaxed));
        let measured = i64::from(nanos_per_work(work, took));
        let now = before + (measured - before) / MEMORY;
        self.0.store(u32::try_from(now).unwrap_or(NANOS_GUESSED).max(1), Ordering::Relaxed);
    }
}

fn nanos_per_work(work: u64, took: Duration) -> u32 {
    u32::try_from(took.as_nanos() / u128::from(work.max(1))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_rises_with_the_audio() {
        let second = SAMPLE_RATE_HZ as usize;
        assert_eq!(work(second, 256), 256 + 25);
        assert_eq!(work(second, 384), 384 + 25);
        assert_eq!(work(10 * second, 384), 640 + 250);
    }

    #[test]
    fn the_price_is_what_decodes_took_lately() {
        let price = Price::new(Some(Duration::from_millis(384)));
        assert_eq!(price.of(384), Duration::from_millis(384));
        price.learn(100, Duration::from_millis(260));
        assert_eq!(price.of(100), Duration::from_millis(110));
        (0..200).for_each(|_| price.learn(100, Duration::from_millis(260)));
        assert!(price.of(100).abs_diff(Duration::from_millis(260)) < Duration::from_millis(1));
    }
}

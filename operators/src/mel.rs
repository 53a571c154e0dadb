//! Whisper's mel filters, and its scaling of a window of hops. No transform here.

use crate::front_end::{N_BINS, WINDOW_FRAMES};
use crate::hop::N_MELS;
use crate::log::log10;

/// Smallest power of a band: `log10` of it is -10 (Whisper: `torch.clamp(mel_spec, min=1e-10)`).
const POWER_MIN: f32 = 1e-10;
/// Rate that the filters are made for, Hz.
const RATE_HZ: f64 = 16_000.0;
/// Below this the mel scale is linear, above it logarithmic (Slaney, Auditory Toolbox, 1998).
const BREAK_HZ: f64 = 1_000.0;
const BREAK_MEL: f64 = 15.0;
const LINEAR_HZ_PER_MEL: f64 = BREAK_HZ / BREAK_MEL;

/// 80 triangles of unit area (`librosa.filters.mel(sr=16000, n_fft=400, n_mels=80)`); 391 weights are not zero.
pub(crate) struct Bank {
    weights: Vec<f32>,
    bands: [Band; N_MELS],
}

/// Where a band's weights and bins begin, and how many there are.
#[derive(Clone, Copy, Default)]
struct Band {
    first_weight: usize,
    first_bin: usize,
    n_bins: usize,
}

impl Bank {
    /// Computes the filters.
    pub(crate) fn new() -> Self {
        let mut weights = Vec::new();
        let mut bands = [Band::default(); N_MELS];
        for (mel, band) in bands.iter_mut().enumerate() {
            let row: Vec<f64> = (0..N_BINS).map(|bin| weight(mel, bin)).collect();
            let first_bin = row.iter().position(|w| *w > 0.0).unwrap_or(0);
            band.first_weight = weights.len();
            band.first_bin = first_bin;
            weights.extend(row.iter().skip(first_bin).take_while(|w| **w > 0.0).map(|w| *w as f32));
            band.n_bins = weights.len() - band.first_weight;
        }
        Self { weights, bands }
    }

    /// Raw `log10(max(band power, 1e-10))` of a power spectrum.
    pub(crate) fn log_mel(&self, power: &[f32; N_BINS], log_mel: &mut [f32; N_MELS]) {
        for (value, band) in log_mel.iter_mut().zip(&self.bands) {
            let weights = &self.weights[band.first_weight..band.first_weight + band.n_bins];
            let bins = &power[band.first_bin..band.first_bin + band.n_bins];
            let sum: f32 = weights.iter().zip(bins).map(|(weight, bin)| weight * bin).sum();
            *value = sum.max(POWER_MIN);
        }
        log10(log_mel);
    }
}

/// Clamps the raw `log10` values of a whole window to its maximum - 8 and scales them: what Whisper's encoder takes.
pub fn whisper_scale(log_mel: &mut [f32]) {
    let max = log_mel.iter().fold(f32::NEG_INFINITY, |max, value| max.max(*value));
    for value in log_mel {
        *value = (value.max(max - 8.0) + 4.0) / 4.0;
    }
}

/// Weight of bin `bin` in band `mel`.
fn weight(mel: usize, bin: usize) -> f64 {
    let edge = |i: usize| hz(mel_of(RATE_HZ / 2.0) * i as f64 / (N_MELS + 1) as f64);
    let (low, centre, high) = (edge(mel), edge(mel + 1), edge(mel + 2));
    let frequency = bin as f64 * RATE_HZ / WINDOW_FRAMES as f64;
    let rising = (frequency - low) / (centre - low);
    let falling = (high - frequency) / (high - centre);
    rising.min(falling).max(0.0) * 2.0 / (high - low)
}

fn hz(mel: f64) -> f64 {
    if mel < BREAK_MEL { mel * LINEAR_HZ_PER_MEL } else { BREAK_HZ * ((mel - BREAK_MEL) * log_step()).exp() }
}

fn mel_of(hz: f64) -> f64 {
    if hz < BREAK_HZ { hz / LINEAR_HZ_PER_MEL } else { BREAK_MEL + (hz / BREAK_HZ).ln() / log_step() }
}

/// 27 mels for a factor of 6.4.
fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_are_those_of_whisper() {
        let bank = Bank::new();
        assert_eq!(bank.weights.len(), 391);
        // From `mel_filters.npz` of openai/whisper, bands 0 and 79.
        let band = |mel: usize| {
            let band = bank.bands[mel];
            (band.first_bin, &bank.weights[band.first_weight..band.first_weight + band.n_bins])
        };
        assert_eq!(band(0), (1, &[0.024_862_595][..]));
        assert_eq!(band(79).0 + band(79).1.len(), N_BINS - 1);
    }
}

//! What a power spectrum and its hop look like: level, centre, spread, change, noisiness.

use super::{N_BINS, WINDOW_FRAMES};
use crate::hop::Hop;
use crate::log::mean_log2;

/// Width of a bin, Hz.
const BIN_HZ: f32 = 16_000.0 / WINDOW_FRAMES as f32;
/// Share of the power below the rolloff frequency.
const ROLLOFF: f32 = 0.85;
/// Bins that are summed at once in search of the rolloff.
const ROLLOFF_GROUP: usize = 16;
/// Bins below 7 kHz: a resampler's slope above is not part of the sound.
const FLAT_BINS: usize = 175;
/// Spectra with less power than this in all have no shape (-150 dBFS and below).
const POWER_MIN: f32 = 1e-11;
/// Keeps logarithms finite.
const BIN_POWER_MIN: f32 = 1e-20;
/// Level of silence, dBFS.
const POWER_DB_MIN: f32 = -120.0;

/// Remembers the last spectrum, for the change.
#[derive(Default)]
pub(super) struct Descriptors {
    /// Magnitudes that sum to 1; `None` before the first hop.
    shape: Option<[f32; N_BINS]>,
}

impl Descriptors {
    /// Fills the descriptors of `hop`, whose samples are there, from its power spectrum.
    pub(super) fn describe(&mut self, power: &[f32; N_BINS], hop: &mut Hop) {
        hop.power_db = power_db(&hop.pcm);
        hop.zero_crossings = zero_crossings(&hop.pcm);
        let total = sum(power);
        let audible = total > POWER_MIN;
        hop.centroid_hz = if audible { moment(power) / total * BIN_HZ } else { 0.0 };
        hop.rolloff_hz = if audible { rolloff_bin(power, ROLLOFF * total) as f32 * BIN_HZ } else { 0.0 };
        hop.flatness = if audible { flatness(power) } else { 0.0 };
        let shape = if audible { shape(power) } else { [0.0; N_BINS] };
        hop.flux = self.shape.map_or(0.0, |last| rise(&last, &shape)).min(1.0);
        self.shape = Some(shape);
    }
}

/// Mean square, dBFS.
fn power_db(pcm: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    for piece in pcm.chunks_exact(16) {
        for (sum, sample) in sums.iter_mut().zip(piece) {
            *sum += sample * sample;
        }
    }
    let mean = sums.iter().sum::<f32>() / pcm.len().max(1) as f32;
    (10.0 * mean.max(1e-30).log10()).max(POWER_DB_MIN)
}

/// Sign changes a sample.
fn zero_crossings(pcm: &[f32]) -> f32 {
    let later = pcm.get(1..).unwrap_or(&[]);
    let n: u32 = pcm.iter().zip(later).map(|(a, b)| (a.to_bits() ^ b.to_bits()) >> 31).sum();
    n as f32 / pcm.len().max(1) as f32
}

fn sum(power: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let pieces = power.chunks_exact(8);
    let rest: f32 = pieces.remainder().iter().sum();
    for piece in pieces {
        for (sum, bin) in sums.iter_mut().zip(piece) {
            *sum += bin;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Sum of bin number times power.
fn moment(power: &[f32; N_BINS]) -> f32 {
    let mut sums = [0.0_f32; 8];
    for (piece, first) in power.chunks(8).zip((0..).step_by(8)) {
        for (i, (sum, bin)) in sums.iter_mut().zip(piece).enumerate() {
            *sum += (first + i) as f32 * bin;
        }
    }
    sums.iter().sum()
}

/// The bin at which the sum over all bins so far reaches `share`.
fn rolloff_bin(power: &[f32; N_BINS], share: f32) -> usize {
    let mut below = 0.0;
    for (group, first) in power.chunks(ROLLOFF_GROUP).zip((0..).step_by(ROLLOFF_GROUP)) {
        let within = sum(group);
        if below + within >= share {
            for (i, bin) in group.iter().enumerate() {
                below += bin;
                if below >= share {
                    return first + i;
                }
            }
        } else {
            below += within;
        }
    }
    N_BINS - 1
}

/// Geometric over arithmetic mean.
fn flatness(power: &[f32; N_BINS]) -> f32 {
    let mut bins = [0.0; FLAT_BINS];
    for (bin, power) in bins.iter_mut().zip(power) {
        *bin = power.max(BIN_POWER_MIN);
    }
    let mean = sum(&bins) / FLAT_BINS as f32;
    (mean_log2(&bins) - mean.log2()).exp2().min(1.0)
}

/// Magnitudes, scaled to sum to 1.
fn shape(power: &[f32; N_BINS]) -> [f32; N_BINS] {
    let mut shape = [0.0; N_BINS];
    for (magnitude, power) in shape.iter_mut().zip(power) {
        *magnitude = power.sqrt();
    }
    let scale = 1.0 / sum(&shape);
    for magnitude in &mut shape {
        *magnitude *= scale;
    }
    shape
}

/// Sum of what rose.
fn rise(last: &[f32; N_BINS], shape: &[f32; N_BINS]) -> f32 {
    let mut sums = [0.0_f32; 8];
    for (last, shape) in last.chunks(8).zip(shape.chunks(8)) {
        for ((sum, last), now) in sums.iter_mut().zip(last).zip(shape) {
            *sum += (now - last).max(0.0);
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(spectra: &[[f32; N_BINS]]) -> Vec<Hop> {
        let mut descriptors = Descriptors::default();
        let describe = |power: &[f32; N_BINS]| {
            let mut hop = Hop::default();
            descriptors.describe(power, &mut hop);
            hop
        };
        spectra.iter().map(describe).collect()
    }

    /// All power in one bin.
    fn line(bin: usize) -> [f32; N_BINS] {
        std::array::from_fn(|i| if i == bin { 3.0 } else { 0.0 })
    }

    #[test]
    fn a_line_is_its_own_centre_and_not_flat() {
        let hop = &describe(&[line(50)])[0];
        assert_eq!((hop.centroid_hz, hop.rolloff_hz), (2_000.0, 2_000.0));
        assert!(hop.flatness < 1e-6, "{}", hop.flatness);
    }

    #[test]
    fn an_even_spectrum_is_flat() {
        let hop = &describe(&[[0.5; N_BINS]])[0];
        assert!((hop.flatness - 1.0).abs() < 1e-5, "{}", hop.flatness);
        assert!((hop.centroid_hz - 4_000.0).abs() < 0.1, "{}", hop.centroid_hz);
        // 85 % of 201 bins is reached by the 171st, number 170.
        assert_eq!(hop.rolloff_hz, 6_800.0);
    }

    #[test]
    fn flux_is_the_share_that_moved() {
        let mut half = line(10);
        half[20] = 3.0;
        let silence = [0.0; N_BINS];
        let spectra = [line(10), line(10), half, line(20), silence, line(20)];
        for (hop, expected) in describe(&spectra).iter().zip([0.0, 0.0, 0.5, 0.5, 0.0, 1.0]) {
            assert!((hop.flux - expected).abs() < 1e-6, "{}, expected {expected}", hop.flux);
        }
    }

    #[test]
    fn silence_has_no_shape_but_a_level() {
        let hop = &describe(&[[0.0; N_BINS]])[0];
        assert_eq!((hop.centroid_hz, hop.rolloff_hz, hop.flatness), (0.0, 0.0, 0.0));
        assert_eq!(hop.power_db, -120.0);
    }

    #[test]
    fn level_and_crossings_of_samples() {
        let square: Vec<f32> = (0..160).map(|i| if i % 10 < 5 { 0.5 } else { -0.5 }).collect();
        assert!((power_db(&square) + 6.02).abs() < 0.01);
        assert_eq!(zero_crossings(&square), 31.0 / 160.0);
    }
}

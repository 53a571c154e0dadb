//! How much the loudness swings, and how fast: speech swings with its syllables, three to six times a second.

use std::f32::consts::TAU;

use super::features::WINDOW_HOPS;

/// Hops that are added to one point of the envelope, 20 ms.
const POINT_HOPS: usize = 2;
const N_POINTS: usize = WINDOW_HOPS / POINT_HOPS;
/// Periods in the window (1.5 s): 2 to 6 Hz, and 6.7 to 13 Hz.
const SYLLABLES: std::ops::RangeInclusive<usize> = 3..=9;
const ROUGHNESS: std::ops::RangeInclusive<usize> = 10..=20;

/// One Fourier coefficient at a time, with the table that it needs.
pub(super) struct Modulation {
    cosines: [f32; N_POINTS],
}

impl Default for Modulation {
    fn default() -> Self {
        Self { cosines: std::array::from_fn(|i| (TAU * i as f32 / N_POINTS as f32).cos()) }
    }
}

impl Modulation {
    /// Power of the envelope's swings at the rate of syllables and above it, relative to its mean, in decades.
    pub(super) fn measure(&self, powers: &[f32; WINDOW_HOPS]) -> (f32, f32) {
        let mut envelope: [f32; N_POINTS] = std::array::from_fn(|i| {
            let pair = &powers[POINT_HOPS * i..POINT_HOPS * (i + 1)];
            pair.iter().sum::<f32>().sqrt()
        });
        let mean = envelope.iter().sum::<f32>() / N_POINTS as f32;
        for point in &mut envelope {
            *point = *point / mean.max(1e-6) - 1.0;
        }
        let power = |range: std::ops::RangeInclusive<usize>| -> f32 {
            let sum: f32 = range.map(|periods| self.power(&envelope, periods)).sum();
            (sum + 1e-4).log10()
        };
        (power(SYLLABLES), power(ROUGHNESS))
    }

    /// Squared share of a swing with that many periods in the window.
    fn power(&self, envelope: &[f32; N_POINTS], periods: usize) -> f32 {
        let (mut re, mut im) = (0.0, 0.0);
        let mut phase = 0;
        // A sine is a cosine a quarter of a turn late: three quarters of the table, to the nearest point.
        let late = N_POINTS - N_POINTS / 4;
        for point in envelope {
            re += point * self.cosines[phase];
            im += point * self.cosines[(phase + late) % N_POINTS];
            phase = (phase + periods) % N_POINTS;
        }
        let n = N_POINTS as f32;
        (re * re + im * im) * 2.0 / (n * n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A swing of `depth` at `hz`.
    fn measure(hz: f32, depth: f32) -> (f32, f32) {
        let level = |i: usize| 1e-3 * (1.0 + depth * (TAU * hz * i as f32 / 100.0).sin());
        Modulation::default().measure(&std::array::from_fn(|i| level(i).powi(2)))
    }

    #[test]
    fn swings_are_told_by_their_rate() {
        let (syllables, roughness) = measure(4.0, 0.5);
        // A sine of amplitude 0.5 has power 0.125.
        assert!((syllables - 0.125_f32.log10()).abs() < 0.05 && roughness < -2.0, "{syllables} {roughness}");
        let (syllables, roughness) = measure(10.0, 0.5);
        assert!(syllables < -2.0 && roughness > -1.1, "{syllables} {roughness}");
        let (syllables, roughness) = measure(4.0, 0.0);
        assert!(syllables < -3.9 && roughness < -3.9, "{syllables} {roughness}");
    }
}

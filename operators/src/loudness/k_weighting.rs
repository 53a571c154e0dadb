//! The K-weighting filter of ITU-R BS.1770, at any sample rate. No gating, no channel weights.

use std::f64::consts::PI;

use engine::time::SampleRate;

/// State that is smaller becomes 0 between windows, before it is denormal (which costs 1.7 times as much).
const STATE_MIN: f64 = 1e-30;

/// Two channels through the two stages of the filter, in one go: the filter waits for its own last output, so that
/// a second channel is free.
#[derive(Clone, Debug)]
pub(super) struct KWeighting {
    shelf: Biquad,
    high_pass: Biquad,
}

impl KWeighting {
    /// At 48 kHz the coefficients are those of BS.1770-5, annex 1, tables 1 and 2; at other rates those of the same
    /// analogue filters, derived by the bilinear transform (the analogue parameters are libebur128's).
    pub(super) fn new(rate: SampleRate) -> Self {
        let warp = |hz: f64| (PI * hz / f64::from(rate.hz())).tan();
        let (k, q) = (warp(1_681.974_450_955_533), 0.707_175_236_955_419_6);
        let gain = 10.0_f64.powf(3.999_843_853_973_347 / 20.0);
        let mid = gain.powf(0.499_666_774_154_541_6);
        let a0 = 1.0 + k / q + k * k;
        let shelf = Biquad::new(
            [(gain + mid * k / q + k * k) / a0, 2.0 * (k * k - gain) / a0, (gain - mid * k / q + k * k) / a0],
            [2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0],
        );
        let (k, q) = (warp(38.135_470_876_024_44), 0.500_327_037_323_877_3);
        let a0 = 1.0 + k / q + k * k;
        let high_pass = Biquad::new([1.0, -2.0, 1.0], [2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0]);
        Self { shelf, high_pass }
    }

    /// Sums of the squares of what comes out for two channels of equal length.
    pub(super) fn square_sums(&mut self, first: &[f32], second: &[f32]) -> [f64; 2] {
        let (mut shelf, mut high_pass) = (self.shelf, self.high_pass);
        let mut sums = [0.0; 2];
        for (&a, &b) in first.iter().zip(second) {
            let y = high_pass.step(shelf.step([f64::from(a), f64::from(b)]));
            sums = [sums[0] + y[0] * y[0], sums[1] + y[1] * y[1]];
        }
        shelf.settle();
        high_pass.settle();
        (self.shelf, self.high_pass) = (shelf, high_pass);
        sums
    }

    pub(super) const fn reset(&mut self) {
        self.shelf.state = [[0.0; 2]; 2];
        self.high_pass.state = [[0.0; 2]; 2];
    }
}

/// A second-order section for two channels, transposed direct form II.
#[derive(Clone, Copy, Debug)]
struct Biquad {
    b: [f64; 3],
    a: [f64; 2],
    state: [[f64; 2]; 2],
}

impl Biquad {
    const fn new(b: [f64; 3], a: [f64; 2]) -> Self {
        Self { b, a, state: [[0.0; 2]; 2] }
    }

    #[inline(always)]
    fn step(&mut self, x: [f64; 2]) -> [f64; 2] {
        let mut y = [0.0; 2];
        for lane in 0..2 {
            y[lane] = self.b[0] * x[lane] + self.state[0][lane];
            self.state[0][lane] = self.b[1] * x[lane] + self.state[1][lane] - self.a[0] * y[lane];
            self.state[1][lane] = self.b[2] * x[lane] - self.a[1] * y[lane];
        }
        y
    }

    fn settle(&mut self) {
        for value in self.state.iter_mut().flatten() {
            if value.abs() < STATE_MIN {
                *value = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn coefficients_at_48_khz_are_those_of_the_recommendation() {
        let filter = KWeighting::new(SampleRate::new(48_000).unwrap());
        let close = |ours: &[f64], table: &[f64]| {
            assert!(ours.iter().zip(table).all(|(a, b)| (a - b).abs() < 5e-14), "{ours:?} {table:?}");
        };
        close(&filter.shelf.b, &[1.53512485958697, -2.69169618940638, 1.19839281085285]);
        close(&filter.shelf.a, &[-1.69065929318241, 0.73248077421585]);
        close(&filter.high_pass.b, &[1.0, -2.0, 1.0]);
        close(&filter.high_pass.a, &[-1.99004745483398, 0.99007225036621]);
    }

    #[test]
    fn silence_settles_to_zero() {
        let mut filter = KWeighting::new(SampleRate::HZ_16000);
        filter.square_sums(&[1.0; 160], &[0.5; 160]);
        for _ in 0..500 {
            filter.square_sums(&[0.0; 160], &[0.0; 160]);
        }
        assert_eq!((filter.shelf.state, filter.high_pass.state), ([[0.0; 2]; 2], [[0.0; 2]; 2]));
    }
}

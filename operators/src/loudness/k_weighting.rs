//! The K-weighting filter of ITU-R BS.1770, at any sample rate. No gating, no channel weights.

use std::f64::consts::PI;
use std::ops::{Add, Mul, Sub};

use engine::time::SampleRate;

/// State that is smaller becomes 0 between windows, before it is denormal (which costs 1.7 times as much).
const STATE_MIN: f64 = 1e-30;

/// Two channels through the two stages of the filter, in one go: the filter waits for its own last output, so that
/// a second channel is free.
#[derive(Clone, Debug)]
pub(super) struct KWeighting {
    shelf: Section,
    /// Its `b` is 1, -2, 1.
    high_pass: Section,
    state: [Pair; 4],
}

/// `b` and `a` of a second-order section, for both channels.
type Section = ([Pair; 3], [Pair; 2]);

impl KWeighting {
    /// At 48 kHz the coefficients are those of BS.1770-5, annex 1, tables 1 and 2; at other rates those of the same
    /// analogue filters, derived by the bilinear transform (the analogue parameters are libebur128's).
    pub(super) fn new(rate: SampleRate) -> Self {
        let warp = |hz: f64| (PI * hz / f64::from(rate.hz())).tan();
        let (k, q) = (warp(1_681.974_450_955_533), 0.707_175_236_955_419_6);
        let gain = 10.0_f64.powf(3.999_843_853_973_347 / 20.0);
        let mid = gain.powf(0.499_666_774_154_541_6);
        let a0 = 1.0 + k / q + k * k;
        let b = [gain + mid * k / q + k * k, 2.0 * (k * k - gain), gain - mid * k / q + k * k];
        let shelf = (b.map(|b| Pair::of(b / a0)), poles(k, q));
        let high_pass = poles(warp(38.135_470_876_024_44), 0.500_327_037_323_877_3);
        let high_pass = ([1.0, -2.0, 1.0].map(Pair::of), high_pass);
        Self { shelf, high_pass, state: [Pair::of(0.0); 4] }
    }

    /// Sums of the squares of what comes out for two channels of equal length.
    pub(super) fn square_sums(&mut self, first: &[f32], second: &[f32]) -> [f64; 2] {
        let sums = square_sums(self.shelf, self.high_pass, &mut self.state, [first, second]);
        for value in self.state.iter_mut().flat_map(|pair| &mut pair.0) {
            if value.abs() < STATE_MIN {
                *value = 0.0;
            }
        }
        sums
    }

    pub(super) const fn reset(&mut self) {
        self.state = [Pair::of(0.0); 4];
    }
}

fn poles(k: f64, q: f64) -> [Pair; 2] {
    let a0 = 1.0 + k / q + k * k;
    [Pair::of(2.0 * (k * k - 1.0) / a0), Pair::of((1.0 - k / q + k * k) / a0)]
}

/// Transposed direct form II, with each output written out in the next state. So a state waits for one product and
/// one sum of the state before it, not for the output between them: a third less. Everything is in local variables,
/// to stay in registers.
fn square_sums(
    ([b0, b1, b2], [a1, a2]): Section,
    ([_, c1, c2], [d1, d2]): Section,
    state: &mut [Pair; 4],
    [first, second]: [&[f32]; 2],
) -> [f64; 2] {
    let (b1, b2) = (b1 - a1 * b0, b2 - a2 * b0);
    let (c1, c2) = (c1 - d1, c2 - d2);
    let [mut s1, mut s2, mut t1, mut t2] = *state;
    let mut sums = Pair::of(0.0);
    for (&a, &b) in first.iter().zip(second) {
        let x = Pair([f64::from(a), f64::from(b)]);
        let y = b0 * x + s1;
        (s1, s2) = ((b1 * x + s2) - a1 * s1, b2 * x - a2 * s1);
        let z = y + t1;
        (t1, t2) = ((c1 * y + t2) - d1 * t1, c2 * y - d2 * t1);
        sums = sums + z * z;
    }
    *state = [s1, s2, t1, t2];
    sums.0
}

/// One number per channel: one vector register.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pair([f64; 2]);

impl Pair {
    const fn of(value: f64) -> Self {
        Self([value; 2])
    }
}

impl Add for Pair {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self([self.0[0] + other.0[0], self.0[1] + other.0[1]])
    }
}

impl Sub for Pair {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self([self.0[0] - other.0[0], self.0[1] - other.0[1]])
    }
}

impl Mul for Pair {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self([self.0[0] * other.0[0], self.0[1] * other.0[1]])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn coefficients_at_48_khz_are_those_of_the_recommendation() {
        let filter = KWeighting::new(SampleRate::new(48_000).unwrap());
        let close = |ours: &[Pair], table: &[f64]| {
            let is_close =
                ours.iter().zip(table).all(|(a, b)| a.0[0] == a.0[1] && (a.0[0] - b).abs() < 5e-14);
            assert!(is_close, "{ours:?} {table:?}");
        };
        close(&filter.shelf.0, &[1.53512485958697, -2.69169618940638, 1.19839281085285]);
        close(&filter.shelf.1, &[-1.69065929318241, 0.73248077421585]);
        close(&filter.high_pass.0, &[1.0, -2.0, 1.0]);
        close(&filter.high_pass.1, &[-1.99004745483398, 0.99007225036621]);
    }

    #[test]
    fn silence_settles_to_zero() {
        let mut filter = KWeighting::new(SampleRate::HZ_16000);
        filter.square_sums(&[1.0; 160], &[0.5; 160]);
        for _ in 0..500 {
            filter.square_sums(&[0.0; 160], &[0.0; 160]);
        }
        assert_eq!(filter.state, [Pair::of(0.0); 4]);
    }
}

//! Numbers from many measurements: quantiles, and a straight line through them.

/// The `q` quantile, the nearest rank above; sorts `values`. NaN where there are none.
pub(crate) fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * q).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// p50, p95, p99.
pub(crate) fn quantiles(values: &mut [f64]) -> [f64; 3] {
    [0.5, 0.95, 0.99].map(|q| quantile(values, q))
}

/// Pseudo-random numbers, the same each time (xorshift64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds shall not begin alike; zero would stay zero.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// In `[min, max)`.
    pub(crate) fn between(&mut self, min: f64, max: f64) -> f64 {
        min + (max - min) * ((self.next() >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// A straight line through points, by least squares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trend {
    pub(crate) slope: f64,
    /// Standard error of the slope, as if the points were independent of each other.
    pub(crate) error: f64,
    /// Mean of the last fifth of the points less that of the first.
    pub(crate) growth: f64,
}

impl Trend {
    /// Through `(x, y)` in the order of x. NaN where there are fewer than three.
    pub(crate) fn of(points: &[(f64, f64)]) -> Self {
        let n = points.len() as f64;
        let mean = |part: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| {
            part.iter().map(of).sum::<f64>() / part.len() as f64
        };
        let (x_mean, y_mean) = (mean(points, |p| p.0), mean(points, |p| p.1));
        let xx: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
        let xy: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
        let slope = xy / xx;
        let rest = |(x, y): &(f64, f64)| (y - y_mean - slope * (x - x_mean)).powi(2);
        let error = (points.iter().map(rest).sum::<f64>() / (n - 2.0) / xx).sqrt();
        let fifth = points.len().div_ceil(5);
        let last = points.len().saturating_sub(fifth);
        let growth = mean(&points[last..], |p| p.1) - mean(&points[..fifth], |p| p.1);
        Self { slope, error, growth }
    }

    /// More than `slope_max`, and not by chance, and by so much that it matters.
    pub(crate) fn rises(&self, slope_max: f64, growth_max: f64) -> bool {
        self.slope - 2.0 * self.error > slope_max && self.growth > growth_max
    }
}

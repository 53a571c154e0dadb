//! A straight line through measurements: whether something grows.

/// A straight line, by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Of y by x.
    pub slope: f64,
    /// Standard error of the slope, as if the points were independent of each other.
    pub error: f64,
}

/// Points that a line goes through: neighbours resemble each other, so they are taken together until there are so few, and
/// the error is that of (nearly) independent ones.
pub(super) const N_BLOCKS_MAX: usize = 60;

impl Trend {
    /// Through `(x, y)` in the order of x. `None` where there are fewer than three, or a value is not finite.
    #[must_use]
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let blocks: Vec<(f64, f64)> =
            points.chunks(points.len().div_ceil(N_BLOCKS_MAX).max(1)).map(centre).collect();
        if blocks.len() < 3 {
            return None;
        }
        let (x_mean, y_mean) = centre(&blocks);
        let xx: f64 = blocks.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
        let xy: f64 = blocks.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
        let slope = xy / xx;
        let rest: f64 = blocks.iter().map(|(x, y)| (y - y_mean - slope * (x - x_mean)).powi(2)).sum();
        let error = (rest / (blocks.len() as f64 - 2.0) / xx).sqrt();
        (slope.is_finite() && error.is_finite()).then_some(Self { slope, error })
    }

    /// More than `slope_max`, and not by chance: by two standard errors.
    #[must_use]
    pub fn rises(&self, slope_max: f64) -> bool {
        self.slope - 2.0 * self.error > slope_max
    }

    /// The error is too large to tell whether it rises by `slope_max`.
    #[must_use]
    pub fn is_blind(&self, slope_max: f64) -> bool {
        2.0 * self.error > slope_max
    }
}

/// Means of x and y.
fn centre(points: &[(f64, f64)]) -> (f64, f64) {
    let n = points.len() as f64;
    (points.iter().map(|point| point.0).sum::<f64>() / n, points.iter().map(|point| point.1).sum::<f64>() / n)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// y = slope x + a sawtooth of +-1, `n` points.
    fn points(slope: f64, n: usize) -> Vec<(f64, f64)> {
        let point =
            |idx: usize| (idx as f64, slope * idx as f64 + if idx.is_multiple_of(2) { 1.0 } else { -1.0 });
        (0..n).map(point).collect()
    }

    #[test]
    fn a_slope_is_found_with_its_error() {
        let trend = Trend::of(&points(0.5, 50)).unwrap();
        // Noise of 1 over 50 points: its standard error is 1 / sqrt(50^3 / 12), which is 0.0098.
        assert!((trend.slope - 0.5).abs() < 0.0098 && (trend.error - 0.0098).abs() < 0.0005, "{trend:?}");
        assert!(trend.rises(0.4) && !trend.rises(0.5) && !trend.rises(0.6));
        assert!(trend.is_blind(0.01) && !trend.is_blind(0.1));
    }

    #[test]
    fn many_points_become_blocks() {
        let trend = Trend::of(&points(0.5, 6_000)).unwrap();
        assert!((trend.slope - 0.5).abs() < 1e-9 && trend.error < 1e-9, "{trend:?}");
    }

    #[test]
    fn too_few_points_or_infinite_ones_have_no_slope() {
        assert_eq!(Trend::of(&points(1.0, 2)), None);
        assert_eq!(Trend::of(&[]), None);
        assert_eq!(Trend::of(&[(0.0, 1.0), (1.0, f64::INFINITY), (2.0, 1.0)]), None);
        assert_eq!(Trend::of(&[(0.0, 1.0), (0.0, 2.0), (0.0, 3.0)]), None);
    }
}

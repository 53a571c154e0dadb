//! Sums over the samples of a window. No state, no thresholds.

/// Numbers at once: enough to fill the vector registers of any machine of ours.
const LANES: usize = 16;

/// Lowest level told, dBFS: that of digital silence.
pub(crate) const SILENCE_DBFS: f64 = -120.0;

/// One channel over one window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    /// Of the samples.
    pub(crate) sum: f64,
    /// Of their squares.
    pub(crate) square: f64,
    /// Largest magnitude.
    pub(crate) peak: f32,
}

/// Two channels over one window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct CrossSums {
    /// Of the products.
    pub(crate) product: f64,
    /// Of the squared differences.
    pub(crate) difference: f64,
}

/// Sums over `samples`.
pub(crate) fn sums(samples: &[f32]) -> Sums {
    let (mut sum, mut square, mut peak) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
    let (chunks, rest) = samples.as_chunks::<LANES>();
    let mut add = |lane: usize, x: f32| {
        sum[lane] += x;
        square[lane] += x * x;
        peak[lane] = larger(peak[lane], x.abs());
    };
    for chunk in chunks {
        for (lane, &x) in chunk.iter().enumerate() {
            add(lane, x);
        }
    }
    for (lane, &x) in rest.iter().enumerate() {
        add(lane, x);
    }
    Sums { sum: total(&sum), square: total(&square), peak: peak.iter().fold(0.0, |a, &b| a.max(b)) }
}

/// Sums over pairs of samples of two channels.
pub(crate) fn cross_sums(left: &[f32], right: &[f32]) -> CrossSums {
    let (mut product, mut difference) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let n = left.len().min(right.len());
    let (left, left_rest) = left[..n].as_chunks::<LANES>();
    let (right, right_rest) = right[..n].as_chunks::<LANES>();
    let mut add = |lane: usize, l: f32, r: f32| {
        product[lane] += l * r;
        difference[lane] += (l - r) * (l - r);
    };
    for (l, r) in left.iter().zip(right) {
        for lane in 0..LANES {
            add(lane, l[lane], r[lane]);
        }
    }
    for (lane, (&l, &r)) in left_rest.iter().zip(right_rest).enumerate() {
        add(lane, l, r);
    }
    CrossSums { product: total(&product), difference: total(&difference) }
}

/// Largest magnitude among `samples`; 0 when there are none.
pub(crate) fn peak(samples: &[f32]) -> f32 {
    let mut peaks = [0.0_f32; LANES];
    let (chunks, rest) = samples.as_chunks::<LANES>();
    for chunk in chunks {
        for (peak, x) in peaks.iter_mut().zip(chunk) {
            *peak = larger(*peak, x.abs());
        }
    }
    rest.iter().chain(&peaks).fold(0.0, |peak, x| peak.max(x.abs()))
}

/// Mean square as a level: 0 dBFS is a full-scale square, -3.01 a full-scale sine. At least [`SILENCE_DBFS`].
pub(crate) fn power_dbfs(mean_square: f64) -> f64 {
    (10.0 * mean_square.log10()).max(SILENCE_DBFS)
}

/// Mean square of a level.
pub(crate) fn dbfs_power(dbfs: f64) -> f64 {
    10.0_f64.powf(dbfs / 10.0)
}

/// One instruction, unlike `f32::max`, which looks for NaN on both sides; of NaN and a number `a` it keeps `a`.
pub(crate) fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

fn total(lanes: &[f32; LANES]) -> f64 {
    lanes.iter().map(|&x| f64::from(x)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_a_plain_loop() {
        let left: Vec<f32> = (0..517).map(|n| (n as f32 * 0.37).sin()).collect();
        let right: Vec<f32> = (0..517).map(|n| (n as f32 * 0.11).cos() - 0.2).collect();
        let plain = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
            left.iter().zip(&right).map(|(&l, &r)| f(f64::from(l), f64::from(r))).sum()
        };
        let close = |a: f64, b: f64| (a - b).abs() < 517.0 * f64::from(f32::EPSILON);
        let (seen, cross) = (sums(&right), cross_sums(&left, &right));
        assert!(close(seen.sum, plain(&|_, r| r)) && close(seen.square, plain(&|_, r| r * r)), "{seen:?}");
        assert!(close(cross.product, plain(&|l, r| l * r)), "{cross:?}");
        assert!(close(cross.difference, plain(&|l, r| (l - r) * (l - r))), "{cross:?}");
        assert_eq!(seen.peak, right.iter().fold(0.0, |peak, r| r.abs().max(peak)));
        assert_eq!((seen.peak, sums(&[])), (peak(&right), Sums::default()));
    }

    #[test]
    fn levels_have_a_floor() {
        assert_eq!((power_dbfs(1.0), power_dbfs(0.0)), (0.0, SILENCE_DBFS));
        assert!((power_dbfs(dbfs_power(-47.3)) + 47.3).abs() < 1e-9);
    }
}

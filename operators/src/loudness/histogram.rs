//! Gated statistics of loudness without a memory of every block: integrated loudness and loudness range.

/// Absolute gate, LUFS: quieter blocks are not counted (ITU-R BS.1770-5, annex 1).
pub(super) const GATE_LUFS: f64 = -70.0;
/// Resolution. Energies are summed exactly; only at the relative gate does a bin have to be divided.
const BINS_PER_LU: f64 = 20.0;
/// From the absolute gate to +30 LUFS, more than 8 full-scale channels have.
const N_BINS: usize = 2_000;

/// Loudness of a weighted mean square, LUFS (BS.1770-5, annex 1, equation 2).
pub(super) fn loudness(energy: f64) -> f64 {
    -0.691 + 10.0 * energy.log10()
}

/// Counts of blocks by their loudness.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    counts: Vec<u32>,
    n_blocks: u64,
    energy: f64,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; N_BINS], n_blocks: 0, energy: 0.0 }
    }

    /// Counts a block, if it passes the absolute gate; says in which bin.
    pub(super) fn add(&mut self, energy: f64) -> Option<usize> {
        let above = (loudness(energy) - GATE_LUFS) * BINS_PER_LU;
        if above < 0.0 || !above.is_finite() {
            return None;
        }
        let bin = (above as usize).min(N_BINS - 1);
        self.counts[bin] = self.counts[bin].saturating_add(1);
        self.n_blocks += 1;
        self.energy += energy;
        Some(bin)
    }

    /// Loudness range, LU: from the 10th to the 95th percentile above a gate 20 LU below the mean (EBU Tech 3342).
    pub(super) fn range(&self) -> Option<f64> {
        let gate = self.relative_gate(-20.0)?;
        let first = (gate.round() as usize).min(N_BINS - 1);
        let n_blocks: u64 = self.counts[first..].iter().map(|&n| u64::from(n)).sum();
        let at = |share: f64| {
            let rank = (n_blocks.saturating_sub(1) as f64 * share).round() as u64;
            let mut n_below = 0;
            (first..N_BINS).find(|&bin| {
                n_below += u64::from(self.counts[bin]);
                n_below > rank
            })
        };
        Some((at(0.95)? - at(0.10)?) as f64 / BINS_PER_LU)
    }

    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
        self.n_blocks = 0;
        self.energy = 0.0;
    }

    /// Place of a gate `offset` LU from the mean, in bins; not below the absolute gate. `None` when nothing passed it.
    fn relative_gate(&self, offset: f64) -> Option<f64> {
        let mean = loudness(self.energy / self.n_blocks as f64);
        (self.n_blocks > 0).then(|| ((mean + offset - GATE_LUFS) * BINS_PER_LU).max(0.0))
    }
}

/// Counts and energies of blocks by their loudness.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    counts: Counts,
    energies: Vec<f64>,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: Counts::new(), energies: vec![0.0; N_BINS] }
    }

    /// Counts a block, if it passes the absolute gate.
    pub(super) fn add(&mut self, energy: f64) {
        if let Some(bin) = self.counts.add(energy) {
            self.energies[bin] += energy;
        }
    }

    /// Integrated loudness, LUFS: the mean above a gate 10 LU below the mean (BS.1770-5, annex 1). Of the bin that
    /// the gate divides, blocks count by their share above it.
    pub(super) fn integrated(&self) -> Option<f64> {
        let gate = self.counts.relative_gate(-10.0)?;
        let first = (gate as usize).min(N_BINS - 1);
        let share = (1.0 - gate.fract()).clamp(0.0, 1.0);
        let mut bins = self.energies[first..].iter().zip(&self.counts.counts[first..]);
        let (mut energy, mut n_blocks) =
            bins.next().map_or((0.0, 0.0), |(energy, n)| (energy * share, f64::from(*n) * share));
        for (of_bin, n) in bins {
            energy += of_bin;
            n_blocks += f64::from(*n);
        }
        (n_blocks > 0.0).then(|| loudness(energy / n_blocks))
    }

    pub(super) fn clear(&mut self) {
        self.counts.clear();
        self.energies.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The definitions, from a list of all blocks.
    fn exact(lufs: &[f64]) -> (f64, f64) {
        let energy = |l: f64| 10.0_f64.powf((l + 0.691) / 10.0);
        let above = |gate: f64| lufs.iter().copied().filter(move |&l| l >= gate);
        let mean = |gate: f64| {
            let n = above(gate).count() as f64;
            loudness(above(gate).map(energy).sum::<f64>() / n)
        };
        let mut sorted: Vec<f64> = above(mean(GATE_LUFS) - 20.0).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
        (mean(mean(GATE_LUFS) - 10.0), at(0.95) - at(0.10))
    }

    #[test]
    fn results_are_those_of_the_definitions() {
        let mut random = 1_u32;
        for spread in [1.0, 8.0, 25.0, 60.0] {
            let mut level = -30.0_f64;
            let (mut histogram, mut counts) = (Histogram::new(), Counts::new());
            let lufs: Vec<f64> = (0..6_000)
                .map(|_| {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    level +=
                        (f64::from(random) / 2.0_f64.powi(31) - 1.0) * spread / 5.0 - (level + 30.0) * 0.01;
                    level.clamp(-80.0, 5.0)
                })
                .collect();
            for energy in lufs.iter().map(|l| 10.0_f64.powf((l + 0.691) / 10.0)) {
                histogram.add(energy);
                counts.add(energy);
            }
            let (integrated, range) = exact(&lufs);
            let seen = (histogram.integrated().unwrap(), counts.range().unwrap());
            assert!((seen.0 - integrated).abs() < 0.02, "spread {spread}: {seen:?}, {integrated} LUFS");
            // Both percentiles are known to half a bin.
            assert!((seen.1 - range).abs() <= 1.0 / BINS_PER_LU, "spread {spread}: {seen:?}, {range} LU");
        }
    }

    #[test]
    fn nothing_above_the_gate_has_no_loudness() {
        let (mut histogram, mut counts) = (Histogram::new(), Counts::new());
        for energy in [0.0, 1e-8] {
            histogram.add(energy);
            assert_eq!(counts.add(energy), None);
        }
        assert_eq!((histogram.integrated(), counts.range()), (None, None));
    }
}

//! Where exactly one kind of sound gives way to another: where the spectrum changes most.

use crate::hop::{Hop, N_MELS};

/// Hops that are remembered, 5.12 s.
const MEMORY: usize = 512;
/// Hops compared on each side, 0.2 s.
const SIDE: u64 = 20;
/// Bands compared: five mel bands each.
const N_BANDS: usize = 16;
const MELS_PER_BAND: usize = N_MELS / N_BANDS;
/// Bands below this are silence, log10 of power.
const BAND_MIN: f32 = -5.0;

/// Remembers coarse spectra.
pub(super) struct Edges {
    bands: [[f32; N_BANDS]; MEMORY],
    n_hops: u64,
}

impl Default for Edges {
    fn default() -> Self {
        Self { bands: [[BAND_MIN; N_BANDS]; MEMORY], n_hops: 0 }
    }
}

impl Edges {
    /// Remembers the next hop.
    pub(super) fn push(&mut self, hop: &Hop) {
        let band =
            |mels: &[f32]| mels.iter().map(|mel| mel.max(BAND_MIN)).sum::<f32>() / MELS_PER_BAND as f32;
        let slot = &mut self.bands[(self.n_hops % MEMORY as u64) as usize];
        for (slot, mels) in slot.iter_mut().zip(hop.log_mel.chunks_exact(MELS_PER_BAND)) {
            *slot = band(mels);
        }
        self.n_hops += 1;
    }

    /// The hop from `first` to `last` before which and after which the sound differs most; `first` if none is
    /// remembered with both its sides.
    pub(super) fn sharpest(&self, first: u64, last: u64) -> u64 {
        let oldest = self.n_hops.saturating_sub(MEMORY as u64) + SIDE;
        let newest = self.n_hops.saturating_sub(SIDE);
        let candidates = first.max(oldest)..=last.min(newest);
        let mut best = (f32::MIN, first);
        for hop_idx in candidates {
            let contrast = self.contrast(hop_idx);
            if contrast > best.0 {
                best = (contrast, hop_idx);
            }
        }
        best.1
    }

    /// The same within `reach` of `hop_idx`; `hop_idx` if not all of that is remembered.
    pub(super) fn near(&self, hop_idx: u64, reach: u64) -> u64 {
        let is_known = hop_idx.saturating_sub(reach + SIDE) + MEMORY as u64 > self.n_hops;
        if is_known { self.sharpest(hop_idx.saturating_sub(reach), hop_idx + reach) } else { hop_idx }
    }

    fn contrast(&self, hop_idx: u64) -> f32 {
        let (before, after) = (self.sum(hop_idx - SIDE), self.sum(hop_idx));
        before.iter().zip(&after).map(|(a, b)| (a - b).abs()).sum()
    }

    /// Sum over a side that begins at `from`.
    fn sum(&self, from: u64) -> [f32; N_BANDS] {
        let mut sum = [0.0; N_BANDS];
        for hop_idx in from..from + SIDE {
            let bands = &self.bands[(hop_idx % MEMORY as u64) as usize];
            for (sum, band) in sum.iter_mut().zip(bands) {
                *sum += band;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_is_where_the_spectrum_changes() {
        let mut edges = Edges::default();
        for i in 0..400 {
            let mut hop = Hop::default();
            let (loud, wobble) = (if i < 300 { 0..40 } else { 30..80 }, 0.1 * f32::from(i as u8 % 7));
            hop.log_mel[loud].fill(-2.0 + wobble);
            edges.push(&hop);
        }
        assert_eq!(edges.sharpest(260, 360), 300);
        assert_eq!(edges.sharpest(395, 400), 395, "no side after it");
        assert_eq!(edges.near(305, 12), 300);
        assert_eq!(edges.near(280, 12), 280 + 12, "the nearest to it that is within reach");
    }
}

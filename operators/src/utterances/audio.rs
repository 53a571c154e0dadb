//! The audio of an utterance in half the storage of f32: 16 bits a sample with one step for each hop. Not a codec.

use crate::hop::HOP_FRAMES;

/// Hops of audio. A sample is off by at most 2^-15 of its hop's peak, 90 dB below it, where a recogniser hears nothing:
/// Whisper's clamp is at 80 dB. Audio of 16 bits stays as it is.
#[derive(Clone, Debug)]
pub(super) struct Audio {
    pub(super) samples: Vec<i16>,
    /// What 1 stands for in each hop; a power of two.
    steps: Vec<f32>,
}

impl Audio {
    /// Storage for `hops_max` hops.
    pub(super) fn new(hops_max: usize) -> Self {
        Self { samples: Vec::with_capacity(hops_max * HOP_FRAMES), steps: Vec::with_capacity(hops_max) }
    }

    pub(super) const fn n_hops(&self) -> usize {
        self.steps.len()
    }

    /// Takes the next hop.
    pub(super) fn append(&mut self, pcm: &[f32; HOP_FRAMES]) {
        let step = step(pcm);
        let scale = 1.0 / step;
        self.steps.push(step);
        self.samples.extend(pcm.iter().map(|sample| (sample * scale).round_ties_even() as i16));
    }

    /// Forgets the first hops.
    pub(super) fn drop_hops(&mut self, n_hops: usize) {
        let n_hops = n_hops.min(self.steps.len());
        self.steps.drain(..n_hops);
        self.samples.drain(..n_hops * HOP_FRAMES);
    }

    pub(super) fn clear(&mut self) {
        self.samples.clear();
        self.steps.clear();
    }

    /// Copies the first hops to `pcm`, as many as fit.
    pub(super) fn copy(&self, pcm: &mut [f32]) {
        let hops = pcm.chunks_exact_mut(HOP_FRAMES).zip(self.samples.chunks_exact(HOP_FRAMES));
        for ((pcm, samples), step) in hops.zip(&self.steps) {
            for (pcm, sample) in pcm.iter_mut().zip(samples) {
                *pcm = f32::from(*sample) * step;
            }
        }
    }
}

/// The least power of two that all samples are below (and none below its negative), in 2^15 steps; at least 2^-63, for
/// silence.
fn step(pcm: &[f32; HOP_FRAMES]) -> f32 {
    const SIGN: u32 = 1 << 31;
    const EXPONENT: u32 = 0xff << 23;
    const EXPONENT_1: u32 = 1 << 23;
    // The bits of magnitudes are ordered as they are.
    let magnitude = |bits: u32| (bits & !SIGN).saturating_sub(bits >> 31);
    let peak = pcm.iter().fold(0, |peak, sample| peak.max(magnitude(sample.to_bits())));
    let above = (peak & EXPONENT) + EXPONENT_1;
    f32::from_bits(above.saturating_sub(15 * EXPONENT_1).max(64 * EXPONENT_1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(audio: &Audio, n_hops: usize) -> Vec<f32> {
        let mut pcm = vec![0.0; n_hops * HOP_FRAMES];
        audio.copy(&mut pcm);
        pcm
    }

    #[test]
    fn what_has_16_bits_stays_as_it_is() {
        let hop = std::array::from_fn(|i| [-32_768.0, 32_767.0, 1.0, 0.0, -12_345.0][i % 5] / 32_768.0);
        let mut audio = Audio::new(2);
        audio.append(&hop);
        audio.append(&[0.0; HOP_FRAMES]);
        assert_eq!(copied(&audio, 2), [hop, [0.0; HOP_FRAMES]].concat());
    }

    #[test]
    fn samples_are_right_to_90_db_below_their_hop_at_any_level() {
        let mut seed = 1_u32;
        let mut audio = Audio::new(300);
        let mut hops = Vec::new();
        for hop_idx in 0..300 {
            let hop: [f32; HOP_FRAMES] = std::array::from_fn(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed as f32 / 2.0_f32.powi(31) - 1.0) * 10.0_f32.powf(hop_idx as f32 / 30.0 - 6.0)
            });
            audio.append(&hop);
            hops.push(hop);
        }
        audio.drop_hops(10);
        for (hop, copied) in hops[10..].iter().zip(copied(&audio, 290).chunks(HOP_FRAMES)) {
            let peak = hop.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            for (sample, copied) in hop.iter().zip(copied) {
                assert!((sample - copied).abs() <= peak * 2.0_f32.powi(-15), "{sample}: {copied}");
            }
        }
    }
}

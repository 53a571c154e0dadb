//! The audio of an utterance in half the storage of f32: 16 bits a sample with one step for each hop. Not a codec.

use std::collections::VecDeque;

use super::pages::{self, PAGE_HOPS, Page};
use crate::hop::HOP_FRAMES;

/// Hops of audio. A sample is off by at most 2^-15 of its hop's peak, 90 dB below it, where a recogniser hears nothing:
/// Whisper's clamp is at 80 dB. Audio of 16 bits stays as it is.
#[derive(Clone, Debug)]
pub(super) struct Audio {
    pages: VecDeque<Box<Page>>,
    /// Hops of the first page that were dropped.
    n_dropped: usize,
    n_hops: usize,
}

impl Audio {
    /// For up to `hops_max` hops.
    pub(super) fn new(hops_max: usize) -> Self {
        pages::reserve();
        let pages = VecDeque::with_capacity(hops_max.div_ceil(PAGE_HOPS) + 1);
        Self { pages, n_dropped: 0, n_hops: 0 }
    }

    pub(super) const fn n_hops(&self) -> usize {
        self.n_hops
    }

    /// Takes the next hop.
    pub(super) fn append(&mut self, pcm: &[f32; HOP_FRAMES]) {
        let at = self.n_dropped + self.n_hops;
        if at == self.pages.len() * PAGE_HOPS {
            self.pages.push_back(pages::take());
        }
        let Some(page) = self.pages.back_mut() else { return };
        let step = step(pcm);
        page.steps[at % PAGE_HOPS] = step;
        quantise(pcm, 1.0 / step, &mut page.samples[at % PAGE_HOPS]);
        self.n_hops += 1;
    }

    /// Forgets the first hops.
    pub(super) fn drop_hops(&mut self, n_hops: usize) {
        if n_hops >= self.n_hops {
            return self.clear();
        }
        self.n_hops -= n_hops;
        self.n_dropped += n_hops;
        while self.n_dropped >= PAGE_HOPS {
            self.n_dropped -= PAGE_HOPS;
            self.pages.pop_front().into_iter().for_each(pages::give_back);
        }
    }

    pub(super) fn clear(&mut self) {
        self.pages.drain(..).for_each(pages::give_back);
        self.n_dropped = 0;
        self.n_hops = 0;
    }

    /// Copies the first hops to `pcm`, as many as fit.
    pub(super) fn copy(&self, pcm: &mut [f32]) {
        let kept =
            self.pages.iter().flat_map(|page| page.steps.iter().zip(&page.samples)).skip(self.n_dropped);
        for ((step, samples), pcm) in kept.take(self.n_hops).zip(pcm.chunks_exact_mut(HOP_FRAMES)) {
            for (pcm, sample) in pcm.iter_mut().zip(samples) {
                *pcm = f32::from(*sample) * step;
            }
        }
    }
}

impl Drop for Audio {
    fn drop(&mut self) {
        self.clear();
    }
}

fn quantise(pcm: &[f32; HOP_FRAMES], scale: f32, samples: &mut [i16; HOP_FRAMES]) {
    for (quantised, sample) in samples.iter_mut().zip(pcm) {
        *quantised = (sample * scale).round_ties_even() as i16;
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
impl Audio {
    /// What its pages take.
    pub(super) fn bytes(&self) -> usize {
        self.pages.len() * size_of::<Page>()
    }
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
        audio.drop_hops(3);
        audio.drop_hops(67);
        assert_eq!((audio.n_hops(), audio.pages.len()), (230, 8));
        for (hop, copied) in hops[70..].iter().zip(copied(&audio, 230).chunks(HOP_FRAMES)) {
            let peak = hop.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            for (sample, copied) in hop.iter().zip(copied) {
                assert!((sample - copied).abs() <= peak * 2.0_f32.powi(-15), "{sample}: {copied}");
            }
        }
    }
}

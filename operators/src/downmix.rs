//! Downmix: 1 to 8 channels to mono at the same rate. No change of rate or level alignment.

use engine::audio::{Block, CHANNELS_MAX, Format};
use engine::operator::{Emit, Operator};

use crate::BuildError;
use crate::error::check_range;

/// -3 dB: what a centre or surround channel weighs in each side of a stereo downmix (ITU-R BS.775-4, annex 4).
const HALF_POWER: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Blocks of any channel count in, mono blocks out.
///
/// The weights are those of the ITU-R BS.775 stereo downmix, both sides added, made to sum to 1, so the mix cannot
/// exceed its loudest channel: L, R 1; C sqrt(2); surrounds 1/sqrt(2); LFE 0. A channel that is lost costs its
/// share of the level and silences nothing.
pub struct Downmix {
    weights: [f32; CHANNELS_MAX],
    mix: Vec<f32>,
    mono: Block,
}

impl Downmix {
    /// For blocks of `format` with at most `block_frames` frames (1 to 1 048 576); frames beyond that are left out.
    pub fn new(format: Format, block_frames: usize) -> Result<Self, BuildError> {
        check_range("block_frames", block_frames as f64, 1.0..=1_048_576.0, "1 to 1048576")?;
        // One channel always fits.
        let mono = Format::new(format.rate(), 1).unwrap_or(Format::SPEECH);
        Ok(Self {
            weights: weights(format.n_channels()),
            mix: vec![0.0; block_frames],
            mono: Block::spare(mono, block_frames),
        })
    }
}

impl Operator for Downmix {
    type In = Block;
    type Out = Block;

    fn push(&mut self, block: &Block, out: &mut dyn Emit<Block>) {
        if block.format().n_channels() == 1 {
            return out.emit(block);
        }
        let n_frames = block.n_frames().min(self.mix.len());
        let mix = &mut self.mix[..n_frames];
        mix.fill(0.0);
        for (channel, &weight) in block.channels().zip(&self.weights) {
            add_weighted(mix, channel, weight);
        }
        self.mono.restart(block.origin(), block.start_frame(), block.received_at());
        self.mono.extend_planar(&[mix]);
        out.emit(&self.mono);
    }
}

fn add_weighted(mix: &mut [f32], channel: &[f32], weight: f32) {
    for (sum, sample) in mix.iter_mut().zip(channel) {
        *sum += weight * sample;
    }
}

/// Weight of each channel in WAVE order, summing to 1.
fn weights(n_channels: usize) -> [f32; CHANNELS_MAX] {
    const C: f32 = 2.0 * HALF_POWER;
    const S: f32 = HALF_POWER;
    let raw: &[f32] = match n_channels {
        1 => &[1.0],
        2 => &[1.0, 1.0],
        3 => &[1.0, 1.0, C],
        4 => &[1.0, 1.0, S, S],
        5 => &[1.0, 1.0, C, S, S],
        6 => &[1.0, 1.0, C, 0.0, S, S],
        7 => &[1.0, 1.0, C, 0.0, C, S, S],
        _ => &[1.0, 1.0, C, 0.0, S, S, S, S],
    };
    let sum: f32 = raw.iter().sum();
    let mut weights = [0.0; CHANNELS_MAX];
    for (weight, raw) in weights.iter_mut().zip(raw) {
        *weight = raw / sum;
    }
    weights
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use engine::time::{MediaTime, SampleRate};

    use super::*;

    /// Mono samples that a constant on each channel becomes, given channel by channel.
    fn check(levels: &[f32], expected: f32) {
        let format = Format::new(SampleRate::new(44_100).unwrap(), levels.len()).unwrap();
        let mut block = Block::spare(format, 8);
        let now = block.received_at();
        block.restart(MediaTime::from_secs(3), 441, now);
        let planes: Vec<[f32; 8]> = levels.iter().map(|level| [*level; 8]).collect();
        block.extend_planar(&planes.iter().map(|plane| plane.as_slice()).collect::<Vec<_>>());
        let mut seen = 0;
        Downmix::new(format, 8).unwrap().push(&block, &mut |mono: &Block| {
            seen += 1;
            assert_eq!(mono.span(), block.span());
            assert_eq!(mono.format().n_channels(), 1);
            assert_eq!(mono.n_frames(), 8);
            for sample in mono.channel(0) {
                assert!((sample - expected).abs() < 1e-6, "{levels:?}: {sample}, expected {expected}");
            }
        });
        assert_eq!(seen, 1);
    }

    #[test]
    fn equal_channels_keep_their_level() {
        for n_channels in 1..=CHANNELS_MAX {
            // The LFE channel of 5.1 and above says nothing.
            let levels: Vec<f32> =
                (0..n_channels).map(|c| if n_channels > 5 && c == 3 { 9.0 } else { 0.5 }).collect();
            check(&levels, 0.5);
        }
    }

    #[test]
    fn stereo_is_the_mean_and_a_lost_channel_silences_nothing() {
        check(&[0.8, 0.2], 0.5);
        check(&[0.8, 0.0], 0.4);
        check(&[0.5, -0.5], 0.0);
    }

    #[test]
    fn the_centre_weighs_double_power() {
        check(&[0.0, 0.0, 1.0], 2.0_f32.sqrt() / (2.0 + 2.0_f32.sqrt()));
        check(&[0.0, 0.0, 1.0, 0.0, 0.0, 0.0], 2.0_f32.sqrt() / (2.0 + 2.0 * 2.0_f32.sqrt()));
    }

    #[test]
    fn no_room_for_a_frame_is_refused() {
        assert!(Downmix::new(Format::SPEECH, 0).is_err());
    }
}

//! Makes samples safe to compute with: finite, bounded, never denormal. Not a limiter: sound passes unchanged.

use engine::audio::{Block, CHANNELS_MAX, Format};
use engine::operator::{Emit, Operator};

use crate::error::{BuildError, check_range};

/// Largest magnitude that may be sound: +120 dBFS. What is larger is garbage (the wrong sample format, most often),
/// and its square would swamp hours of measurement.
pub const SAMPLE_MAX: f32 = 1e6;

/// Replaces non-finite samples and those beyond [`SAMPLE_MAX`] by 0 and counts them. Denormals become 0 too, which
/// nobody hears and nobody counts: arithmetic on them costs 1.7 times as much. A clean block passes uncopied.
#[derive(Debug)]
pub struct Sanitise {
    mended: Block,
    n_replaced: u64,
}

impl Sanitise {
    /// For `format`. Blocks that need mending leave in pieces of at most `block_frames` frames.
    pub fn new(format: Format, block_frames: usize) -> Result<Self, BuildError> {
        check_range("block length in frames", block_frames as f64, 1.0..=1_048_576.0, "1 to 1048576")?;
        Ok(Self { mended: Block::spare(format, block_frames), n_replaced: 0 })
    }

    /// Samples replaced since it was built. A reset does not clear it: it counts for the feed.
    #[must_use]
    pub const fn replaced(&self) -> u64 {
        self.n_replaced
    }

    fn mend(&mut self, block: &Block, out: &mut dyn Emit<Block>) {
        let n_channels = block.format().n_channels();
        let mut at = 0;
        while at < block.n_frames() {
            let mut planes: [&[f32]; CHANNELS_MAX] = [&[]; CHANNELS_MAX];
            for (plane, samples) in planes.iter_mut().zip(block.channels()) {
                *plane = samples.get(at..).unwrap_or(&[]);
            }
            self.mended.restart(block.origin(), block.start_frame() + at as u64, block.received_at());
            let taken = self.mended.extend_planar(planes.get(..n_channels).unwrap_or(&[]));
            if taken == 0 {
                return; // of another format
            }
            for channel in 0..n_channels {
                self.n_replaced += mend(self.mended.channel_mut(channel));
            }
            out.emit(&self.mended);
            at += taken;
        }
    }
}

impl Operator for Sanitise {
    type In = Block;
    type Out = Block;

    fn push(&mut self, block: &Block, out: &mut dyn Emit<Block>) {
        if block.channels().all(is_clean) {
            out.emit(block);
        } else {
            self.mend(block, out);
        }
    }
}

const SIGN: u32 = 1 << 31;
/// Bits of the smallest normal number, 2^-126.
const NORMAL_MIN_BITS: u32 = 0x0080_0000;

/// The bits of a magnitude are ordered as magnitudes are, infinity and NaN above all numbers.
const fn magnitude_bits(sample: f32) -> u32 {
    sample.to_bits() & !SIGN
}

/// No branch per sample, so that the compiler makes vectors of it.
fn is_clean(samples: &[f32]) -> bool {
    let bad = |n: u32, &sample: &f32| {
        let bits = magnitude_bits(sample);
        let denormal = bits.wrapping_sub(1) < NORMAL_MIN_BITS - 1;
        n | u32::from(denormal) | u32::from(bits > SAMPLE_MAX.to_bits())
    };
    samples.chunks(1_024).all(|chunk| chunk.iter().fold(0, bad) == 0)
}

/// Returns how many samples it replaced, denormals not counted.
fn mend(samples: &mut [f32]) -> u64 {
    let mut n_replaced = 0;
    for sample in samples {
        let bits = magnitude_bits(*sample);
        let is_garbage = bits > SAMPLE_MAX.to_bits();
        n_replaced += u64::from(is_garbage);
        if is_garbage || bits < NORMAL_MIN_BITS {
            *sample = 0.0;
        }
    }
    n_replaced
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]
    use super::*;
    use engine::time::{MediaTime, SampleRate};

    fn check(input: [&[f32]; 2], expected: [&[f32]; 2], n_replaced: u64) {
        let format = Format::new(SampleRate::new(48_000).unwrap(), 2).unwrap();
        let mut block = Block::spare(format, 64);
        let now = block.received_at();
        block.restart(MediaTime::from_secs(1), 7, now);
        block.extend_planar(&input);
        let mut sanitise = Sanitise::new(format, 3).unwrap();
        let (mut seen, mut next) = ([Vec::new(), Vec::new()], block.time_of(0));
        sanitise.push(&block, &mut |b: &Block| {
            assert_eq!((b.span().start, b.received_at()), (next, block.received_at()));
            next = b.span().end;
            seen[0].extend_from_slice(b.channel(0));
            seen[1].extend_from_slice(b.channel(1));
        });
        assert_eq!(seen, expected);
        assert_eq!((next, sanitise.replaced()), (block.span().end, n_replaced));
    }

    #[test]
    fn sound_passes_unchanged() {
        let loud = [0.0, -0.0, 1.0, -SAMPLE_MAX, f32::MIN_POSITIVE];
        check([&loud, &loud], [&loud, &loud], 0);
    }

    #[test]
    fn what_is_no_sound_becomes_zero_and_is_counted() {
        let bad = [f32::NAN, 0.5, f32::NEG_INFINITY, 1.001e6, -0.5];
        check([&bad, &[0.1; 5]], [&[0.0, 0.5, 0.0, 0.0, -0.5], &[0.1; 5]], 3);
    }

    #[test]
    fn denormals_become_zero_and_are_not_counted() {
        check([&[1e-39, 0.5, -1e-45, 0.25], &[1.0; 4]], [&[0.0, 0.5, 0.0, 0.25], &[1.0; 4]], 0);
    }

    #[test]
    fn a_block_length_of_zero_is_refused() {
        let error = Sanitise::new(Format::SPEECH, 0).unwrap_err();
        assert_eq!(error.to_string(), "block length in frames is 0, expected 1 to 1048576");
    }
}

//! Resample: mono of any rate from 8 to 192 kHz to 16 kHz mono, its own delay taken out. Downmix before it.

use engine::audio::{Block, Format};
use engine::operator::{Emit, Operator};
use engine::time::{MediaTime, SampleRate};

use crate::BuildError;

mod plan;
mod stage;

use stage::Stage;

/// Samples converted to f64 at a time.
const CONVERTED: usize = 512;

/// Mono blocks of one rate in, 16 kHz mono blocks out. Output frame `k` is the input at exactly `k / 16 000` s.
///
/// 16 kHz passes untouched. Rates with a small ratio to 16 kHz go through one FFT stage; others (38 001, 47 999 Hz)
/// first go up to a friendly rate. Flat within 0.01 dB to 7.3 kHz (below a 16 kHz input rate: to 91 % of its
/// Nyquist frequency), aliases and images below -130 dB. In f64, since f32 transforms miss that by a few dB.
pub struct Resample {
    rate: SampleRate,
    stages: Vec<Stage>,
    latency: MediaTime,
    tail: Output,
}

/// The end of the way: what was counted, and the block that is lent out.
struct Output {
    origin: Option<MediaTime>,
    n_in: u64,
    n_out: u64,
    samples: Vec<f32>,
    block: Block,
}

impl Resample {
    /// From `rate` to 16 kHz.
    pub fn new(rate: SampleRate) -> Result<Self, BuildError> {
        let stages = plan::stages(rate)?;
        let frames_max = stages.last().map_or(0, Stage::output_max);
        let latency = stages.iter().fold(MediaTime::ZERO, |sum, stage| sum + stage.latency());
        let tail = Output {
            origin: None,
            n_in: 0,
            n_out: 0,
            samples: vec![0.0; frames_max],
            block: Block::spare(Format::SPEECH, frames_max),
        };
        Ok(Self { rate, stages, latency, tail })
    }
}

impl Operator for Resample {
    type In = Block;
    type Out = Block;

    fn push(&mut self, block: &Block, out: &mut dyn Emit<Block>) {
        if self.stages.is_empty() {
            return out.emit(block);
        }
        let tail = &mut self.tail;
        tail.stamp(block);
        tail.n_in += block.n_frames() as u64;
        let mut wide = [0.0_f64; CONVERTED];
        for samples in block.channel(0).chunks(CONVERTED) {
            let wide = &mut wide[..samples.len()];
            for (wide, sample) in wide.iter_mut().zip(samples) {
                *wide = f64::from(*sample);
            }
            run(&mut self.stages, wide, &mut |resampled| tail.emit(resampled, u64::MAX, out));
        }
    }

    fn flush(&mut self, out: &mut dyn Emit<Block>) {
        let tail = &mut self.tail;
        let n_total = MediaTime::from_frames(tail.n_in, self.rate).to_frames(SampleRate::HZ_16000);
        let silence = [0.0_f64; CONVERTED];
        while !self.stages.is_empty() && tail.n_out < n_total {
            run(&mut self.stages, &silence, &mut |resampled| tail.emit(resampled, n_total, out));
        }
    }

    fn reset(&mut self) {
        for stage in &mut self.stages {
            stage.reset();
        }
        self.tail.origin = None;
        self.tail.n_in = 0;
        self.tail.n_out = 0;
    }

    fn latency(&self) -> MediaTime {
        self.latency
    }
}

/// Pushes `samples` through all stages.
fn run(stages: &mut [Stage], samples: &[f64], sink: &mut dyn FnMut(&[f64])) {
    match stages.split_first_mut() {
        None => sink(samples),
        Some((stage, rest)) => stage.push(samples, &mut |resampled| run(rest, resampled, sink)),
    }
}

impl Output {
    /// Takes over the arrival of `block`. What comes out is counted from the start of the first one.
    fn stamp(&mut self, block: &Block) {
        let origin = *self.origin.get_or_insert(block.time_of(0));
        self.block.restart(origin, self.n_out, block.received_at());
    }

    /// Lends out `resampled`, up to `n_total` frames in all.
    fn emit(&mut self, resampled: &[f64], n_total: u64, out: &mut dyn Emit<Block>) {
        let left = usize::try_from(n_total.saturating_sub(self.n_out)).unwrap_or(usize::MAX);
        let n_frames = resampled.len().min(left).min(self.samples.len());
        if n_frames == 0 {
            return;
        }
        let samples = &mut self.samples[..n_frames];
        for (sample, wide) in samples.iter_mut().zip(resampled) {
            *sample = *wide as f32;
        }
        let (origin, received_at) = (self.block.origin(), self.block.received_at());
        self.block.restart(origin, self.n_out, received_at);
        self.block.extend_planar(&[samples]);
        self.n_out += n_frames as u64;
        out.emit(&self.block);
    }
}

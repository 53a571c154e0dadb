//! Front end: 16 kHz mono to hops, with Whisper's log-mel and the spectrum's descriptors. No judgement.

use std::sync::Arc;

use engine::audio::Block;
use engine::operator::{Emit, Operator};
use engine::time::{MediaTime, SampleRate};
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::hop::{HOP_FRAMES, Hop};
use crate::{BuildError, mel};

mod descriptors;

use descriptors::Descriptors;

/// Frames of an analysis window (Whisper: `N_FFT`).
pub(crate) const WINDOW_FRAMES: usize = 400;
/// Bins of its spectrum.
pub(crate) const N_BINS: usize = WINDOW_FRAMES / 2 + 1;
/// The window is centred: this much of it lies before its hop, mirrored at the start and the end of a feed.
const BEFORE: usize = WINDOW_FRAMES / 2;

/// Blocks of 16 kHz mono in, one [`Hop`] for every 160 samples out, each 40 samples after its end.
///
/// The transform is in f64: in f32 its noise drowns weak bands beside a strong tone (off by 6e-5, 3e-6 on average).
/// At the end of the feed the last, incomplete hop is filled up: `ceil(samples / 160)` hops in all.
pub struct FrontEnd {
    fft: Arc<dyn RealToComplex<f64>>,
    hann: [f64; WINDOW_FRAMES],
    mel: mel::Bank,
    windowed: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    power: [f32; N_BINS],
    descriptors: Descriptors,
    window: [f32; WINDOW_FRAMES],
    n_filled: usize,
    origin: Option<MediaTime>,
    n_hops: u64,
    hop: Hop,
}

impl FrontEnd {
    /// Plans the transform.
    pub fn new() -> Result<Self, BuildError> {
        let fft = RealFftPlanner::new().plan_fft_forward(WINDOW_FRAMES);
        Ok(Self {
            hann: hann(),
            mel: mel::Bank::new(),
            windowed: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            fft,
            power: [0.0; N_BINS],
            descriptors: Descriptors::default(),
            window: [0.0; WINDOW_FRAMES],
            n_filled: BEFORE,
            origin: None,
            n_hops: 0,
            hop: Hop::default(),
        })
    }

    /// Analyses the full window; its hop has `n_frames` frames.
    fn analyse(&mut self, n_frames: usize, out: &mut dyn Emit<Hop>) {
        for ((windowed, sample), weight) in self.windowed.iter_mut().zip(&self.window).zip(&self.hann) {
            *windowed = f64::from(*sample) * weight;
        }
        // Buffers made by the transform itself: it cannot refuse them.
        let _fits = self.fft.process_with_scratch(&mut self.windowed, &mut self.spectrum, &mut self.scratch);
        for (power, bin) in self.power.iter_mut().zip(&self.spectrum) {
            *power = (bin.re * bin.re + bin.im * bin.im) as f32;
        }
        let hop = &mut self.hop;
        let before = self.n_hops * HOP_FRAMES as u64;
        hop.start = self.origin.unwrap_or_default() + MediaTime::from_frames(before, SampleRate::HZ_16000);
        hop.pcm.fill(0.0);
        hop.pcm[..n_frames].copy_from_slice(&self.window[BEFORE..BEFORE + n_frames]);
        self.mel.log_mel(&self.power, &mut hop.log_mel);
        self.descriptors.describe(&self.power, hop);
        self.n_hops += 1;
        out.emit(hop);
    }

    /// Moves the window on by one hop.
    fn advance(&mut self) {
        self.window.copy_within(HOP_FRAMES.., 0);
        self.n_filled -= HOP_FRAMES;
    }

    fn mirror_start(&mut self) {
        // The first weight of the window is zero, so that its first sample, not yet known, does not matter.
        for i in 1..BEFORE {
            self.window[BEFORE - i] = self.window[BEFORE + i];
        }
    }
}

impl Operator for FrontEnd {
    type In = Block;
    type Out = Hop;

    fn push(&mut self, block: &Block, out: &mut dyn Emit<Hop>) {
        self.origin.get_or_insert(block.time_of(0));
        let mut samples = block.channel(0);
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(WINDOW_FRAMES - self.n_filled));
            self.window[self.n_filled..self.n_filled + now.len()].copy_from_slice(now);
            self.n_filled += now.len();
            samples = later;
            if self.n_filled == WINDOW_FRAMES {
                if self.n_hops == 0 {
                    self.mirror_start();
                }
                self.analyse(HOP_FRAMES, out);
                self.advance();
            }
        }
    }

    fn flush(&mut self, out: &mut dyn Emit<Hop>) {
        while self.n_filled > BEFORE {
            let n_filled = self.n_filled;
            // Before the first hop nothing lies left of the centre: both sides mirror what little there is.
            let first = if self.n_hops == 0 { BEFORE } else { 0 };
            mirror(&mut self.window, first, n_filled);
            self.analyse((n_filled - BEFORE).min(HOP_FRAMES), out);
            self.advance();
        }
    }

    fn reset(&mut self) {
        self.n_filled = BEFORE;
        self.origin = None;
        self.n_hops = 0;
        self.descriptors = Descriptors::default();
    }

    /// 40 samples: what the centred window sees beyond its hop.
    fn latency(&self) -> MediaTime {
        MediaTime::from_frames((BEFORE - HOP_FRAMES) as u64, SampleRate::HZ_16000)
    }
}

/// Fills `window` outside `first..end` with reflections of what is inside, which is not empty; the samples at the
/// edges are not repeated.
fn mirror(window: &mut [f32; WINDOW_FRAMES], first: usize, end: usize) {
    let period = (2 * (end - first - 1)).max(1);
    for i in (0..first).chain(end..WINDOW_FRAMES) {
        let phase = (i + period * WINDOW_FRAMES - first) % period;
        window[i] = window[first + phase.min(period - phase).min(end - first - 1)];
    }
}

/// Periodic Hann window.
fn hann() -> [f64; WINDOW_FRAMES] {
    let phase = |i: usize| std::f64::consts::TAU * i as f64 / WINDOW_FRAMES as f64;
    std::array::from_fn(|i| 0.5 - 0.5 * phase(i).cos())
}

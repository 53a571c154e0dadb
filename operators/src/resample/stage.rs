//! One rubato resampler with blocks of its own size: gathers its input, drops its own delay.

use audioadapter_buffers::direct::InterleavedSlice;
use engine::time::MediaTime;
use rubato::Resampler;

/// A resampler whose output frame `k` is its input at the same time, whatever pieces the input comes in.
pub(super) struct Stage {
    resampler: Box<dyn Resampler<f64>>,
    align: Align,
    latency: MediaTime,
    input: Vec<f64>,
    n_input: usize,
    output: Vec<f64>,
    n_skip: usize,
}

/// How a stage's first output frame is brought to the time of its first input frame.
#[derive(Clone, Copy)]
pub(super) enum Align {
    /// The delay is a whole number of output frames: drop them.
    Skip(usize),
    /// The delay is not: one chunk of silence goes first, at this ratio, which shifts the phase; then drop frames.
    Shift {
        /// Output frames an input frame.
        ratio: f64,
        /// Frames to drop afterwards.
        n_skip: usize,
    },
}

impl Stage {
    /// `resampler` takes one channel and input of a fixed size; `latency` is its delay and that of gathering.
    pub(super) fn new(resampler: Box<dyn Resampler<f64>>, align: Align, latency: MediaTime) -> Self {
        let input = vec![0.0; resampler.input_frames_max()];
        let output = vec![0.0; resampler.output_frames_max()];
        let mut stage = Self { resampler, align, latency, input, n_input: 0, output, n_skip: 0 };
        stage.align();
        stage
    }

    /// Most frames that one call of the sink gets.
    pub(super) fn output_max(&self) -> usize {
        self.output.len()
    }

    /// From an input frame to the output frame of the same time, at most.
    pub(super) fn latency(&self) -> MediaTime {
        self.latency
    }

    /// Takes `samples`; gives every full piece of output to `sink`.
    pub(super) fn push(&mut self, mut samples: &[f64], sink: &mut dyn FnMut(&[f64])) {
        while !samples.is_empty() {
            let room = self.input.len() - self.n_input;
            let (now, later) = samples.split_at(room.min(samples.len()));
            self.input[self.n_input..self.n_input + now.len()].copy_from_slice(now);
            self.n_input += now.len();
            samples = later;
            if self.n_input == self.input.len() {
                self.n_input = 0;
                let n_output = self.process();
                let n_skip = self.n_skip.min(n_output);
                self.n_skip -= n_skip;
                if n_skip < n_output {
                    sink(&self.output[n_skip..n_output]);
                }
            }
        }
    }

    /// Forgets the past.
    pub(super) fn reset(&mut self) {
        self.resampler.reset();
        self.n_input = 0;
        self.align();
    }

    fn align(&mut self) {
        self.n_skip = match self.align {
            Align::Skip(n_skip) => n_skip,
            Align::Shift { ratio, n_skip } => {
                let usual = self.resampler.resample_ratio();
                self.set_ratio(ratio);
                self.input.fill(0.0);
                self.process();
                self.set_ratio(usual);
                n_skip
            }
        };
    }

    /// Within the range that the resampler was built for, so it cannot refuse.
    fn set_ratio(&mut self, ratio: f64) {
        if let Some(adjustable) = self.resampler.as_adjustable() {
            let _in_range = adjustable.set_resample_ratio(ratio, false);
        }
    }

    /// Resamples the gathered input; returns the frames of output.
    fn process(&mut self) -> usize {
        let (n_input, n_output) = (self.input.len(), self.output.len());
        // Buffers of the sizes that the resampler asked for: neither these nor the call can fail.
        let Ok(input) = InterleavedSlice::new(&self.input, 1, n_input) else { return 0 };
        let Ok(mut output) = InterleavedSlice::new_mut(&mut self.output, 1, n_output) else { return 0 };
        self.resampler.process_into_buffer(&input, &mut output, None).map_or(0, |(_, n_output)| n_output)
    }
}

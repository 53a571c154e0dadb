//! One rubato resampler with pieces of its own size: gathers its input, drops its own delay.

use audioadapter_buffers::direct::InterleavedSlice;
use engine::time::MediaTime;
use rubato::Resampler;

/// A resampler whose output frame `k` is its input at the same time, however the input was cut.
pub(super) struct Stage {
    resampler: Box<dyn Resampler<f64>>,
    align: Align,
    latency: MediaTime,
    input: Vec<f64>,
    n_gathered: usize,
    output: Vec<f64>,
    n_skip: usize,
}

/// How a stage's first output frame is brought to the time of its first input frame.
#[derive(Clone, Copy)]
pub(super) struct Align {
    /// The delay is not a whole number of output frames: a piece of silence goes first at this ratio (output frames
    /// an input frame), which shifts the phase until it is.
    pub(super) shift: Option<f64>,
    /// Output frames to drop.
    pub(super) n_skip: usize,
}

impl Stage {
    /// `resampler` takes one channel. `latency`: from the end of a piece of output to the input that makes it.
    pub(super) fn new(resampler: Box<dyn Resampler<f64>>, align: Align, latency: MediaTime) -> Self {
        let input = vec![0.0; resampler.input_frames_max()];
        let output = vec![0.0; resampler.output_frames_max()];
        let mut stage = Self { resampler, align, latency, input, n_gathered: 0, output, n_skip: 0 };
        stage.align();
        stage
    }

    /// Most frames that one call of the sink gets.
    pub(super) fn output_max(&self) -> usize {
        self.output.len()
    }

    /// From the end of a piece of output to the end of the input that makes it, at most.
    pub(super) fn latency(&self) -> MediaTime {
        self.latency
    }

    /// Takes `samples`; gives every piece of output to `sink`.
    pub(super) fn push(&mut self, mut samples: &[f64], sink: &mut dyn FnMut(&[f64])) {
        while !samples.is_empty() {
            let n_needed = self.resampler.input_frames_next().min(self.input.len());
            let room = n_needed.saturating_sub(self.n_gathered);
            let (now, later) = samples.split_at(room.min(samples.len()));
            self.input[self.n_gathered..self.n_gathered + now.len()].copy_from_slice(now);
            self.n_gathered += now.len();
            samples = later;
            if self.n_gathered == n_needed {
                let n_output = self.process();
                let n_dropped = self.n_skip.min(n_output);
                self.n_skip -= n_dropped;
                self.size_next();
                if n_dropped < n_output {
                    sink(&self.output[n_dropped..n_output]);
                }
            }
        }
    }

    /// Forgets the past.
    pub(super) fn reset(&mut self) {
        self.resampler.reset();
        self.align();
    }

    fn align(&mut self) {
        self.n_gathered = 0;
        if let Some(ratio) = self.align.shift {
            let usual = self.resampler.resample_ratio();
            self.set_ratio(ratio);
            self.input.fill(0.0);
            self.process();
            self.set_ratio(usual);
        }
        self.n_skip = self.align.n_skip;
        self.size_next();
    }

    /// Where it can be chosen, what is dropped is a piece of its own, so that whole pieces follow.
    fn size_next(&mut self) {
        let n_frames = if self.n_skip > 0 { self.n_skip.min(self.output.len()) } else { self.output.len() };
        if let Some(resizable) = self.resampler.as_resizable() {
            // Not above the size that it was built for, so it cannot refuse.
            let _accepted = resizable.set_chunk_size(n_frames);
        }
    }

    fn set_ratio(&mut self, ratio: f64) {
        if let Some(adjustable) = self.resampler.as_adjustable() {
            // Within the range that it was built for, so it cannot refuse.
            let _accepted = adjustable.set_resample_ratio(ratio, false);
        }
    }

    /// Resamples what was gathered; returns the frames of output.
    fn process(&mut self) -> usize {
        self.n_gathered = 0;
        let (n_input, n_output) = (self.input.len(), self.output.len());
        // Buffers of the sizes that the resampler asked for: neither these nor the call can fail.
        let Ok(input) = InterleavedSlice::new(&self.input, 1, n_input) else { return 0 };
        let Ok(mut output) = InterleavedSlice::new_mut(&mut self.output, 1, n_output) else { return 0 };
        self.resampler.process_into_buffer(&input, &mut output, None).map_or(0, |(_, n_output)| n_output)
    }
}

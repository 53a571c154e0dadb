//! The loudness meter of EBU R 128: momentary, short-term, integrated, range, true peak. No events, no time.

use engine::audio::{CHANNELS_MAX, Format};

use super::histogram::{Counts, GATE_LUFS, Histogram, loudness};
use super::k_weighting::KWeighting;
use super::true_peak::{Interpolator, TruePeak};
use crate::stats::peak;
use crate::windows::WINDOWS_PER_SECOND;

/// Steps of 10 ms in 400 ms.
const MOMENTARY_STEPS: usize = 40;
/// And in 3 s.
const SHORT_TERM_STEPS: usize = 300;
/// Blocks are taken every 100 ms: 400 ms long with 75 % overlap.
const BLOCK_STEPS: u64 = 10;

/// How one channel alone is weighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mono {
    /// As one loudspeaker.
    #[default]
    Single,
    /// As two loudspeakers, which is how it will be heard: 3 LU more.
    Dual,
}

/// Measures in steps of 10 ms. All readings are O(1), but integrated loudness and range, which walk 2 000 bins;
/// nothing allocates.
#[derive(Debug)]
pub struct LoudnessMeter {
    weights: [f64; CHANNELS_MAX],
    filters: Vec<KWeighting>,
    interpolator: Interpolator,
    peaks: Vec<TruePeak>,
    /// Weighted mean square of each of the last steps.
    energies: [f64; SHORT_TERM_STEPS],
    n_steps: u64,
    momentary_sum: f64,
    short_term_sum: f64,
    programme: Measure,
    minute: Measure,
}

impl LoudnessMeter {
    /// For `format`. Channels are in the order L R C LFE Ls Rs ...; with 4 channels L R Ls Rs, with 5 L R C Ls Rs.
    #[must_use]
    pub fn new(format: Format, mono: Mono) -> Self {
        let window_frames = (format.rate().hz() / WINDOWS_PER_SECOND + 1) as usize;
        Self {
            weights: weights(format.n_channels(), mono),
            filters: vec![KWeighting::new(format.rate()); format.n_channels().div_ceil(2)],
            interpolator: Interpolator::new(format.rate()),
            peaks: vec![TruePeak::new(window_frames); format.n_channels()],
            energies: [0.0; SHORT_TERM_STEPS],
            n_steps: 0,
            momentary_sum: 0.0,
            short_term_sum: 0.0,
            programme: Measure::new(),
            minute: Measure::new(),
        }
    }

    /// Takes the next 10 ms of all channels (a frame more or less where the rate demands it). Returns their true
    /// peak, linear; one that is not above `floor`, nor the highest of the minute, may be told too low.
    pub fn step(&mut self, planes: &[&[f32]], floor: f32) -> f32 {
        let energy = self.energy(planes);
        let oldest = |n: usize| (self.n_steps as usize + SHORT_TERM_STEPS - n) % SHORT_TERM_STEPS;
        self.momentary_sum += energy - self.energies[oldest(MOMENTARY_STEPS)];
        self.short_term_sum += energy - self.energies[oldest(SHORT_TERM_STEPS)];
        self.energies[oldest(0)] = energy;
        self.n_steps += 1;
        let peak = self.peak(planes, floor);
        self.minute.step(peak);
        self.programme.step(peak);
        if self.n_steps.is_multiple_of(BLOCK_STEPS) {
            self.block();
        }
        peak
    }

    /// Loudness of the last 400 ms, LUFS. `None`: below -70, or not so much yet.
    #[must_use]
    pub fn momentary(&self) -> Option<f64> {
        self.reading(self.momentary_sum, MOMENTARY_STEPS)
    }

    /// Loudness of the last 3 s, LUFS. `None`: below -70, or not so much yet.
    #[must_use]
    pub fn short_term(&self) -> Option<f64> {
        self.reading(self.short_term_sum, SHORT_TERM_STEPS)
    }

    /// Everything since the start.
    #[must_use]
    pub const fn programme(&self) -> &Measure {
        &self.programme
    }

    /// Everything since the last [`Self::begin_minute`].
    #[must_use]
    pub const fn minute(&self) -> &Measure {
        &self.minute
    }

    /// Begins another minute, however long it will be.
    pub fn begin_minute(&mut self) {
        self.minute.clear();
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.interrupt();
        self.programme.clear();
        self.minute.clear();
    }

    /// A discontinuity: what follows is not heard together with what was before. Programme and minute go on.
    pub fn interrupt(&mut self) {
        self.filters.iter_mut().for_each(KWeighting::reset);
        self.peaks.iter_mut().for_each(TruePeak::reset);
        self.energies.fill(0.0);
        self.n_steps = 0;
        self.momentary_sum = 0.0;
        self.short_term_sum = 0.0;
        self.programme.n_steps = 0;
        self.minute.n_steps = 0;
    }

    /// Weighted mean square over all channels.
    fn energy(&mut self, planes: &[&[f32]]) -> f64 {
        let n_frames = planes.first().map_or(1, |plane| plane.len().max(1));
        let mut energy = 0.0;
        let weighted = planes.chunks(2).zip(self.weights.chunks(2));
        for (filter, (pair, weights)) in self.filters.iter_mut().zip(weighted) {
            let (Some(first), Some(last)) = (pair.first(), pair.last()) else { continue };
            let sums = filter.square_sums(first, last);
            energy +=
                sums.iter().zip(weights).take(pair.len()).map(|(sum, weight)| sum * weight).sum::<f64>();
        }
        energy / n_frames as f64
    }

    fn peak(&mut self, planes: &[&[f32]], floor: f32) -> f32 {
        let floor = floor.min(self.minute.peak);
        let mut highest = 0.0_f32;
        for (meter, samples) in self.peaks.iter_mut().zip(planes) {
            let found = meter.window(&self.interpolator, samples, peak(samples), floor.max(highest));
            highest = highest.max(found);
        }
        highest
    }

    /// Every 100 ms. Adding and subtracting would drift in days: here the sums are made anew.
    fn block(&mut self) {
        let newest = self.n_steps as usize % SHORT_TERM_STEPS;
        let last =
            |n: usize| (1..=n).map(|ago| self.energies[(newest + SHORT_TERM_STEPS - ago) % SHORT_TERM_STEPS]);
        self.momentary_sum = last(MOMENTARY_STEPS).sum();
        self.short_term_sum = last(SHORT_TERM_STEPS).sum();
        let momentary = self.momentary_sum / MOMENTARY_STEPS as f64;
        let short_term = self.short_term_sum / SHORT_TERM_STEPS as f64;
        self.minute.block(momentary, short_term);
        self.programme.block(momentary, short_term);
    }

    fn reading(&self, sum: f64, n_steps: usize) -> Option<f64> {
        let lufs = loudness(sum / n_steps as f64);
        (self.n_steps >= n_steps as u64 && lufs >= GATE_LUFS).then_some(lufs)
    }
}

/// What is measured over a whole stretch.
#[derive(Debug)]
pub struct Measure {
    /// Since the last discontinuity.
    n_steps: u64,
    blocks: Histogram,
    short_terms: Counts,
    peak: f32,
}

impl Measure {
    /// Integrated loudness, LUFS (ITU-R BS.1770-5). `None`: nothing above the gate.
    #[must_use]
    pub fn integrated(&self) -> Option<f64> {
        self.blocks.integrated()
    }

    /// Loudness range, LU (EBU Tech 3342). `None`: less than 3 s, or nothing above the gate.
    #[must_use]
    pub fn range(&self) -> Option<f64> {
        self.short_terms.range()
    }

    /// Highest true peak of any channel, dBTP. `None`: digital silence.
    #[must_use]
    pub fn true_peak(&self) -> Option<f64> {
        (self.peak > 0.0).then(|| 20.0 * f64::from(self.peak).log10())
    }

    fn new() -> Self {
        Self { n_steps: 0, blocks: Histogram::new(), short_terms: Counts::new(), peak: 0.0 }
    }

    const fn step(&mut self, peak: f32) {
        self.n_steps += 1;
        self.peak = self.peak.max(peak);
    }

    /// Counts what lies wholly within the stretch.
    fn block(&mut self, momentary: f64, short_term: f64) {
        if self.n_steps >= MOMENTARY_STEPS as u64 {
            self.blocks.add(momentary);
        }
        if self.n_steps >= SHORT_TERM_STEPS as u64 {
            self.short_terms.add(short_term);
        }
    }

    fn clear(&mut self) {
        self.n_steps = 0;
        self.blocks.clear();
        self.short_terms.clear();
        self.peak = 0.0;
    }
}

/// BS.1770-5, annex 1, table 3: surround channels count 1.5 dB more, low-frequency effects do not count.
const fn weights(n_channels: usize, mono: Mono) -> [f64; CHANNELS_MAX] {
    const SURROUND: f64 = 1.41;
    match n_channels {
        1 => {
            let single = if matches!(mono, Mono::Dual) { 2.0 } else { 1.0 };
            [single, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        }
        2 | 3 => [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        4 => [1.0, 1.0, SURROUND, SURROUND, 0.0, 0.0, 0.0, 0.0],
        5 => [1.0, 1.0, 1.0, SURROUND, SURROUND, 0.0, 0.0, 0.0],
        _ => [1.0, 1.0, 1.0, 0.0, SURROUND, SURROUND, SURROUND, SURROUND],
    }
}

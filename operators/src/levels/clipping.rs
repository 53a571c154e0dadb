//! Clipping: runs of samples cut off at one level, or beyond full scale. Not loudness, and not single peaks.

use engine::event::{AlertKind, Event};
use engine::operator::Emit;
use engine::time::MediaTime;

use super::Facts;
use super::sound::{REACH, Sound};
use crate::alarm::{Pair, Subject};
use crate::error::{BuildError, check_range};
use crate::windows::WINDOWS_PER_SECOND;

/// Samples of a run. Two equal samples at a peak are common in any sound.
const RUN_SAMPLES: u32 = 3;
/// Largest step between samples of a flat top: two steps of 16 bits, for dither and rounding after a gain.
const FLAT_STEP: f32 = 2.0 / 32_768.0;
/// Smallest step into or out of a flat top. A slow sine is flat at its peak too, but has no corners.
const CORNER_STEP: f32 = 8.0 * FLAT_STEP;

/// What counts as clipping. A run is three samples or more in a row that are either cut off flat at
/// `min_peak_dbfs` or above (so that audio which was clipped and then turned down a little is found), or beyond full
/// scale (what lossy codecs make of clipped audio). On music and speech that is not clipped 0 to 3 runs a second were
/// measured, on clipped speech 200 to 900.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClippingConfig {
    /// Lowest level of a flat top, -20..=0 dBFS. Default -1.
    pub min_peak_dbfs: f64,
    /// Runs in one second, in the worst channel, that make an alert, 1..=1000. Default 10.
    pub runs_per_s: u32,
    /// An alert closes after this long with less than half of that, 1..=60 s. Default 1.5 s.
    pub close_after: MediaTime,
}

impl Default for ClippingConfig {
    fn default() -> Self {
        Self { min_peak_dbfs: -1.0, runs_per_s: 10, close_after: MediaTime::from_millis(1_500) }
    }
}

impl ClippingConfig {
    fn check(&self) -> Result<(), BuildError> {
        check_range("clipping min_peak_dbfs", self.min_peak_dbfs, -20.0..=0.0, "-20 to 0 dBFS")?;
        check_range("clipping runs_per_s", f64::from(self.runs_per_s), 1.0..=1_000.0, "1 to 1000")?;
        check_range("clipping close_after", self.close_after.as_secs_f64(), 1.0..=60.0, "1 to 60 s")
    }
}

/// Opens `alert.clipping` where runs become frequent. Its span reaches from pause to pause around the runs, where
/// pauses are within a second of them.
#[derive(Debug)]
pub(super) struct Clipping {
    config: ClippingConfig,
    min_peak: f32,
    scans: Vec<Scan>,
    /// Runs in each window of the last second.
    counts: [u32; WINDOWS_PER_SECOND as usize],
    n_windows: usize,
    rate: u32,
    /// Start of the passage that the runs of the last second are in.
    start: MediaTime,
    /// End of the last window that kept the alert open, and of the passage that it is in.
    last_run: MediaTime,
    end: MediaTime,
    pair: Pair,
}

impl Clipping {
    pub(super) fn new(n_channels: usize, config: ClippingConfig) -> Result<Self, BuildError> {
        config.check()?;
        Ok(Self {
            config,
            min_peak: 10.0_f64.powf(config.min_peak_dbfs / 20.0) as f32,
            scans: vec![Scan::default(); n_channels],
            counts: [0; WINDOWS_PER_SECOND as usize],
            n_windows: 0,
            rate: 0,
            start: MediaTime::ZERO,
            last_run: MediaTime::ZERO,
            end: MediaTime::ZERO,
            pair: Pair::new(Subject::new(AlertKind::Clipping, "runs_per_s")),
        })
    }

    pub(super) fn window(&mut self, facts: &Facts, sound: &Sound, out: &mut dyn Emit<Event>) {
        let n_runs = self.count(facts);
        if n_runs > 0 && self.rate == n_runs {
            self.start = sound.start_of(facts.span, None);
        }
        let limit = self.config.runs_per_s;
        if !self.pair.is_open() && self.rate >= limit {
            let values = [f64::from(self.rate), f64::from(limit)];
            self.pair.open(self.start, facts.span.end, values, out);
        }
        if n_runs > 0 && self.rate >= limit.div_ceil(2) {
            self.last_run = facts.span.end;
            self.end = facts.span.end;
        } else if sound.is_paused() && self.end == self.last_run && facts.span.start <= self.last_run + REACH
        {
            self.end = facts.span.start;
        }
        if facts.span.end.saturating_sub(self.last_run) >= self.config.close_after {
            self.pair.close(self.end, facts.span.end, out);
        }
    }

    pub(super) fn flush(&mut self, now: MediaTime, out: &mut dyn Emit<Event>) {
        self.pair.close(self.end, now, out);
    }

    pub(super) fn reset(&mut self) {
        self.scans.fill(Scan::default());
        self.counts.fill(0);
        self.n_windows = 0;
        self.rate = 0;
        self.start = MediaTime::ZERO;
        self.last_run = MediaTime::ZERO;
        self.end = MediaTime::ZERO;
        self.pair.reset();
    }

    /// Runs that end in this window, in the worst channel.
    fn count(&mut self, facts: &Facts) -> u32 {
        let mut most = 0;
        for ((scan, plane), sums) in self.scans.iter_mut().zip(facts.planes).zip(facts.sums) {
            if sums.peak >= self.min_peak || scan.is_in_run() {
                most = most.max(scan.runs(plane, self.min_peak));
            } else {
                scan.skip(plane);
            }
        }
        let oldest = &mut self.counts[self.n_windows % WINDOWS_PER_SECOND as usize];
        self.rate = self.rate - *oldest + most;
        *oldest = most;
        self.n_windows += 1;
        most
    }
}

/// Looks for runs in one channel, sample by sample; only where it is loud.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    last: f32,
    /// From the sample before to the last.
    step: f32,
    /// Into the present flat top.
    step_in: f32,
    /// Steps so far in the present flat top.
    n_flat: u32,
    /// Samples so far beyond full scale.
    n_over: u32,
}

impl Scan {
    const fn is_in_run(&self) -> bool {
        self.n_flat > 0
    }

    fn runs(&mut self, samples: &[f32], min_peak: f32) -> u32 {
        let mut n_runs = 0;
        for &sample in samples {
            let step = (sample - self.last).abs();
            self.n_over = if sample.abs() > 1.0 { self.n_over + 1 } else { 0 };
            if self.n_over == RUN_SAMPLES {
                n_runs += 1;
            }
            if step <= FLAT_STEP && sample.abs() >= min_peak && self.last.abs() >= min_peak {
                if self.n_flat == 0 {
                    self.step_in = self.step;
                }
                self.n_flat += 1;
            } else if self.n_flat > 0 {
                let has_corner = self.step_in.max(step) >= CORNER_STEP;
                let is_new = self.last.abs() <= 1.0;
                n_runs += u32::from(self.n_flat + 1 >= RUN_SAMPLES && has_corner && is_new);
                self.n_flat = 0;
            }
            self.step = step;
            self.last = sample;
        }
        n_runs
    }

    /// Passes over samples among which there is no run.
    fn skip(&mut self, samples: &[f32]) {
        self.n_over = 0;
        for &sample in samples.get(samples.len().saturating_sub(2)..).unwrap_or(&[]) {
            self.step = (sample - self.last).abs();
            self.last = sample;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::f64::consts::TAU;

    use super::*;
    use crate::levels::{Levels, LevelsConfig};
    use crate::testing::{Piece, alerts, noise, silence, tone};

    fn check(pieces: &[Piece], expected: &[&str]) {
        let make = |format| Levels::new(format, LevelsConfig::default()).unwrap();
        assert_eq!(alerts(48_000, 2, make, pieces), expected);
    }

    /// A tone driven 12 dB over `ceiling`, then cut off there.
    fn clipped(secs: f64, ceiling: f64, gain: f64) -> Piece {
        Piece::new(secs, move |t, _, _| gain * (4.0 * (TAU * 310.0 * t).sin()).clamp(-ceiling, ceiling))
    }

    #[test]
    fn clipping_is_found_at_full_scale_and_turned_down() {
        for (ceiling, gain) in [(1.0, 1.0), (1.0, 0.999), (1.0, 0.9), (1.3, 1.0)] {
            let pieces = [tone(1.5, 440.0, -6.0), clipped(2.0, ceiling, gain), tone(3.0, 440.0, -6.0)];
            check(&pieces, &["1.520 clipping from 1.500", "5.000 clipping 1.500..3.500"]);
        }
        check(&[tone(1.0, 440.0, -6.0), clipped(2.0, 1.0, 0.85)], &[]);
    }

    #[test]
    fn a_passage_reaches_from_pause_to_pause() {
        let around = || noise(0.6, -30.0);
        let pieces = [silence(1.0), around(), clipped(1.0, 1.0, 0.999), around(), silence(3.0)];
        check(&pieces, &["1.620 clipping from 1.000", "4.100 clipping 1.000..3.200"]);
    }

    #[test]
    fn loud_sound_is_not_clipping() {
        check(&[tone(2.0, 20.0, 0.0), tone(2.0, 997.0, 0.0), noise(2.0, -4.8)], &[]);
        let peaks = Piece::new(3.0, |t, _, noise| if (t * 50.0).fract() < 1e-3 { 1.2 } else { 0.1 * noise });
        check(&[peaks], &[]);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let error = Clipping::new(1, ClippingConfig { runs_per_s: 0, ..Default::default() }).unwrap_err();
        assert_eq!(error.to_string(), "clipping runs_per_s is 0, expected 1 to 1000");
    }
}

//! Whether a pilot tone is there: one frequency, among everything else that is heard. Not a tuner: it looks at no other.

use std::f64::consts::TAU;

use engine::audio::{Block, Format};
use engine::operator::{Emit, Operator};
use engine::time::MediaTime;
use operators::BuildError;

/// Windows a second. One of 20 ms tells tones 50 Hz apart.
const WINDOWS_PER_SECOND: u32 = 50;
/// The tone is there once it was heard in this many windows in a row, and away once it was not in as many.
const WINDOWS_TO_TURN: u32 = 5;
/// Lowest frequency: a whole period in a window.
const LOWEST_HZ: f64 = 50.0;

// [config]
/// What to listen for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PilotToneConfig {
    /// Frequency, from 50 Hz to below half the sample rate.
    pub(crate) hz: f64,
    /// Share of the window's power that lies in the tone for it to be there, above 0 and up to 1.
    pub(crate) share_min: f64,
}
// [/config]

/// What is emitted: the tone came, or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Whether it is there from now on.
    pub(crate) is_there: bool,
    /// End of the window that proved it.
    pub(crate) proof: MediaTime,
}

// [struct]
/// Emits a [`Turn`] whenever the tone comes or goes, from the first channel.
#[derive(Debug)]
pub(crate) struct PilotTone {
    share_min: f64,
    /// Of Goertzel's recurrence: twice the cosine of the tone's angle a sample.
    coefficient: f64,
    window_frames: u32,
    window: Window,
    n_against: u32,
    is_there: bool,
}
// [/struct]

// [new]
impl PilotTone {
    /// For `format`.
    pub(crate) fn new(format: Format, config: PilotToneConfig) -> Result<Self, BuildError> {
        let PilotToneConfig { hz, share_min } = config;
        let half = f64::from(format.rate().hz()) / 2.0;
        check("pilot tone hz", hz, hz >= LOWEST_HZ && hz < half, "50 Hz to below half the sample rate")?;
        check("pilot tone share_min", share_min, share_min > 0.0 && share_min <= 1.0, "above 0, up to 1")?;
        Ok(Self {
            share_min,
            coefficient: 2.0 * (TAU * hz / f64::from(format.rate().hz())).cos(),
            window_frames: format.rate().hz() / WINDOWS_PER_SECOND,
            window: Window::default(),
            n_against: 0,
            is_there: false,
        })
    }
}

fn check(
    parameter: &'static str,
    actual: f64,
    is_good: bool,
    expected: &'static str,
) -> Result<(), BuildError> {
    if is_good { Ok(()) } else { Err(BuildError::Parameter { parameter, actual, expected }) }
}
// [/new]

// [operator]
impl Operator for PilotTone {
    type In = Block;
    type Out = Turn;

    fn push(&mut self, block: &Block, out: &mut dyn Emit<Turn>) {
        let Some(mut rest) = block.channels().next() else { return };
        let mut frame_idx = 0;
        while !rest.is_empty() {
            let room = (self.window_frames - self.window.n_frames) as usize;
            let (piece, after) = rest.split_at(room.min(rest.len()));
            self.window.add(piece, self.coefficient);
            (rest, frame_idx) = (after, frame_idx + piece.len());
            if self.window.n_frames == self.window_frames {
                let share = std::mem::take(&mut self.window).share(self.coefficient);
                self.judge(share, block.time_of(frame_idx), out);
            }
        }
    }

    fn reset(&mut self) {
        self.window = Window::default();
        self.n_against = 0;
        self.is_there = false;
    }
}
// [/operator]

impl PilotTone {
    fn judge(&mut self, share: f64, proof: MediaTime, out: &mut dyn Emit<Turn>) {
        let is_heard = share >= self.share_min;
        self.n_against = if is_heard == self.is_there { 0 } else { self.n_against + 1 };
        if self.n_against == WINDOWS_TO_TURN {
            self.n_against = 0;
            self.is_there = is_heard;
            out.emit(&Turn { is_there: is_heard, proof });
        }
    }
}

/// Goertzel's filter at work: G. Goertzel, An Algorithm for the Evaluation of Finite Trigonometric Series, 1958.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    n_frames: u32,
    newer: f64,
    older: f64,
    square: f64,
}

// [loop]
impl Window {
    /// Samples that are not numbers were made silence before (`Sanitise` is the first operator of a feed).
    fn add(&mut self, samples: &[f32], coefficient: f64) {
        for &sample in samples {
            let sample = f64::from(sample);
            let next = sample + coefficient * self.newer - self.older;
            (self.older, self.newer) = (self.newer, next);
            self.square += sample * sample;
        }
        self.n_frames += samples.len() as u32;
    }
    // [/loop]

    /// Share of the power that lies in the tone: of a sine of its frequency 1, of white noise about 2 / `n_frames`.
    fn share(self, coefficient: f64) -> f64 {
        let in_tone =
            self.newer * self.newer + self.older * self.older - coefficient * self.newer * self.older;
        let all = self.square * f64::from(self.n_frames) / 2.0;
        if all > 0.0 { in_tone / all } else { 0.0 }
    }
}

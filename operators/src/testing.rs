//! Signals for unit tests, and alerts as text. Not the laws: `tests/laws` has those.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::f64::consts::TAU;

use engine::audio::{Block, Format};
use engine::event::{Body, Event, Phase};
use engine::operator::Operator;
use engine::time::{MediaTime, SampleRate};

type Sample = dyn Fn(f64, usize, f64) -> f64;

/// Some seconds of one sound.
pub(crate) struct Piece {
    secs: f64,
    sample: Box<Sample>,
}

impl Piece {
    /// `sample(seconds since its start, channel, white noise of power 1 that all channels share)`.
    pub(crate) fn new(secs: f64, sample: impl Fn(f64, usize, f64) -> f64 + 'static) -> Self {
        Self { secs, sample: Box::new(sample) }
    }
}

/// White noise of this RMS in all channels.
pub(crate) fn noise(secs: f64, dbfs: f64) -> Piece {
    Piece::new(secs, move |_, _, noise| amplitude(dbfs) * noise)
}

/// A sine of this frequency and peak level in all channels.
pub(crate) fn tone(secs: f64, hz: f64, peak_dbfs: f64) -> Piece {
    Piece::new(secs, move |t, _, _| amplitude(peak_dbfs) * (TAU * hz * t).sin())
}

/// Digital silence.
pub(crate) fn silence(secs: f64) -> Piece {
    Piece::new(secs, |_, _, _| 0.0)
}

/// Linear value of a level.
pub(crate) fn amplitude(db: f64) -> f64 {
    10.0_f64.powf(db / 20.0)
}

/// The samples of `pieces`, planar.
pub(crate) fn planes(rate_hz: u32, n_channels: usize, pieces: &[Piece]) -> Vec<Vec<f32>> {
    let mut planes = vec![Vec::new(); n_channels];
    let mut seed = 1_u32;
    for piece in pieces {
        for frame_idx in 0..(piece.secs * f64::from(rate_hz)).round() as u32 {
            // Uniform numbers (Numerical Recipes' generator) of power 1.
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (f64::from(seed) / f64::from(1_u32 << 31) - 1.0) * 3.0_f64.sqrt();
            for (channel, plane) in planes.iter_mut().enumerate() {
                plane.push((piece.sample)(f64::from(frame_idx) / f64::from(rate_hz), channel, noise) as f32);
            }
        }
    }
    planes
}

/// Pushes `pieces` through a new operator without a flush; returns it and all it said.
pub(crate) fn run<O>(format: Format, make: impl Fn(Format) -> O, pieces: &[Piece]) -> (O, Vec<Event>)
where
    O: Operator<In = Block, Out = Event>,
{
    const FRAMES: usize = 1_024;
    let planes = planes(format.rate().hz(), format.n_channels(), pieces);
    let mut operator = make(format);
    let mut block = Block::spare(format, FRAMES);
    let mut seen = Vec::new();
    for at in (0..planes[0].len()).step_by(FRAMES) {
        let slices: Vec<&[f32]> =
            planes.iter().map(|plane| &plane[at..(at + FRAMES).min(plane.len())]).collect();
        let now = block.received_at();
        block.restart(MediaTime::ZERO, at as u64, now);
        block.extend_planar(&slices);
        operator.push(&block, &mut |event: &Event| seen.push(event.clone()));
    }
    (operator, seen)
}

/// A format.
pub(crate) fn format(rate_hz: u32, n_channels: usize) -> Format {
    Format::new(SampleRate::new(rate_hz).unwrap(), n_channels).unwrap()
}

/// All its alerts, flushed, as text: `PROOF KIND from START` and `PROOF KIND START..END`, in seconds.
pub(crate) fn alerts<O>(
    rate_hz: u32,
    n_channels: usize,
    make: impl Fn(Format) -> O,
    pieces: &[Piece],
) -> Vec<String>
where
    O: Operator<In = Block, Out = Event>,
{
    let text = |event: Event| {
        let Body::Alert(alert) = event.body else { return None };
        let (proof, kind, span) = (event.proof, event.kind().name().strip_prefix("alert.")?, event.span);
        Some(match alert.phase {
            Phase::Open => format!("{proof} {kind} from {}", span.start),
            Phase::Close => format!("{proof} {kind} {}..{}", span.start, span.end),
        })
    };
    let (mut operator, mut seen) = run(format(rate_hz, n_channels), make, pieces);
    operator.flush(&mut |event: &Event| seen.push(event.clone()));
    seen.into_iter().filter_map(text).collect()
}

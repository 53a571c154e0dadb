//! What in a programme should raise an alert, by the definitions of docs/events.md, measured on its samples: the truth
//! is what is in the audio, wherever it was cut. Not how a server finds it.

use std::collections::VecDeque;

use engine::event::EventKind;
use engine::time::{MediaTime, SampleRate, Span};

use super::{Fact, What};
use crate::failure::Failure;

/// Windows a second; levels are RMS over one.
pub(super) const WINDOWS_PER_SECOND: usize = 100;
/// Silence is below this, dBFS.
const BELOW_DBFS: f64 = -50.0;
/// Sound is back above this, dBFS.
const ABOVE_DBFS: f64 = -47.0;
/// Silence before it is dead air: 10 s.
const DEAD_WINDOWS: usize = 10 * WINDOWS_PER_SECOND;
/// Sound that interrupts a silence that is not dead air yet: 50 ms.
const BREAK_WINDOWS: usize = 5;
/// Sound after which dead air is over: 1 s, in sum.
const BACK_WINDOWS: usize = WINDOWS_PER_SECOND;
/// Silence in a row after which that sum begins anew: 2 s.
const RELAPSE_WINDOWS: usize = 2 * WINDOWS_PER_SECOND;
/// Samples of a flat top, at least, and how far they may differ.
const FLAT_SAMPLES: usize = 3;
const FLAT_STEP: u16 = 2;
/// Smallest step into or out of a flat top: a slow tone is flat at its peak, but has no corners.
const CORNER_STEP: u16 = 16;
/// Lowest flat top: -1 dBFS.
const FLAT_MIN: u16 = 29_205;
/// Flat tops within a second that are clipping, and those that keep it so.
const OPEN_RUNS: usize = 10;
const KEEP_RUNS: usize = 5;

/// A stretch of the programme, in frames: its edges, and the ends of the audio that proves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    start: usize,
    opened: usize,
    end: usize,
    closed: usize,
}

/// The alerts of audio that plays round and round.
pub(super) fn faults(samples: &[i16], rate: SampleRate) -> Result<Vec<Fact>, Failure> {
    let mut facts = Vec::new();
    for (kind, stretches) in [
        (EventKind::AlertDeadAir, dead_air(samples, rate)),
        (EventKind::AlertClipping, clipping(samples, rate)),
    ] {
        let name = kind.name();
        let stretches = stretches.ok_or_else(|| {
            Failure::Usage(format!("the programme never ends its {name}: it would never close"))
        })?;
        // Of three rounds the second is as any that has one before and after it.
        let n_frames = samples.len();
        for stretch in
            stretches.into_iter().filter(|stretch| (n_frames..2 * n_frames).contains(&stretch.start))
        {
            let at = |frame: usize| MediaTime::from_frames((frame - n_frames) as u64, rate);
            let span = Span::new(at(stretch.start), at(stretch.end));
            facts.push(Fact { what: What::Opens(kind), span, proven_at: at(stretch.opened) });
            facts.push(Fact { what: What::Closes(kind), span, proven_at: at(stretch.closed) });
        }
    }
    Ok(facts)
}

/// Frames of a window: 10 ms, rounded up.
pub(super) fn window_frames(rate: SampleRate) -> usize {
    (rate.hz() as usize).div_ceil(WINDOWS_PER_SECOND)
}

/// Dead air in three rounds; `None`: it never ends.
fn dead_air(samples: &[i16], rate: SampleRate) -> Option<Vec<Stretch>> {
    let n_frames = window_frames(rate);
    let power = |dbfs: f64| 32_768.0_f64.powi(2) * 10.0_f64.powf(dbfs / 10.0);
    let (below, above) = (power(BELOW_DBFS), power(ABOVE_DBFS));
    let square = |window: &[i16]| {
        window.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / window.len() as f64
    };
    let squares: Vec<f64> = samples.chunks(n_frames).map(square).collect();
    let mut silence = Silence::default();
    let mut stretches = Vec::new();
    for (at, square) in (0..3).flat_map(|_| &squares).enumerate() {
        if *square < below {
            silence.quiet(at);
        } else if *square > above || silence.opened.is_none() {
            stretches.extend(silence.sound(at));
        }
    }
    let frames = |at: usize| at * n_frames;
    let stretches = stretches.into_iter().map(|Stretch { start, opened, end, closed }| Stretch {
        start: frames(start),
        opened: frames(opened),
        end: frames(end),
        closed: frames(closed),
    });
    let is_endless = silence.opened.is_some() && silence.start < squares.len();
    (!is_endless).then(|| stretches.collect())
}

/// A silence, in windows.
#[derive(Debug, Default)]
struct Silence {
    start: usize,
    end: usize,
    n_quiet: usize,
    n_in_a_row: usize,
    n_sound: usize,
    opened: Option<usize>,
}

impl Silence {
    fn quiet(&mut self, at: usize) {
        if self.n_quiet == 0 {
            self.start = at;
        }
        self.n_quiet += 1;
        self.n_in_a_row += 1;
        if self.n_in_a_row >= RELAPSE_WINDOWS {
            self.n_sound = 0;
        }
        if self.n_sound == 0 {
            self.end = at + 1;
        }
        if self.n_quiet == DEAD_WINDOWS {
            self.opened = Some(at + 1);
        }
    }

    fn sound(&mut self, at: usize) -> Option<Stretch> {
        self.n_in_a_row = 0;
        self.n_sound += usize::from(self.n_quiet > 0);
        let limit = if self.opened.is_some() { BACK_WINDOWS } else { BREAK_WINDOWS };
        if self.n_sound < limit {
            return None;
        }
        let over = std::mem::take(self);
        over.opened.map(|opened| Stretch { start: over.start, opened, end: over.end, closed: at + 1 })
    }
}

/// Clipping in three rounds; `None`: it never ends.
fn clipping(samples: &[i16], rate: SampleRate) -> Option<Vec<Stretch>> {
    let second = rate.hz() as usize;
    let close_after = second * 3 / 2;
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut open: Option<Stretch> = None;
    let mut recent: VecDeque<usize> = VecDeque::new();
    let mut start = 0;
    let runs = runs(samples);
    for (run_start, run_end) in (0..3).flat_map(|round| {
        runs.iter().map(move |(a, b)| (a + round * samples.len(), b + round * samples.len()))
    }) {
        if let Some(over) = open.take_if(|open| run_end > open.closed) {
            stretches.push(over);
        }
        while recent.pop_front_if(|before| *before + second < run_end).is_some() {}
        if recent.is_empty() {
            start = run_start;
        }
        recent.push_back(run_end);
        if recent.len() >= OPEN_RUNS && open.is_none() {
            open = Some(Stretch { start, opened: run_end, end: run_end, closed: run_end });
        }
        if let Some(open) = open.as_mut().filter(|_| recent.len() >= KEEP_RUNS) {
            (open.end, open.closed) = (run_end, run_end + close_after);
        }
    }
    stretches.extend(open);
    let is_endless = stretches.iter().any(|stretch| stretch.end > stretch.start + samples.len());
    (!is_endless).then_some(stretches)
}

/// Flat tops: first sample, and the one after the last.
fn runs(samples: &[i16]) -> Vec<(usize, usize)> {
    let step = |at: usize| Some(samples.get(at)?.abs_diff(*samples.get(at.checked_sub(1)?)?));
    let is_high = |at: usize| samples.get(at).is_some_and(|sample| sample.unsigned_abs() >= FLAT_MIN);
    let mut runs = Vec::new();
    let mut start = 0;
    for at in 1..=samples.len() {
        let is_flat = is_high(at) && is_high(at - 1) && step(at).is_some_and(|step| step <= FLAT_STEP);
        if is_flat {
            continue;
        }
        let has_corner = [step(start), step(at)].into_iter().flatten().any(|step| step >= CORNER_STEP);
        if at - start >= FLAT_SAMPLES && has_corner {
            runs.push((start, at));
        }
        start = at;
    }
    runs
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::f64::consts::TAU;

    use super::*;

    const RATE: SampleRate = SampleRate::HZ_16000;

    /// Tones of 997 Hz: length s, dBFS RMS; over full scale they are cut off.
    fn tones(pieces: &[(f64, f64)]) -> Vec<i16> {
        let piece = |&(secs, dbfs): &(f64, f64)| {
            let peak = 32_768.0 * 2.0_f64.sqrt() * 10.0_f64.powf(dbfs / 20.0);
            (0..(secs * 16_000.0) as usize)
                .map(move |n| (peak * (TAU * 997.0 * n as f64 / 16_000.0).sin()) as i16)
        };
        pieces.iter().flat_map(piece).collect()
    }

    fn check(pieces: &[(f64, f64)], expected: &[&str]) {
        let text = |fact: &Fact| {
            let edge = if matches!(fact.what, What::Opens(_)) { "opens" } else { "closes" };
            format!("{edge} {}..{} at {}", fact.span.start, fact.span.end, fact.proven_at)
        };
        let facts = faults(&tones(pieces), RATE).unwrap();
        assert_eq!(facts.iter().map(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn silence_of_ten_seconds_is_dead_air() {
        let expected = ["opens 3.000..15.000 at 13.000", "closes 3.000..15.000 at 16.000"];
        check(&[(3.0, -20.0), (12.0, -120.0), (3.0, -20.0)], &expected);
        check(&[(3.0, -20.0), (12.0, -51.0), (3.0, -46.0)], &expected);
        check(&[(3.0, -20.0), (9.9, -120.0)], &[]);
        let later = ["opens 3.000..15.000 at 13.000", "closes 3.000..15.000 at 18.000"];
        check(&[(3.0, -20.0), (12.0, -120.0), (2.0, -48.5), (3.0, -20.0)], &later);
        check(&[(3.0, -20.0), (12.0, -49.0)], &[]);
    }

    #[test]
    fn clicks_and_relapses_do_not_end_it() {
        let click = [
            (3.0, -20.0),
            (6.0, -120.0),
            (0.03, -10.0),
            (6.0, -120.0),
            (0.5, -10.0),
            (3.0, -120.0),
            (2.0, -20.0),
        ];
        check(&click, &["opens 3.000..18.530 at 13.030", "closes 3.000..18.530 at 19.530"]);
    }

    #[test]
    fn it_may_reach_into_the_next_round() {
        let expected = ["opens 10.000..22.000 at 20.000", "closes 10.000..22.000 at 23.000"];
        check(&[(6.0, -120.0), (4.0, -20.0), (6.0, -120.0)], &expected);
        assert!(faults(&tones(&[(12.0, -120.0)]), RATE).is_err());
    }

    #[test]
    fn flat_tops_are_clipping() {
        let facts = faults(&tones(&[(3.0, -20.0), (2.0, 6.0), (3.0, -20.0)]), RATE).unwrap();
        let [opens, closes] = facts.as_slice() else { panic!("{facts:?}") };
        let near = |at: MediaTime, millis: u64| at.as_millis().abs_diff(millis) <= 2;
        // Two tops a period of 1 ms: ten of them after 5 ms.
        assert!(near(opens.span.start, 3_000) && near(opens.proven_at, 3_005), "{opens:?}");
        assert!(near(closes.span.end, 5_000) && near(closes.proven_at, 6_500), "{closes:?}");
        check(&[(3.0, -4.5), (2.0, -3.1)], &[]);
        let slow = |n: usize| (32_000.0 * (TAU * 20.0 * n as f64 / 16_000.0).sin()) as i16;
        assert_eq!(faults(&(0..32_000).map(slow).collect::<Vec<_>>(), RATE).unwrap(), []);
        assert!(faults(&tones(&[(2.0, 6.0)]), RATE).is_err());
    }
}

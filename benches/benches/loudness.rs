//! Loudness of stereo at 48 kHz, beside the `ebur128` crate.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use benches::{compare, programme};
use ebur128::{EbuR128, Mode};
use engine::audio::{Block, Format};
use engine::event::Event;
use engine::operator::Operator;
use engine::time::{MediaTime, SampleRate};
use operators::{Loudness, LoudnessConfig, LoudnessMeter, Mono};

const RATE_HZ: u32 = 48_000;
const STEP: usize = 480;
const TENTH: usize = 4_800;

fn main() {
    let audio = MediaTime::from_secs(120);
    let planes = programme(RATE_HZ, 2, audio);
    compare(
        "loudness read every 100 ms: M, S, I, LRA, true peak (ours M and S every 10 ms)",
        audio,
        &mut || meter(&planes),
        &mut [
            ("ebur128, histogram mode", &mut || peer(&planes, Mode::all(), true)),
            ("ebur128, exact mode", &mut || peer(&planes, Mode::all() - Mode::HISTOGRAM, true)),
        ],
    );
    compare(
        "loudness read at the end: I, LRA, true peak (ours the operator, with a report a minute)",
        audio,
        &mut || operator(&planes),
        &mut [("ebur128, histogram mode", &mut || peer(&planes, Mode::all(), false))],
    );
}

fn format() -> Format {
    Format::new(SampleRate::new(RATE_HZ).unwrap(), 2).unwrap()
}

/// A floor of 0 makes it compute every true peak.
fn meter(planes: &[Vec<f32>]) {
    let mut meter = LoudnessMeter::new(format(), Mono::Single);
    for at in (0..planes[0].len()).step_by(STEP) {
        let step = [&planes[0][at..at + STEP], &planes[1][at..at + STEP]];
        black_box(meter.step(&step, 0.0));
        black_box((meter.momentary(), meter.short_term()));
        if (at + STEP).is_multiple_of(TENTH) {
            black_box((
                meter.programme().integrated(),
                meter.programme().range(),
                meter.programme().true_peak(),
            ));
        }
    }
}

fn operator(planes: &[Vec<f32>]) {
    let mut operator = Loudness::new(format(), LoudnessConfig::default()).unwrap();
    let mut block = Block::new(format(), TENTH / 5, Instant::now());
    let mut n_events = 0;
    for at in (0..planes[0].len()).step_by(TENTH / 5) {
        let to = at + TENTH / 5;
        block.restart(MediaTime::ZERO, at as u64, block.received_at());
        block.extend_planar(&[&planes[0][at..to], &planes[1][at..to]]);
        operator.push(&block, &mut |_: &Event| n_events += 1);
    }
    operator.flush(&mut |_: &Event| n_events += 1);
    black_box(n_events);
}

fn peer(planes: &[Vec<f32>], mode: Mode, reads_often: bool) {
    let mut meter = EbuR128::new(2, RATE_HZ, mode).unwrap();
    let all = |meter: &EbuR128| {
        let peaks = (meter.true_peak(0).unwrap(), meter.true_peak(1).unwrap());
        black_box((meter.loudness_global().unwrap(), meter.loudness_range().unwrap(), peaks));
    };
    for at in (0..planes[0].len()).step_by(TENTH) {
        meter.add_frames_planar_f32(&[&planes[0][at..at + TENTH], &planes[1][at..at + TENTH]]).unwrap();
        if reads_often {
            black_box((meter.loudness_momentary().unwrap(), meter.loudness_shortterm().unwrap()));
            all(&meter);
        }
    }
    all(&meter);
}

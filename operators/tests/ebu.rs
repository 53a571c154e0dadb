//! The conformance signals of EBU Tech 3341 and 3342 (those that are synthetic), made here and measured.
#![allow(clippy::unwrap_used)]

use std::f64::consts::{PI, TAU};

use engine::audio::Format;
use engine::time::SampleRate;
use operators::{LoudnessMeter, Mono};

const RATE_HZ: u32 = 48_000;
/// What the standards allow, LU.
const TOLERANCE_LU: f64 = 0.1;
const RANGE_TOLERANCE_LU: f64 = 1.0;

/// Level of digital silence.
const OFF: f64 = f64::NEG_INFINITY;

/// All that a meter showed.
#[derive(Default)]
struct Readings {
    momentary: Vec<Option<f64>>,
    short_term: Vec<Option<f64>>,
    integrated: Option<f64>,
    range: Option<f64>,
    true_peak: Option<f64>,
}

/// Measures planar audio in steps of 10 ms.
fn measure(planes: &[Vec<f32>]) -> Readings {
    measure_at(RATE_HZ, planes)
}

fn measure_at(rate_hz: u32, planes: &[Vec<f32>]) -> Readings {
    let format = Format::new(SampleRate::new(rate_hz).unwrap(), planes.len()).unwrap();
    let n_frames = rate_hz as usize / 100;
    let mut meter = LoudnessMeter::new(format, Mono::Single);
    let mut readings = Readings::default();
    for at in (0..planes[0].len()).step_by(n_frames) {
        let step: Vec<&[f32]> = planes.iter().map(|p| &p[at..(at + n_frames).min(p.len())]).collect();
        meter.step(&step, f32::INFINITY);
        readings.momentary.push(meter.momentary());
        readings.short_term.push(meter.short_term());
    }
    let programme = meter.programme();
    readings.integrated = programme.integrated();
    readings.range = programme.range();
    readings.true_peak = programme.true_peak();
    readings
}

/// A 1 kHz sine that changes its level, in dBFS, without a break; each channel has its gain in dB.
fn tone(gains_db: &[f64], parts: &[(f64, f64)]) -> Vec<Vec<f32>> {
    tone_at(RATE_HZ, gains_db, parts)
}

fn tone_at(rate_hz: u32, gains_db: &[f64], parts: &[(f64, f64)]) -> Vec<Vec<f32>> {
    let mut planes = vec![Vec::new(); gains_db.len()];
    let mut frame_idx = 0;
    for &(secs, dbfs) in parts {
        for _ in 0..(secs * f64::from(rate_hz)).round() as usize {
            let sine = (TAU * 1_000.0 * f64::from(frame_idx) / f64::from(rate_hz)).sin();
            for (plane, gain) in planes.iter_mut().zip(gains_db) {
                plane.push((10.0_f64.powf((dbfs + gain) / 20.0) * sine) as f32);
            }
            frame_idx += 1;
        }
    }
    planes
}

fn stereo(parts: &[(f64, f64)]) -> Readings {
    measure(&tone(&[0.0, 0.0], parts))
}

/// One second at a quarter of the sample rate with 10 ms fades.
fn quarter_rate(amplitude: f64, phase_degrees: f64) -> Readings {
    let n_frames = RATE_HZ;
    let sample = |n: u32| {
        let fade = (f64::from(n.min(n_frames - 1 - n)) / 480.0).min(1.0);
        (amplitude * fade * (PI / 2.0 * f64::from(n) + phase_degrees.to_radians()).sin()) as f32
    };
    let plane: Vec<f32> = (0..n_frames).map(sample).collect();
    measure(&[plane.clone(), plane])
}

fn check(what: &str, seen: Option<f64>, expected: f64, tolerance: f64) {
    assert!(seen.is_some_and(|v| (v - expected).abs() <= tolerance), "{what}: {seen:?}, expected {expected}");
}

fn highest(readings: &[Option<f64>]) -> Option<f64> {
    readings.iter().flatten().copied().reduce(f64::max)
}

#[test]
fn tech_3341_cases_1_and_2_steady_tones() {
    for (case, level) in [(1, -23.0), (2, -33.0)] {
        let seen = stereo(&[(20.0, level)]);
        check(&format!("case {case} M"), *seen.momentary.last().unwrap(), level, TOLERANCE_LU);
        check(&format!("case {case} S"), *seen.short_term.last().unwrap(), level, TOLERANCE_LU);
        check(&format!("case {case} I"), seen.integrated, level, TOLERANCE_LU);
    }
}

#[test]
fn tech_3341_cases_3_to_5_gating() {
    let case_3 = [(10.0, -36.0), (60.0, -23.0), (10.0, -36.0)];
    let case_4 = [(10.0, -72.0), (10.0, -36.0), (60.0, -23.0), (10.0, -36.0), (10.0, -72.0)];
    let case_5 = [(20.0, -26.0), (20.1, -20.0), (20.0, -26.0)];
    for (case, parts) in [(3, &case_3[..]), (4, &case_4[..]), (5, &case_5[..])] {
        check(&format!("case {case} I"), stereo(parts).integrated, -23.0, TOLERANCE_LU);
    }
}

#[test]
fn tech_3341_case_6_surround() {
    let gains = [-28.0, -28.0, -24.0, -30.0, -30.0];
    check("case 6 I", measure(&tone(&gains, &[(20.0, 0.0)])).integrated, -23.0, TOLERANCE_LU);
    let with_lfe = [-28.0, -28.0, -24.0, 0.0, -30.0, -30.0];
    check("case 6 with LFE I", measure(&tone(&with_lfe, &[(20.0, 0.0)])).integrated, -23.0, TOLERANCE_LU);
}

#[test]
fn tech_3341_case_9_short_term_is_constant() {
    let seen = stereo(&[(1.34, -20.0), (1.66, -30.0)].repeat(5));
    for (step, &short_term) in seen.short_term.iter().enumerate().skip(299) {
        check(&format!("case 9 S at step {step}"), short_term, -23.0, TOLERANCE_LU);
    }
}

#[test]
fn tech_3341_case_10_short_term_of_one_tone() {
    for i in 1..=20 {
        let seen = stereo(&[(0.15 * f64::from(i), OFF), (3.0, -23.0), (1.0, OFF)]);
        check(&format!("case 10.{i} max S"), highest(&seen.short_term), -23.0, TOLERANCE_LU);
    }
}

#[test]
fn tech_3341_case_11_short_term_of_tones_in_turn() {
    let delay = |i: u32| 0.15 * f64::from(i);
    let level = |i: u32| f64::from(i) - 39.0;
    let parts: Vec<_> =
        (1..=20).flat_map(|i| [(delay(i), OFF), (3.0, level(i)), (3.0 - delay(i), OFF)]).collect();
    let seen = stereo(&parts);
    for i in 1..=20 {
        let until = 600 * i as usize;
        check(&format!("case 11.{i} max S"), highest(&seen.short_term[..until]), level(i), TOLERANCE_LU);
    }
}

#[test]
fn tech_3341_case_12_momentary_is_constant() {
    let seen = stereo(&[(0.18, -20.0), (0.22, -30.0)].repeat(25));
    for (step, &momentary) in seen.momentary.iter().enumerate().skip(100) {
        check(&format!("case 12 M at step {step}"), momentary, -23.0, TOLERANCE_LU);
    }
}

#[test]
fn tech_3341_case_13_momentary_of_one_tone() {
    for i in 1..=20 {
        let seen = stereo(&[(0.02 * f64::from(i), OFF), (0.4, -23.0), (1.0, OFF)]);
        check(&format!("case 13.{i} max M"), highest(&seen.momentary), -23.0, TOLERANCE_LU);
    }
}

#[test]
fn tech_3341_case_14_momentary_of_tones_in_turn() {
    let delay = |i: u32| 0.02 * f64::from(i);
    let level = |i: u32| f64::from(i) - 39.0;
    let parts: Vec<_> =
        (1..=20).flat_map(|i| [(delay(i), OFF), (0.4, level(i)), (0.4 - delay(i), OFF)]).collect();
    let seen = stereo(&parts);
    for i in 1..=20 {
        let until = 80 * i as usize;
        check(&format!("case 14.{i} max M"), highest(&seen.momentary[..until]), level(i), TOLERANCE_LU);
    }
}

#[test]
fn tech_3341_cases_15_to_19_true_peak() {
    let cases = [
        (15, 0.5, 0.0, -6.0),
        (16, 0.5, 45.0, -6.0),
        (17, 0.5, 60.0, -6.0),
        (18, 0.5, 67.5, -6.0),
        (19, 1.41, 45.0, 3.0),
    ];
    for (case, amplitude, phase, expected) in cases {
        // Allowed: from 0.4 dB below to 0.2 dB above.
        check(&format!("case {case} TP"), quarter_rate(amplitude, phase).true_peak, expected - 0.1, 0.3);
    }
}

#[test]
fn tech_3342_cases_1_to_4_range() {
    let cases = [
        (10.0, vec![(20.0, -20.0), (20.0, -30.0)]),
        (5.0, vec![(20.0, -20.0), (20.0, -15.0)]),
        (20.0, vec![(20.0, -40.0), (20.0, -20.0)]),
        (15.0, vec![(20.0, -50.0), (20.0, -35.0), (20.0, -20.0), (20.0, -35.0), (20.0, -50.0)]),
    ];
    for (case, (expected, parts)) in (1..).zip(cases) {
        check(&format!("case {case} LRA"), stereo(&parts).range, expected, RANGE_TOLERANCE_LU);
    }
}

#[test]
fn case_1_holds_at_other_rates() {
    for rate_hz in [8_000, 11_025, 22_050, 44_100, 96_000, 192_000] {
        let seen = measure_at(rate_hz, &tone_at(rate_hz, &[0.0, 0.0], &[(4.0, -23.0)]));
        check(&format!("{rate_hz} Hz I"), seen.integrated, -23.0, TOLERANCE_LU);
        check(&format!("{rate_hz} Hz TP"), seen.true_peak, -23.0, TOLERANCE_LU);
    }
}

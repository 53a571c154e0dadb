//! The front end against a direct Fourier transform in f64, and the shape of its output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::f64::consts::TAU;

use engine::audio::{Block, Format};
use engine::operator::Operator;
use engine::time::MediaTime;
use operators::{FrontEnd, HOP_FRAMES, Hop, N_MELS, whisper_scale};

const N_FFT: usize = 400;
const N_BINS: usize = N_FFT / 2 + 1;

fn hops(samples: &[f32]) -> Vec<Hop> {
    let mut front_end = FrontEnd::new().unwrap();
    let mut hops = Vec::new();
    let mut block = Block::spare(Format::SPEECH, 1_000);
    for (i, piece) in samples.chunks(1_000).enumerate() {
        let now = block.received_at();
        block.restart(MediaTime::from_secs(5), i as u64 * 1_000, now);
        block.extend_planar(&[piece]);
        front_end.push(&block, &mut |hop: &Hop| hops.push(hop.clone()));
    }
    front_end.flush(&mut |hop: &Hop| hops.push(hop.clone()));
    hops
}

/// Seeded noise, -1..1.
fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 30) - 1.0
    }
}

/// Index into `n` samples, mirrored at both ends without repeating them.
fn mirrored(mut i: isize, n: isize) -> usize {
    while n > 1 && !(0..n).contains(&i) {
        i = if i < 0 { -i } else { 2 * (n - 1) - i };
    }
    if n == 1 { 0 } else { i as usize }
}

/// Slaney's filters, written from their definition a second time.
fn filters() -> Vec<Vec<f64>> {
    let mel_to_hz =
        |mel: f64| if mel < 15.0 { mel * 200.0 / 3.0 } else { 1_000.0 * 6.4_f64.powf((mel - 15.0) / 27.0) };
    let mel_max = 15.0 + 27.0 * 8.0_f64.ln() / 6.4_f64.ln();
    let edge = |i: usize| mel_to_hz(mel_max * i as f64 / 81.0);
    let triangle = |mel: usize, bin: usize| {
        let (f, a, b, c) = (bin as f64 * 40.0, edge(mel), edge(mel + 1), edge(mel + 2));
        ((f - a) / (b - a)).min((c - f) / (c - b)).max(0.0) * 2.0 / (c - a)
    };
    (0..N_MELS).map(|mel| (0..N_BINS).map(|bin| triangle(mel, bin)).collect()).collect()
}

/// Raw log-mel of every hop in f64.
fn reference(samples: &[f32]) -> Vec<f64> {
    let filters = filters();
    let table: Vec<(f64, f64)> = (0..N_FFT).map(|i| (TAU * i as f64 / N_FFT as f64).sin_cos()).collect();
    let mut log_mel = Vec::new();
    for hop in 0..samples.len().div_ceil(HOP_FRAMES) {
        let sample = |i: usize| {
            let at = (hop * HOP_FRAMES + i) as isize - N_FFT as isize / 2;
            f64::from(samples[mirrored(at, samples.len() as isize)])
        };
        let windowed: Vec<f64> = (0..N_FFT).map(|i| sample(i) * (0.5 - 0.5 * table[i].1)).collect();
        let bin_power = |bin: usize| {
            let part = |(re, im): (f64, f64), (i, x): (usize, &f64)| {
                let (sin, cos) = table[i * bin % N_FFT];
                (re + x * cos, im + x * sin)
            };
            let (re, im) = windowed.iter().enumerate().fold((0.0, 0.0), part);
            re * re + im * im
        };
        let power: Vec<f64> = (0..N_BINS).map(bin_power).collect();
        for filter in &filters {
            let sum: f64 = filter.iter().zip(&power).map(|(weight, power)| weight * power).sum();
            log_mel.push(sum.max(1e-10).log10());
        }
    }
    log_mel
}

/// Errors against the reference, scaled as for Whisper: at most 5e-5, on average 2e-7.
fn check(name: &str, samples: &[f32]) {
    let mut expected = reference(samples);
    let max = expected.iter().fold(f64::NEG_INFINITY, |max, value| max.max(*value));
    expected.iter_mut().for_each(|value| *value = (value.max(max - 8.0) + 4.0) / 4.0);
    let mut seen: Vec<f32> = hops(samples).iter().flat_map(|hop| hop.log_mel).collect();
    whisper_scale(&mut seen);
    assert_eq!(seen.len(), expected.len(), "{name}");
    let errors = seen.iter().zip(&expected).map(|(seen, expected)| (f64::from(*seen) - expected).abs());
    let (sum, worst) = errors.fold((0.0, 0.0_f64), |(sum, worst), error| (sum + error, worst.max(error)));
    let mean = sum / expected.len() as f64;
    assert!(worst < 5e-5, "{name}: off by {worst:e}");
    assert!(mean < 2e-7, "{name}: off by {mean:e} on average");
}

fn signal(n: usize, mut sample: impl FnMut(f64) -> f64) -> Vec<f32> {
    (0..n).map(|i| sample(i as f64 / 16_000.0) as f32).collect()
}

#[test]
fn log_mel_is_exact() {
    let mut white = noise(1);
    check("noise", &signal(16_000, |_| 0.3 * white()));
    let mut hiss = noise(2);
    check("chirp", &signal(24_000, |t| 0.5 * (TAU * (100.0 + 2_000.0 * t) * t).sin() + 1e-3 * hiss()));
    let mut hiss = noise(3);
    let voice =
        |t: f64| (1..40).map(|k| (TAU * 120.0 * f64::from(k) * t).sin() / f64::from(k * k)).sum::<f64>();
    check("voice", &signal(24_000, |t| 0.3 * voice(t) * (TAU * 2.0 * t).sin().max(0.0) + 1e-4 * hiss()));
    check("steps", &signal(8_000, |t| if t > 0.2 && t < 0.3 { 0.9 } else { 0.0 }));
    check("tone", &signal(16_000, |t| 0.9 * (TAU * 440.0 * t).sin()));
}

#[test]
fn any_length_is_mirrored_at_its_ends() {
    for n in [1, 2, 39, 160, 161, 199, 200, 201, 359, 360, 361, 400, 1_000] {
        let mut white = noise(n as u64);
        check(&format!("{n} samples"), &signal(n, |_| 0.3 * white()));
    }
    assert!(hops(&[]).is_empty());
}

#[test]
fn hops_carry_their_samples_and_their_time() {
    let samples: Vec<f32> = (0..1_000).map(|i| i as f32 / 1_000.0).collect();
    let hops = hops(&samples);
    assert_eq!(hops.len(), 7);
    for (i, hop) in hops.iter().enumerate() {
        assert_eq!(hop.start, MediaTime::from_millis(5_000 + 10 * i as u64));
        let mut expected = [0.0; HOP_FRAMES];
        let piece = &samples[i * HOP_FRAMES..((i + 1) * HOP_FRAMES).min(1_000)];
        expected[..piece.len()].copy_from_slice(piece);
        assert_eq!(hop.pcm, expected, "hop {i}");
    }
}

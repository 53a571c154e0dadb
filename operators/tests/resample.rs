//! The gate of the resampler: signal to noise, flatness, aliases, delay, length, from every kind of rate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::f64::consts::TAU;

use engine::audio::{Block, Format};
use engine::operator::Operator;
use engine::time::{MediaTime, SampleRate};
use operators::Resample;

const OUT_HZ: f64 = 16_000.0;

/// Everything that comes out for `samples`, pushed in blocks of `block_frames`.
fn resampled(hz: u32, samples: &[f32], block_frames: usize) -> Vec<f32> {
    let rate = SampleRate::new(hz).unwrap();
    let mut resample = Resample::new(rate).unwrap();
    let mut block = Block::spare(Format::new(rate, 1).unwrap(), block_frames);
    let mut seen = Vec::new();
    for (i, piece) in samples.chunks(block_frames).enumerate() {
        let now = block.received_at();
        block.restart(MediaTime::ZERO, (i * block_frames) as u64, now);
        block.extend_planar(&[piece]);
        resample.push(&block, &mut |b: &Block| seen.extend_from_slice(b.channel(0)));
    }
    resample.flush(&mut |b: &Block| seen.extend_from_slice(b.channel(0)));
    seen
}

fn tone(hz: u32, frequency: f64) -> Vec<f32> {
    let n_frames = hz as usize * 6 / 10;
    (0..n_frames).map(|i| (0.5 * (TAU * frequency * i as f64 / f64::from(hz)).sin()) as f32).collect()
}

/// What a tone of amplitude 0.5 became.
struct Response {
    gain_db: f64,
    delay_secs: f64,
    /// Everything that is not the tone, relative to it.
    rest_db: f64,
    /// All of it, relative to the tone that went in.
    level_db: f64,
}

fn response(hz: u32, frequency: f64) -> Response {
    let out = resampled(hz, &tone(hz, frequency), 1_000);
    let (skip, n) = (2_000, 4_800);
    let (mut re, mut im) = (0.0, 0.0);
    let phase = |i: usize| TAU * frequency * (skip + i) as f64 / OUT_HZ;
    let window = &out[skip..skip + n];
    // A whole number of periods: sine and cosine are orthogonal and the fit is their mean product.
    for (i, sample) in window.iter().enumerate() {
        re += f64::from(*sample) * phase(i).sin();
        im += f64::from(*sample) * phase(i).cos();
    }
    let (re, im) = (re * 2.0 / n as f64, im * 2.0 / n as f64);
    let rest =
        |(i, sample): (usize, &f32)| (f64::from(*sample) - re * phase(i).sin() - im * phase(i).cos()).powi(2);
    let rest: f64 = window.iter().enumerate().map(rest).sum::<f64>() / n as f64;
    let level: f64 = window.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / n as f64;
    Response {
        gain_db: 20.0 * (re.hypot(im) / 0.5).log10(),
        delay_secs: -im.atan2(re) / (TAU * frequency),
        rest_db: 10.0 * (rest / 0.125).log10(),
        level_db: 10.0 * (level / 0.125).log10(),
    }
}

/// The whole gate for one rate. Frequencies are multiples of 10 Hz: 4 800 frames hold whole periods.
fn check(hz: u32) {
    let nyquist = f64::from(hz) / 2.0;
    let pass = (7_300.0_f64).min(nyquist * 0.9125);
    for step in 0..=12 {
        let frequency = ((50.0 + (pass - 60.0) * f64::from(step) / 12.0) / 10.0).round() * 10.0;
        let seen = response(hz, frequency);
        assert!(seen.gain_db.abs() < 0.01, "{hz} Hz: gain {:.4} dB at {frequency} Hz", seen.gain_db);
        assert!(seen.rest_db < -130.0, "{hz} Hz: SNR {:.1} dB at {frequency} Hz", -seen.rest_db);
        // 1 ns: a hundred-thousandth of a frame.
        assert!(seen.delay_secs.abs() < 1e-9, "{hz} Hz: off by {:e} s at {frequency} Hz", seen.delay_secs);
    }
    for step in 0..=12 {
        let frequency = 8_100.0 + (nyquist - 8_110.0) * f64::from(step) / 12.0;
        let frequency = (frequency / 10.0).round() * 10.0;
        if nyquist > 8_110.0 {
            let level = response(hz, frequency).level_db;
            assert!(level < -130.0, "{hz} Hz: {frequency} Hz aliases at {level:.1} dB");
        }
    }
}

#[test]
fn rates_with_a_small_ratio_pass_the_gate() {
    [44_100, 48_000, 96_000, 192_000, 22_050, 32_000, 38_000].into_iter().for_each(check);
}

#[test]
fn rates_without_one_pass_the_gate() {
    [47_999, 44_056, 16_001, 100_003].into_iter().for_each(check);
}

#[test]
fn low_rates_pass_the_gate_up_to_their_own_nyquist_frequency() {
    [8_000, 8_009, 11_025, 12_000].into_iter().for_each(check);
}

#[test]
fn speech_rate_passes_untouched() {
    let samples = tone(16_000, 7_990.0);
    assert_eq!(resampled(16_000, &samples, 777), samples);
}

#[test]
fn length_is_that_of_the_input_for_any_rate() {
    for hz in [8_000, 11_025, 15_999, 44_100, 47_999, 48_000, 191_999] {
        for n_frames in [0_u32, 1, 159, 5_000] {
            let expected = (f64::from(n_frames) * OUT_HZ / f64::from(hz)).round() as usize;
            let out = resampled(hz, &vec![0.25; n_frames as usize], 700);
            assert_eq!(out.len(), expected, "{n_frames} frames at {hz} Hz");
        }
    }
}

#[test]
fn blocks_say_where_they_belong() {
    let rate = SampleRate::new(48_000).unwrap();
    let mut block = Block::spare(Format::new(rate, 1).unwrap(), 4_800);
    let now = block.received_at();
    block.restart(MediaTime::from_secs(100), 480_000, now);
    block.extend_planar(&[&[0.1; 4_800]]);
    let mut next = MediaTime::from_secs(110);
    let mut check = |out: &Block| {
        assert_eq!((out.span().start, out.format()), (next, Format::SPEECH));
        next = out.span().end;
    };
    let mut resample = Resample::new(rate).unwrap();
    resample.push(&block, &mut check);
    resample.flush(&mut check);
    assert_eq!(next, MediaTime::from_millis(110_100));
}

//! Benchmarks of Aircheck beside what a user would pick instead: the timing and the signals that they share.
//! Each bench is a plain program in `benches/`; nothing is judged here.
#![forbid(unsafe_code)]

pub mod audio;
pub mod corpus;
pub mod speech;

use std::time::{Duration, Instant};

use engine::time::MediaTime;

/// Rounds of a comparison. Odd, so that the median is one of them.
const ROUNDS: usize = 9;

/// One of the things compared: its name and one run of it.
pub type Entrant<'a> = (&'a str, &'a mut dyn FnMut());

/// Runs `ours` and each of `peers` over `audio` worth of sound, in turn, so that a busy machine is busy for all of
/// them; prints the median speed of each, times real time, and how many times faster we are.
pub fn compare(name: &str, audio: MediaTime, ours: &mut dyn FnMut(), peers: &mut [Entrant]) {
    let mut times = vec![Vec::with_capacity(ROUNDS); peers.len() + 1];
    for _ in 0..ROUNDS {
        times[0].push(time(ours));
        for (slot, (_, run)) in times[1..].iter_mut().zip(peers.iter_mut()) {
            slot.push(time(run));
        }
    }
    let speeds: Vec<f64> =
        times.iter_mut().map(|t| audio.as_secs_f64() / median(t).as_secs_f64().max(1e-9)).collect();
    println!("{name}\n  {:<44} {:>9.0} x real time", "aircheck", speeds[0]);
    for ((peer, _), speed) in peers.iter().zip(&speeds[1..]) {
        println!("  {peer:<44} {speed:>9.0} x real time   we are {:.2} x as fast", speeds[0] / speed);
    }
}

fn time(run: &mut dyn FnMut()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Sound like a programme, planar: noise in syllables (4 a second) and sentences (of 5 s with pauses of 0.5 s), the
/// channels alike but not the same. The same at each call.
#[must_use]
pub fn programme(rate_hz: u32, n_channels: usize, audio: MediaTime) -> Vec<Vec<f32>> {
    let n_frames = (audio.as_secs_f64() * f64::from(rate_hz)) as usize;
    let mut seed = 1_u32;
    let mut noise = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed as f32 / 2.0_f32.powi(31) - 1.0
    };
    let mut planes = vec![Vec::with_capacity(n_frames); n_channels];
    for frame_idx in 0..n_frames {
        let t = frame_idx as f32 / rate_hz as f32;
        let syllable = (t * 4.0 * std::f32::consts::PI).sin().powi(2);
        let sentence = if t % 5.5 < 5.0 { 0.3 + 0.2 * (t * 0.37).sin() } else { 0.0 };
        let shared = noise();
        for plane in &mut planes {
            plane.push(sentence * syllable * (0.8 * shared + 0.2 * noise()));
        }
    }
    planes
}

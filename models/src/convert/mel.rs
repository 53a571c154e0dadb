//! The Slaney mel filterbank that Whisper was trained with (librosa `filters.mel`, its defaults).

/// Bins of a 400-point spectrum.
pub(super) const N_BINS: usize = 201;
const SAMPLE_RATE_HZ: f64 = 16_000.0;
const N_FFT: f64 = 400.0;
/// Slaney's scale: linear below 1 kHz, then 27 steps to a factor of 6.4.
const STEP_HZ: f64 = 200.0 / 3.0;
const BREAK_HZ: f64 = 1_000.0;

/// `n_mels` rows of [`N_BINS`] weights, area normalised. Rounded to f32 twice, as librosa does.
pub(super) fn filters(n_mels: usize) -> Vec<f32> {
    let top = mel(SAMPLE_RATE_HZ / 2.0);
    let step = top / (n_mels + 1) as f64;
    let mut edges_hz: Vec<f64> = (0..=n_mels).map(|i| hz(i as f64 * step)).collect();
    edges_hz.push(hz(top));
    edges_hz.windows(3).flat_map(|edges| triangle([edges[0], edges[1], edges[2]])).collect()
}

fn triangle([low, centre, high]: [f64; 3]) -> impl Iterator<Item = f32> {
    let area = 2.0 / (high - low);
    (0..N_BINS).map(move |bin| {
        let f = bin as f64 * SAMPLE_RATE_HZ / N_FFT;
        let rising = -(low - f) / (centre - low);
        let falling = (high - f) / (high - centre);
        let weight = rising.min(falling).max(0.0) as f32;
        (f64::from(weight) * area) as f32
    })
}

fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn mel(hz: f64) -> f64 {
    if hz < BREAK_HZ { hz / STEP_HZ } else { BREAK_HZ / STEP_HZ + (hz / BREAK_HZ).ln() / log_step() }
}

fn hz(mel: f64) -> f64 {
    let knee = BREAK_HZ / STEP_HZ;
    if mel < knee { mel * STEP_HZ } else { BREAK_HZ * (log_step() * (mel - knee)).exp() }
}

//! Which stages bring a rate to 16 kHz, and the sizes of their filters.

use engine::time::{MediaTime, SampleRate};
use rubato::{Async, Fft, FixedAsync, FixedSync, Resampler, SincInterpolationParameters, WindowFunction};

use super::stage::{Align, Stage};
use crate::BuildError;

/// The rate that speech is analysed at, Hz.
const TARGET_HZ: u32 = 16_000;
/// Frames at the lower of both rates that an FFT stage transforms: the filter's length. 320 is flat to 91 % of the
/// lower Nyquist frequency with Blackman-Harris squared.
const FFT_FRAMES_MIN: u32 = 320;
/// Most such frames: 80 ms at 11 025 Hz, the slowest of the common rates.
const FFT_FRAMES_MAX: u32 = 900;
/// Largest prime factor of an FFT that is still fast.
const SMOOTH: u32 = 7;
/// Highest frequency that must stay flat, Hz, and the first that must be gone.
const PASS_HZ: f64 = 7_300.0;
const STOP_HZ: f64 = 8_100.0;
/// Transition of a windowed sinc of one point in Nyquist frequencies, Blackman-Harris squared (twice the leading
/// coefficient of rubato's `calculate_cutoff`).
const TRANSITION: f64 = 2.0 * 13.745_202_940_783_823;
/// Sincs between two input frames; cubic interpolation between them errs by less than -160 dB.
const OVERSAMPLING: usize = 128;
/// Input frames that the first stage takes at a time.
const SINC_FRAMES: usize = 128;
/// How far the sinc stage's ratio may move for its one chunk of alignment.
const SHIFT_MAX: f64 = 1.1;

/// The stages from `rate` to 16 kHz: none, one or two.
pub(super) fn stages(rate: SampleRate) -> Result<Vec<Stage>, BuildError> {
    let hz = rate.hz();
    if hz == TARGET_HZ {
        return Ok(Vec::new());
    }
    if let Some(frames) = fft_frames(hz) {
        return Ok(vec![fft_stage(hz, frames)?]);
    }
    let friendly_hz = [24_000, 48_000, 96_000, 192_000].into_iter().find(|f| *f >= hz).unwrap_or(192_000);
    let frames = fft_frames(friendly_hz).unwrap_or(friendly_hz / 50);
    Ok(vec![sinc_stage(hz, friendly_hz)?, fft_stage(friendly_hz, frames)?])
}

/// Input frames of an FFT stage from `hz`: long enough to be flat, short enough to be quick, and smooth if one is.
fn fft_frames(hz: u32) -> Option<u32> {
    let divisor = gcd(hz, TARGET_HZ);
    let (step_in, step_out) = (hz / divisor, TARGET_HZ / divisor);
    let step = step_in.min(step_out);
    // Even ones: half of an odd number of input frames is a delay between two frames.
    let sizes = (FFT_FRAMES_MIN.div_ceil(step)..=FFT_FRAMES_MAX / step).filter(|k| (k * step_in).is_multiple_of(2));
    let smooth = sizes.clone().find(|k| is_smooth(k * step_in) && is_smooth(k * step_out));
    smooth.or_else(|| sizes.clone().next()).map(|k| k * step_in)
}

fn fft_stage(hz: u32, frames: u32) -> Result<Stage, BuildError> {
    let fft = Fft::new_custom(
        hz as usize,
        TARGET_HZ as usize,
        frames as usize,
        1,
        1,
        WindowFunction::BlackmanHarris2,
        FixedSync::Both,
    )
    .map_err(|e| refused(hz, TARGET_HZ, &e))?;
    let delay = fft.output_delay();
    let gather = MediaTime::from_frames(u64::from(frames), rate(hz));
    let latency = gather + MediaTime::from_frames(delay as u64, SampleRate::HZ_16000);
    Ok(Stage::new(Box::new(fft), Align::Skip(delay), latency))
}

/// Up to `to_hz`, which is not lower than `hz`. Only what would end up below [`STOP_HZ`] must be kept clean, so the
/// filter is short unless the input rate is low.
fn sinc_stage(hz: u32, to_hz: u32) -> Result<Stage, BuildError> {
    let nyquist = f64::from(hz) / 2.0;
    let pass = (PASS_HZ / nyquist).min(PASS_HZ / (f64::from(TARGET_HZ) / 2.0));
    let stop = ((f64::from(hz) - STOP_HZ) / nyquist).max(1.0);
    let sinc_len = ((TRANSITION / (stop - pass)).ceil() as usize).next_multiple_of(8);
    let parameters = SincInterpolationParameters::new(sinc_len, WindowFunction::BlackmanHarris2)
        .f_cutoff(((pass + stop) / 2.0) as f32)
        .oversampling_factor(OVERSAMPLING);
    let ratio = f64::from(to_hz) / f64::from(hz);
    let sinc = Async::<f64>::new_sinc(ratio, SHIFT_MAX, &parameters, SINC_FRAMES, 1, FixedAsync::Input)
        .map_err(|e| refused(hz, to_hz, &e))?;
    let gather = SINC_FRAMES as u64 + sinc_len as u64 / 2;
    Ok(Stage::new(Box::new(sinc), shift(sinc_len, ratio), MediaTime::from_frames(gather, rate(hz))))
}

/// Brings a sinc stage of `sinc_len` points into phase. rubato's `Async` stands at input position
/// `1 - sinc_len`, steps by `1 / ratio` before each output frame, and answers for a position nearly half a filter
/// later. A first chunk of silence at another step leaves it a whole number of frames before the first real one.
fn shift(sinc_len: usize, ratio: f64) -> Align {
    let step = 1.0 / ratio;
    let start = 1.0 - sinc_len as f64;
    let chunk = SINC_FRAMES as f64;
    // As in rubato: it makes as many frames as keep the filter inside the chunk. One fewer leaves room for any phase.
    let space = chunk - (sinc_len + 1) as f64 - start;
    let n_frames = (space / step).floor() - 1.0;
    // How far it must go in that chunk for frame `n_skip` after it to fall on the first real input frame.
    let answer = sinc_len as f64 / 2.0 - 1.0 + 1.0 / OVERSAMPLING as f64;
    let way_first = chunk - start - answer - step;
    let n_skip = ((way_first - space) / step + 1e-6).ceil().max(0.0);
    let way = way_first - n_skip * step;
    Align::Shift { ratio: n_frames / way, n_skip: n_skip as usize }
}

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).unwrap_or(SampleRate::HZ_16000)
}

fn refused(from_hz: u32, to_hz: u32, error: &rubato::ResamplerConstructionError) -> BuildError {
    BuildError::Resampler { from_hz, to_hz, reason: error.to_string() }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn is_smooth(mut n: u32) -> bool {
    for prime in 2..=SMOOTH {
        while n > 0 && n.is_multiple_of(prime) {
            n /= prime;
        }
    }
    n == 1
}

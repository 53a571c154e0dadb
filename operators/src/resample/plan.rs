//! Which stages bring a rate to 16 kHz, and the sizes of their filters.

use engine::time::{FLICKS_PER_SECOND, MediaTime, SampleRate};
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
    // Each is a small multiple of 8 kHz, whose FFT takes 20 ms.
    let friendly_hz = [24_000, 48_000, 96_000, 192_000].into_iter().find(|f| *f >= hz).unwrap_or(192_000);
    let frames = friendly_hz / 50;
    Ok(vec![sinc_stage(hz, friendly_hz, frames)?, fft_stage(friendly_hz, frames)?])
}

/// Input frames of an FFT stage from `hz`: long enough to be flat, short enough to be quick, and smooth if one is.
fn fft_frames(hz: u32) -> Option<u32> {
    let divisor = gcd(hz, TARGET_HZ);
    let (step_in, step_out) = (hz / divisor, TARGET_HZ / divisor);
    let step = step_in.min(step_out);
    // Even ones: half of an odd number of input frames is a delay between two frames.
    let sizes =
        (FFT_FRAMES_MIN.div_ceil(step)..=FFT_FRAMES_MAX / step).filter(|k| (k * step_in).is_multiple_of(2));
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
    let n_skip = fft.output_delay();
    let latency = MediaTime::from_frames(n_skip as u64, SampleRate::HZ_16000);
    Ok(Stage::new(Box::new(fft), Align { shift: None, n_skip }, latency))
}

/// Up to `to_hz`, which is not lower than `hz`, in pieces of `n_frames`. Only what would end up below [`STOP_HZ`]
/// must be kept clean, so the filter is short unless the input rate is low.
fn sinc_stage(hz: u32, to_hz: u32, n_frames: u32) -> Result<Stage, BuildError> {
    let nyquist = f64::from(hz) / 2.0;
    let pass = (PASS_HZ / nyquist).min(PASS_HZ / (f64::from(TARGET_HZ) / 2.0));
    let stop = ((f64::from(hz) - STOP_HZ) / nyquist).max(1.0);
    let sinc_len = ((TRANSITION / (stop - pass)).ceil() as usize).next_multiple_of(8);
    let parameters = SincInterpolationParameters::new(sinc_len, WindowFunction::BlackmanHarris2)
        .f_cutoff(((pass + stop) / 2.0) as f32)
        .oversampling_factor(OVERSAMPLING);
    let step = f64::from(hz) / f64::from(to_hz);
    let n = n_frames as usize;
    let sinc = Async::<f64>::new_sinc(1.0 / step, SHIFT_MAX, &parameters, n, 1, FixedAsync::Output)
        .map_err(|e| refused(hz, to_hz, &e))?;
    let (align, lookahead) = align(sinc_len as f64, step, f64::from(n_frames));
    let latency = MediaTime::from_flicks((lookahead / f64::from(hz) * FLICKS_PER_SECOND as f64) as u64);
    Ok(Stage::new(Box::new(sinc), align, latency))
}

/// How to bring a sinc stage of `sinc_len` points into phase, and how many input frames it then needs beyond the
/// time of its output, at most.
///
/// rubato's `Async` stands at input position `1 - sinc_len`, steps by `step` input frames before each output frame,
/// and answers for a position nearly half a filter later. After each piece it stands between `-sinc_len - 1` and
/// `-sinc_len`. A first piece of silence at another step leaves it a whole number of steps before the first frame.
fn align(sinc_len: f64, step: f64, n_frames: f64) -> (Align, f64) {
    let answer = sinc_len / 2.0 - 1.0 + 1.0 / OVERSAMPLING as f64;
    // It has to stand at `-answer - (n_skip + 1) * step`.
    let n_skip = ((sinc_len - answer) / step - 1.0 + 1e-6).ceil();
    let stand = -answer - (n_skip + 1.0) * step;
    let way = stand - (1.0 - sinc_len);
    // Silence comes in whole frames: those that bring the piece's step nearest to the usual one.
    let n_silent = (n_frames * step - way).round();
    let shift = n_frames / (way + n_silent);
    let lookahead = n_skip * step + stand + sinc_len + 1.0;
    (Align { shift: Some(shift), n_skip: n_skip as usize }, lookahead)
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

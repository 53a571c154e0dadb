//! Voice: the probability of speech of each hop, from earshot. No segments and no endpoints.

use earshot::Detector;
use engine::operator::{Emit, Operator};
use engine::time::MediaTime;

use crate::BuildError;
use crate::error::check_range;
use crate::hop::{HOP_FRAMES, Hop};

/// Samples of an earshot frame (16 ms).
const FRAME: usize = 256;
/// A hop below this level is digital silence: earshot is not asked.
const NOTHING_DB: f32 = -90.0;

/// Edge of the high-pass in front of it, Hz: rumble and hum below the voice would hide how loud the voice is.
const HIGH_PASS_HZ: f32 = 100.0;
/// Quality of its two sections: a Butterworth filter of the fourth order, 24 dB an octave.
const HIGH_PASS_Q: [f32; 2] = [0.541_196_1, 1.306_563];

/// How speech is told from the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoiceConfig {
    /// Level that the sound is brought to before earshot hears it, dBFS RMS, -70 to -10; default -46. Measured on
    /// 12 minutes of speech and 3 of music: speech is found equally well between -20 and -50, music is taken for
    /// speech in 55 - 90 % of frames at -26, in 0 - 5 % at -47.
    pub target_db: f32,
    /// Below this level nothing is speech, dBFS RMS over about 50 ms, -90 to -20; default -75:
    /// speech was recorded at -64, and earshot takes no steady noise for speech.
    pub floor_db: f32,
    /// Least gain on the way to that level, dB, -60 to 0; default -60.
    pub gain_min_db: f32,
}

impl VoiceConfig {
    /// For recognition, which must not miss speech and is not harmed by music: quiet speech down to -75 dBFS counts,
    /// and loud noises between the words do not turn them down. Of 85 s of speech in noise (mfa-spontaneous) 84 % of
    /// the words are then recognised, with the default 28 %.
    #[must_use]
    pub const fn sensitive() -> Self {
        Self { target_db: -20.0, floor_db: -75.0, gain_min_db: 0.0 }
    }
}

impl Default for VoiceConfig {
    fn default() -> Self {
        Self { target_db: -46.0, floor_db: -75.0, gain_min_db: -60.0 }
    }
}

/// Hops in, the same hops out at once with `speech` filled: what earshot said of the last 16 ms frame that is
/// complete at the end of the hop.
pub struct Voice {
    config: VoiceConfig,
    detector: Box<Detector>,
    high_pass: [HighPass; 2],
    loudness: Loudness,
    frame: [f32; FRAME],
    n_filled: usize,
    audible: bool,
    probability: f32,
    hop: Hop,
}

impl Voice {
    /// Checks the levels.
    pub fn new(config: VoiceConfig) -> Result<Self, BuildError> {
        check_range("voice target level in dBFS", f64::from(config.target_db), -70.0..=-10.0, "-70 to -10")?;
        check_range("voice floor in dBFS", f64::from(config.floor_db), -90.0..=-20.0, "-90 to -20")?;
        check_range("voice least gain in dB", f64::from(config.gain_min_db), -60.0..=0.0, "-60 to 0")?;
        Ok(Self {
            config,
            detector: Box::default(),
            high_pass: HIGH_PASS_Q.map(HighPass::new),
            loudness: Loudness::default(),
            frame: [0.0; FRAME],
            n_filled: 0,
            audible: false,
            probability: 0.0,
            hop: Hop::default(),
        })
    }

    fn take(&mut self, mut samples: &[f32], gain: f32) {
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(FRAME - self.n_filled));
            for (target, sample) in self.frame[self.n_filled..].iter_mut().zip(now) {
                *target = (gain * sample).clamp(-1.0, 1.0);
            }
            self.n_filled += now.len();
            samples = later;
            if self.n_filled == FRAME {
                self.n_filled = 0;
                self.judge();
            }
        }
    }

    fn judge(&mut self) {
        let audible = std::mem::take(&mut self.audible);
        self.probability = if audible { self.detector.predict_f32(&self.frame).clamp(0.0, 1.0) } else { 0.0 };
    }
}

impl Operator for Voice {
    type In = Hop;
    type Out = Hop;

    fn push(&mut self, hop: &Hop, out: &mut dyn Emit<Hop>) {
        let mut pcm = hop.pcm;
        for section in &mut self.high_pass {
            section.run(&mut pcm);
        }
        let power = pcm.iter().map(|sample| sample * sample).sum::<f32>() / HOP_FRAMES as f32;
        self.loudness.update(power, self.config.floor_db);
        self.audible |= power > decibels(NOTHING_DB);
        let gain_db = (self.config.target_db - self.loudness.level_db()).max(self.config.gain_min_db);
        self.take(&pcm, decibels(gain_db).sqrt());
        self.hop.clone_from(hop);
        self.hop.speech = if self.loudness.now_db() > self.config.floor_db { self.probability } else { 0.0 };
        out.emit(&self.hop);
    }

    fn reset(&mut self) {
        self.detector.reset();
        self.high_pass = HIGH_PASS_Q.map(HighPass::new);
        self.loudness = Loudness::default();
        self.n_filled = 0;
        self.audible = false;
        self.probability = 0.0;
    }

    /// None: a hop is told at once, by what is known at its end.
    fn latency(&self) -> MediaTime {
        MediaTime::ZERO
    }
}

/// How loud it is now, and how loud what is heard here usually is.
#[derive(Clone, Copy, Default)]
struct Loudness {
    now: f32,
    level: f32,
}

impl Loudness {
    /// Share of a new hop in the short mean (time constant 50 ms).
    const NOW: f32 = 0.2;
    /// The same in the level when it rises (0.2 s) and falls (2 s): it stays up through pauses.
    const RISE: f32 = 0.05;
    const FALL: f32 = 0.005;

    /// Takes the power of a hop; the level does not fall below `floor_db`.
    fn update(&mut self, power: f32, floor_db: f32) {
        self.now += Self::NOW * (power - self.now);
        let floor = decibels(floor_db);
        if self.level < floor {
            self.level = power.max(floor);
        }
        let share = if power > self.level { Self::RISE } else { Self::FALL };
        self.level = (self.level + share * (power - self.level)).max(floor);
    }

    fn now_db(self) -> f32 {
        10.0 * self.now.max(1e-12).log10()
    }

    fn level_db(self) -> f32 {
        10.0 * self.level.max(1e-12).log10()
    }
}

/// A second-order high-pass at [`HIGH_PASS_HZ`] for 16 kHz (Bristow-Johnson, Audio EQ cookbook), transposed form II.
#[derive(Clone, Copy)]
struct HighPass {
    b: [f32; 3],
    a: [f32; 2],
    state: [f32; 2],
}

impl HighPass {
    fn new(q: f32) -> Self {
        let (sin, cos) = (std::f32::consts::TAU * HIGH_PASS_HZ / 16_000.0).sin_cos();
        let alpha = sin / (2.0 * q);
        let a0 = 1.0 + alpha;
        let side = (1.0 + cos) / 2.0 / a0;
        Self { b: [side, -2.0 * side, side], a: [-2.0 * cos / a0, (1.0 - alpha) / a0], state: [0.0; 2] }
    }

    fn run(&mut self, samples: &mut [f32]) {
        let ([b0, b1, b2], [a1, a2]) = (self.b, self.a);
        let [mut s1, mut s2] = self.state;
        for sample in samples {
            let (x, y) = (*sample, b0 * *sample + s1);
            s1 = b1 * x - a1 * y + s2;
            s2 = b2 * x - a2 * y;
            *sample = y;
        }
        // Denormals would cost more than the filter.
        self.state = [s1, s2].map(|s| if s.abs() < 1e-20 { 0.0 } else { s });
    }
}

/// As a ratio of powers.
fn decibels(db: f32) -> f32 {
    10.0_f32.powf(db / 10.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::f32::consts::TAU;

    use super::*;

    /// White noise of unit power.
    fn noise() -> impl FnMut(f32) -> f32 {
        let mut state = 1_u64;
        move |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * 3.0_f32.sqrt()
        }
    }

    /// Syllables: glottal pulses through three formants that move between two vowels. About unit power.
    fn syllables() -> impl FnMut(f32) -> f32 {
        let mut formants = [[0.0_f32; 2]; 3];
        let mut phase = 0.0;
        move |t| {
            phase += (120.0 + 20.0 * (TAU * 0.7 * t).sin()) / 16_000.0;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase -= pulse;
            let vowel = 0.5 + 0.5 * (TAU * 2.1 * t).sin();
            let tune = [(700.0 - 400.0 * vowel, 90.0), (1_200.0 + 900.0 * vowel, 110.0), (2_600.0, 160.0)];
            let mut sum = 0.0;
            for (memory, (hz, width)) in formants.iter_mut().zip(tune) {
                let radius = (-TAU / 2.0 * width / 16_000.0_f32).exp();
                let next = pulse + 2.0 * radius * (TAU * hz / 16_000.0).cos() * memory[0]
                    - radius * radius * memory[1];
                *memory = [next, memory[0]];
                sum += next;
            }
            sum * 0.9 * (TAU * 1.9 * t).sin().max(0.0)
        }
    }

    /// Share of hops of `secs` seconds at `level_db` that are more likely speech than not.
    fn share(level_db: f32, secs: f32, mut sample: impl FnMut(f32) -> f32) -> f32 {
        let mut voice = Voice::new(VoiceConfig::default()).unwrap();
        let amplitude = 10.0_f32.powf(level_db / 20.0);
        let n_hops = (secs * 100.0) as usize;
        let mut n_speech = 0;
        for i in 0..n_hops {
            let pcm: [f32; HOP_FRAMES] =
                std::array::from_fn(|k| amplitude * sample((i * HOP_FRAMES + k) as f32 / 16_000.0));
            let power = pcm.iter().map(|s| s * s).sum::<f32>() / HOP_FRAMES as f32;
            let power_db = (10.0 * power.max(1e-12).log10()).max(-120.0);
            let hop = Hop { pcm, power_db, ..Hop::default() };
            voice.push(&hop, &mut |told: &Hop| {
                assert_eq!((told.pcm, told.power_db), (hop.pcm, hop.power_db));
                n_speech += usize::from(told.speech > 0.5);
            });
        }
        n_speech as f32 / n_hops as f32
    }

    /// Made syllables convince earshot a third of the time; what matters is that their level does not.
    #[test]
    fn speech_is_found_at_any_level_above_the_floor() {
        let usual = share(-26.0, 5.0, syllables());
        assert!(usual > 0.25, "{usual}");
        for level_db in [-6.0, -36.0, -46.0] {
            let found = share(level_db, 5.0, syllables());
            assert!((found - usual).abs() < 0.02, "{found} at {level_db} dBFS, {usual} at -26 dBFS");
        }
        assert!(share(-85.0, 5.0, syllables()) < 0.01);
    }

    #[test]
    fn noise_and_tones_are_not_speech() {
        for level_db in [-6.0, -26.0, -46.0, -56.0, -62.0] {
            assert_eq!(share(level_db, 5.0, noise()), 0.0, "noise at {level_db} dBFS");
            assert_eq!(share(level_db, 5.0, |t| (TAU * 1_000.0 * t).sin()), 0.0, "tone at {level_db} dBFS");
        }
    }

    #[test]
    fn levels_out_of_range_are_refused() {
        let refused = |target_db, floor_db, gain_min_db| {
            Voice::new(VoiceConfig { target_db, floor_db, gain_min_db }).is_err()
        };
        assert!(refused(0.0, -58.0, 0.0) && refused(-46.0, -100.0, 0.0) && refused(f32::NAN, -58.0, 0.0));
        assert!(refused(-46.0, -58.0, 0.1) && !refused(-46.0, -58.0, 0.0));
    }
}

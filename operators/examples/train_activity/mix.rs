//! Made programmes: real speech, music and noise, cut, levelled, mixed and joined, with the truth beside them.

use std::path::Path;

use crate::random::Random;

const RATE: usize = 16_000;

/// What the model tells apart, in the order of its outputs; silence is told by its level.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Label {
    Speech,
    Music,
    Noise,
    Silence,
}

/// The recordings of each kind, 16 kHz mono.
pub(crate) struct Pool {
    speech: Vec<Vec<f32>>,
    music: Vec<Vec<f32>>,
    noise: Vec<Vec<f32>>,
}

/// Which recordings: every fifth is kept for judging.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Part {
    Train,
    Judge,
}

impl Pool {
    /// Reads `speech/`, `music/` and `noise/` of `folder` in order of their names.
    pub(crate) fn read(folder: &Path, part: Part) -> Result<Self, Box<dyn std::error::Error>> {
        let read = |kind: &str| -> Result<Vec<Vec<f32>>, Box<dyn std::error::Error>> {
            let mut paths: Vec<_> = std::fs::read_dir(folder.join(kind))?
                .map(|e| e.map(|e| e.path()))
                .collect::<Result<_, _>>()?;
            paths.sort();
            let wanted = paths.iter().enumerate().filter(|(i, _)| (i % 5 == 4) == (part == Part::Judge));
            let mut clips = Vec::new();
            for (_, path) in wanted {
                let bytes = std::fs::read(path)?;
                let samples =
                    bytes.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0);
                clips.push(samples.collect());
            }
            Ok(clips)
        };
        Ok(Self { speech: read("speech")?, music: read("music")?, noise: read("noise")? })
    }
}

/// Samples, and the label of each 10 ms.
#[derive(Default)]
pub(crate) struct Programme {
    pub(crate) samples: Vec<f32>,
    pub(crate) labels: Vec<Label>,
}

impl Programme {
    /// About `secs` seconds of everything.
    pub(crate) fn make(pool: &Pool, secs: usize, random: &mut Random) -> Self {
        let mut programme = Self::default();
        while programme.samples.len() < secs * RATE {
            let (mut piece, label) = piece(pool, random);
            level(&mut piece, level_db(label, random));
            if random.chance(0.4) {
                fade(&mut piece, random.range(0.0, 0.5), random.range(0.0, 0.8));
            }
            programme.append(&piece, label);
            if random.chance(0.4) {
                let gap = vec![0.0; frames(random.range(0.1, 1.5))];
                programme.append(&gap, Label::Silence);
            }
        }
        colour(&mut programme.samples, random);
        programme
    }

    fn append(&mut self, piece: &[f32], label: Label) {
        let n_hops = piece.len() / 160;
        self.samples.extend_from_slice(&piece[..n_hops * 160]);
        self.labels.resize(self.labels.len() + n_hops, label);
    }
}

fn piece(pool: &Pool, random: &mut Random) -> (Vec<f32>, Label) {
    let pick = random.unit();
    if pick < 0.32 {
        let mut speech = speech(pool, random.range(2.0, 20.0), random);
        if random.chance(0.4) {
            let n = speech.len();
            let room = if random.chance(0.5) { clip(&pool.noise, n, random) } else { made_noise(n, random) };
            add(&mut speech, room, random.range(8.0, 35.0));
        }
        (speech, Label::Speech)
    } else if pick < 0.52 {
        let mut speech = speech(pool, random.range(3.0, 20.0), random);
        let bed = clip(&pool.music, speech.len(), random);
        add(&mut speech, bed, random.range(-1.0, 16.0));
        (speech, Label::Speech)
    } else if pick < 0.75 {
        let pace = random.range(0.75, 1.35);
        let n = frames(random.range(3.0, 25.0) * pace);
        (paced(&clip(&pool.music, n, random), pace), Label::Music)
    } else if pick < 0.955 {
        let n = frames(random.range(1.5, 10.0));
        let noise = if random.chance(0.5) { clip(&pool.noise, n, random) } else { made_noise(n, random) };
        (noise, Label::Noise)
    } else {
        (made_noise(frames(random.range(0.8, 5.0)), random), Label::Silence)
    }
}

/// Utterances one after the other, some of one speaker's package, with short pauses.
fn speech(pool: &Pool, secs: f32, random: &mut Random) -> Vec<f32> {
    let n = frames(secs);
    let mut speech = Vec::with_capacity(n);
    let mut at = random.below(pool.speech.len());
    let pace = random.range(0.85, 1.2);
    while speech.len() < n {
        let mut utterance = paced(&pool.speech[at % pool.speech.len()], pace);
        level(&mut utterance, -26.0);
        speech.extend_from_slice(&utterance);
        speech.resize(speech.len() + frames(random.range(0.0, 1.0).powi(2) * 1.3), 0.0);
        at += 1 + random.below(4);
    }
    speech.truncate(n);
    speech
}

/// Faster and higher, or slower and lower.
fn paced(samples: &[f32], pace: f32) -> Vec<f32> {
    let n = (samples.len() as f32 / pace) as usize;
    let at = |i: usize| {
        let position = i as f32 * pace;
        let (whole, part) = (position as usize, position.fract());
        let next = samples.get(whole + 1).unwrap_or(&0.0);
        samples.get(whole).map_or(0.0, |sample| sample + part * (next - sample))
    };
    (0..n).map(at).collect()
}

/// `n` samples from somewhere in one recording, or in several where they are short.
fn clip(clips: &[Vec<f32>], n: usize, random: &mut Random) -> Vec<f32> {
    let mut out = Vec::with_capacity(n);
    while out.len() < n {
        let clip = &clips[random.below(clips.len())];
        let start = if clip.len() > n { random.below(clip.len() - n) } else { 0 };
        out.extend(clip.iter().skip(start).take(n - out.len()));
    }
    out
}

/// Noise that no recording is needed for: rain, wind, surf, engines and rotors, machines, hum, test tones.
fn made_noise(n: usize, random: &mut Random) -> Vec<f32> {
    let kind = random.below(10);
    let tone = |hz: f32, i: usize| (std::f32::consts::TAU * hz * i as f32 / RATE as f32).sin();
    let (drop_rate, hz) = (random.range(20.0, 600.0) / RATE as f32, random.range(50.0, 3_000.0));
    let (chop_hz, sharp) = (random.range(6.0, 30.0), random.range(0.5, 4.0));
    let decay = 1.0 - 1.0 / random.range(8.0, 200.0);
    let hiss = random.range(0.0, 1.0);
    let (mut drop, mut out) = (0.0, Vec::with_capacity(n));
    for i in 0..n {
        let white = random.signed();
        drop = if random.unit() < drop_rate { random.signed() * 4.0 } else { decay * drop };
        let chop = (0.5 + 0.5 * tone(chop_hz, i)).powf(sharp);
        let engine = |hz: f32| (1..12).map(|k| tone(hz * k as f32, i) / k as f32).sum::<f32>();
        out.push(match kind {
            0 | 1 => white,
            2 => drop * white + 0.2 * white,
            3 => drop + 0.05 * white,
            4 | 5 => white * chop + 0.2 * hiss * white,
            6 => chop * engine(chop_hz * 4.0) + hiss * white,
            7 => engine(hz / 15.0) + hiss * white,
            8 => engine(50.0) + 0.1 * hiss * white,
            _ => tone(hz, i),
        });
    }
    if kind < 8 {
        shape(&mut out, random);
        swell(&mut out, random);
    }
    out
}

/// Takes away what lies above and below two random frequencies, more or less steeply.
fn shape(samples: &mut [f32], random: &mut Random) {
    for _ in 0..random.below(3) {
        let cut = 0.45 * random.unit().powi(2) + 0.005;
        low_pass(samples, cut);
    }
    if random.chance(0.5) {
        let share = random.range(0.7, 0.999);
        let mut low = 0.0;
        for sample in samples {
            low += (1.0 - share) * (*sample - low);
            *sample -= low;
        }
    }
}

/// Gusts: a slow random walk of the level.
fn swell(samples: &mut [f32], random: &mut Random) {
    let (depth, step) = (random.range(0.0, 6.0), random.range(0.0005, 0.02));
    let (mut gust, mut gain) = (0.0, 1.0);
    for (i, sample) in samples.iter_mut().enumerate() {
        if i % 160 == 0 {
            gust += 20.0 * step * (random.signed() - gust);
        }
        gain += 0.005 * (10.0_f32.powf(depth * gust / 10.0) - gain);
        *sample *= gain;
    }
}

/// Adds `bed` at `snr_db` below the whole.
fn add(sound: &mut [f32], mut bed: Vec<f32>, snr_db: f32) {
    let own_db = 20.0 * rms(sound).log10();
    level(&mut bed, own_db - snr_db);
    for (sample, bed) in sound.iter_mut().zip(bed) {
        *sample += bed;
    }
}

fn level_db(label: Label, random: &mut Random) -> f32 {
    match label {
        Label::Silence => random.range(-85.0, -62.0),
        _ if random.chance(0.12) => random.range(-46.0, -36.0),
        _ => random.range(-34.0, -16.0),
    }
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32).sqrt().max(1e-9)
}

fn level(samples: &mut [f32], db: f32) {
    let gain = 10.0_f32.powf(db / 20.0) / rms(samples);
    for sample in samples {
        *sample = (*sample * gain).clamp(-1.0, 1.0);
    }
}

fn fade(samples: &mut [f32], in_secs: f32, out_secs: f32) {
    let (n_in, n_out) = (frames(in_secs), frames(out_secs));
    for (i, sample) in samples.iter_mut().take(n_in).enumerate() {
        *sample *= i as f32 / n_in as f32;
    }
    for (i, sample) in samples.iter_mut().rev().take(n_out).enumerate() {
        *sample *= i as f32 / n_out as f32;
    }
}

/// One sound for the whole programme, as a feed has: tilted up or down, or band-limited like a telephone.
fn colour(samples: &mut [f32], random: &mut Random) {
    let tilt = random.range(-0.6, 0.6);
    let mut last = 0.0;
    for sample in samples.iter_mut() {
        let now = *sample;
        *sample = (now - tilt * last) / (1.0 + tilt.abs());
        last = now;
    }
    if random.chance(0.3) {
        let cut = random.range(3_000.0, 7_000.0) / RATE as f32;
        for _ in 0..3 {
            low_pass(samples, cut);
        }
    }
}

/// Second order, Q of 0.7 (Bristow-Johnson, "Audio EQ cookbook").
fn low_pass(samples: &mut [f32], cut: f32) {
    let w = std::f32::consts::TAU * cut;
    let alpha = w.sin() / 1.4;
    let (b, a0) = ((1.0 - w.cos()) / 2.0, 1.0 + alpha);
    let (a1, a2) = (-2.0 * w.cos(), 1.0 - alpha);
    let (mut x, mut y) = ([0.0; 2], [0.0; 2]);
    for sample in samples {
        let out = (b * (*sample + 2.0 * x[0] + x[1]) - a1 * y[0] - a2 * y[1]) / a0;
        x = [*sample, x[0]];
        y = [out, y[0]];
        *sample = out;
    }
}

fn frames(secs: f32) -> usize {
    (secs * RATE as f32) as usize
}

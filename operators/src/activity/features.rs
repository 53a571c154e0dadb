//! What the activity model looks at: statistics of the last 1.5 s of hops, ten times a second. No decision.
//!
//! After Scheirer and Slaney, "Construction and evaluation of a robust multifeature speech/music discriminator"
//! (ICASSP 1997): modulation near 4 Hz, share of quiet frames, mean and spread of centroid, flux, rolloff and zero
//! crossings; and the spectrum's shape, how steady its lines are, and what `Voice` says.

use super::modulation::Modulation;
use crate::hop::{Hop, N_MELS};

/// Hops between two looks, 100 ms.
pub(super) const BEAT_HOPS: usize = 10;
/// Beats in a window, 1.5 s.
pub(super) const WINDOW_BEATS: usize = 15;
/// Beats from the one that a look is about to the newest, both counted: it sees 1 s before it and 0.4 s after it.
pub(super) const LOOK_BEATS: usize = 5;
/// Hops in a window.
pub(super) const WINDOW_HOPS: usize = WINDOW_BEATS * BEAT_HOPS;
/// Bands of the coarse spectrum: five mel bands each.
const N_BANDS: usize = 16;
const MELS_PER_BAND: usize = N_MELS / N_BANDS;
/// Descriptors of a hop of which mean and spread are taken.
const N_DESCRIPTORS: usize = 7;
/// Numbers in a look.
pub const N_FEATURES: usize = 3 * N_DESCRIPTORS + 3 * N_BANDS + 11;
/// Levels below this are all the same, dBFS; so are mel bands, log10 of power.
const LEVEL_MIN_DB: f32 = -75.0;
const MEL_MIN: f32 = -6.5;
/// Probability from which a hop counts as speech.
const SPEECH: f32 = 0.5;
/// Power from which a hop counts as quiet, share of the window's mean (Scheirer and Slaney).
const QUIET: f32 = 0.5;

/// Sums over the hops of 100 ms.
#[derive(Clone, Copy)]
struct Beat {
    /// Of value and square.
    descriptors: [[f32; 2]; N_DESCRIPTORS],
    bands: [[f32; 2]; N_BANDS],
    mels: [f32; N_MELS],
    change: f32,
    ridges: f32,
    n_speech: f32,
    /// Power of each hop, not a sum.
    powers: [f32; BEAT_HOPS],
}

/// Gathers hops; ten times a second gives a look at the last 1.5 s, which is about 100 ms of them. Before the start there was silence.
pub struct Features {
    beats: [Beat; WINDOW_BEATS],
    n_beats: usize,
    /// Of the unfinished beat.
    n_hops: usize,
    last_mels: [f32; N_MELS],
    modulation: Modulation,
    look: [f32; N_FEATURES],
}

impl Default for Features {
    fn default() -> Self {
        let mut features = Self {
            beats: [Beat::EMPTY; WINDOW_BEATS],
            n_beats: 0,
            n_hops: 0,
            last_mels: [MEL_MIN; N_MELS],
            modulation: Modulation::default(),
            look: [0.0; N_FEATURES],
        };
        for _ in 0..(WINDOW_BEATS - LOOK_BEATS) * BEAT_HOPS {
            features.push(&Hop::default());
        }
        features
    }
}

impl Features {
    /// Takes a hop with its `speech` filled. A look comes with every tenth, from the 50th on; it is about the ten hops
    /// that began 50 ago.
    pub fn push(&mut self, hop: &Hop) -> Option<&[f32; N_FEATURES]> {
        let mels: [f32; N_MELS] = std::array::from_fn(|i| hop.log_mel[i].max(MEL_MIN));
        let beat = &mut self.beats[self.n_beats % WINDOW_BEATS];
        if self.n_hops == 0 {
            *beat = Beat::EMPTY;
        }
        beat.add(hop, self.n_hops, &mels, &self.last_mels);
        self.last_mels = mels;
        self.n_hops = (self.n_hops + 1) % BEAT_HOPS;
        if self.n_hops > 0 {
            return None;
        }
        self.n_beats += 1;
        if self.n_beats < WINDOW_BEATS {
            return None;
        }
        self.look();
        Some(&self.look)
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Beat `i` of the window, the oldest first.
    fn beat(&self, i: usize) -> &Beat {
        &self.beats[(self.n_beats + i) % WINDOW_BEATS]
    }

    fn look(&mut self) {
        let mut look = self.look;
        let mut slots = look.iter_mut();
        let mut put = |value: f32| {
            if let Some(slot) = slots.next() {
                *slot = value;
            }
        };
        for i in 0..N_DESCRIPTORS {
            let (mean, spread) = moments(self.beats.iter().map(|beat| beat.descriptors[i]));
            put(mean);
            put(spread);
        }
        let bands: [(f32, f32); N_BANDS] =
            std::array::from_fn(|i| moments(self.beats.iter().map(|beat| beat.bands[i])));
        let overall = bands.iter().map(|(mean, _)| mean).sum::<f32>() / N_BANDS as f32;
        put(overall);
        for (mean, spread) in bands {
            put(mean - overall);
            put(spread);
        }
        put(self.mean(|beat| beat.change));
        put(self.mean(|beat| beat.n_speech));
        put(self.mean(|beat| beat.ridges));
        put(self.mean(|beat| ridges(&beat.mels)));
        let mels: [f32; N_MELS] = std::array::from_fn(|i| self.mean(|beat| beat.mels[i]));
        put(ridges(&mels));
        put(self.drift(1));
        put(self.drift(5));
        let n = (LOOK_BEATS * BEAT_HOPS) as f32;
        let late = |of: &dyn Fn(&Beat) -> f32| -> f32 {
            (WINDOW_BEATS - LOOK_BEATS..WINDOW_BEATS).map(|i| of(self.beat(i))).sum::<f32>() / n
        };
        for i in 0..N_DESCRIPTORS {
            put(late(&|beat| beat.descriptors[i][0]));
        }
        for i in 0..N_BANDS {
            put(late(&|beat| beat.bands[i][0]) - overall);
        }
        let powers: [f32; WINDOW_HOPS] =
            std::array::from_fn(|i| self.beat(i / BEAT_HOPS).powers[i % BEAT_HOPS]);
        put(quiet(&powers));
        let (syllables, roughness) = self.modulation.measure(&powers);
        put(syllables);
        put(roughness);
        self.look = look;
    }

    /// Mean over the window's hops of what beats hold the sum of.
    fn mean(&self, of: impl Fn(&Beat) -> f32) -> f32 {
        self.beats.iter().map(of).sum::<f32>() / WINDOW_HOPS as f32
    }

    /// Mean change of a band within `n_beats`.
    fn drift(&self, n_beats: usize) -> f32 {
        let change = |i: usize| -> f32 {
            let (earlier, later) = (self.beat(i - n_beats), self.beat(i));
            earlier.bands.iter().zip(&later.bands).map(|(a, b)| (a[0] - b[0]).abs()).sum()
        };
        let n = ((WINDOW_BEATS - n_beats) * BEAT_HOPS * N_BANDS) as f32;
        (n_beats..WINDOW_BEATS).map(change).sum::<f32>() / n
    }
}

impl Beat {
    const EMPTY: Self = Self {
        descriptors: [[0.0; 2]; N_DESCRIPTORS],
        bands: [[0.0; 2]; N_BANDS],
        mels: [0.0; N_MELS],
        change: 0.0,
        ridges: 0.0,
        n_speech: 0.0,
        powers: [0.0; BEAT_HOPS],
    };

    /// Adds hop number `hop_idx` of the beat.
    fn add(&mut self, hop: &Hop, hop_idx: usize, mels: &[f32; N_MELS], last: &[f32; N_MELS]) {
        let level = hop.power_db.max(LEVEL_MIN_DB);
        let values = [
            level,
            hop.speech,
            hop.flux,
            hop.centroid_hz / 1_000.0,
            hop.rolloff_hz / 1_000.0,
            hop.zero_crossings,
            hop.flatness,
        ];
        for (sums, value) in self.descriptors.iter_mut().zip(values) {
            *sums = [sums[0] + value, sums[1] + value * value];
        }
        for (sums, group) in self.bands.iter_mut().zip(mels.chunks_exact(MELS_PER_BAND)) {
            let value = group.iter().sum::<f32>() / MELS_PER_BAND as f32;
            *sums = [sums[0] + value, sums[1] + value * value];
        }
        for ((sum, value), last) in self.mels.iter_mut().zip(mels).zip(last) {
            *sum += value;
            self.change += (value - last).abs() / N_MELS as f32;
        }
        self.ridges += ridges(mels);
        self.n_speech += if hop.speech > SPEECH { 1.0 } else { 0.0 };
        self.powers[hop_idx] = 10.0_f32.powf(level / 10.0);
    }
}

/// Mean and standard deviation over a window from sums of values and squares.
fn moments(sums: impl Iterator<Item = [f32; 2]>) -> (f32, f32) {
    let n = WINDOW_HOPS as f32;
    let [sum, squares] = sums.fold([0.0, 0.0], |all, beat| [all[0] + beat[0], all[1] + beat[1]]);
    let mean = sum / n;
    (mean, (squares / n - mean * mean).max(0.0).sqrt())
}

/// How jagged a spectrum is: mean size of its second difference. Lines that stand still survive averaging.
fn ridges(mels: &[f32; N_MELS]) -> f32 {
    let bend = |w: &[f32]| (w[0] - 2.0 * w[1] + w[2]).abs();
    mels.windows(3).map(bend).sum::<f32>() / (N_MELS - 2) as f32
}

/// Share of hops with less than half of the mean power.
fn quiet(powers: &[f32; WINDOW_HOPS]) -> f32 {
    let mean = powers.iter().sum::<f32>() / WINDOW_HOPS as f32;
    powers.iter().filter(|power| **power < QUIET * mean).count() as f32 / WINDOW_HOPS as f32
}

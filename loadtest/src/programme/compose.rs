//! Puts a programme together: clips, silences, pauses and tones, one after the other, and the facts of all of them.

use std::f64::consts::TAU;

use engine::time::{MediaTime, SampleRate};

use super::faults::{faults, window_frames};
use super::speech::Speech;
use super::wav::to_16_bits;
use super::{Fact, Programme};
use crate::failure::Failure;

/// Longest programme: an hour.
const LENGTH_MAX: MediaTime = MediaTime::from_secs(3_600);
/// Usual level of a pause, dBFS RMS: a quiet room.
pub(super) const ROOM_DBFS: f64 = -60.0;
/// Full scale.
const FULL: f64 = 32_768.0;

/// A recording, and what is said in it.
#[derive(Clone, Debug)]
pub(super) struct Clip {
    pub(super) samples: Vec<i16>,
    pub(super) speech: Speech,
}

/// How loud a clip is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Level {
    /// So much louder than it is, dB.
    Gain(f64),
    /// So that its highest peak is so far over full scale, dB: it is cut off there.
    Clipped(f64),
}

/// One after the other they are a programme.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'a> {
    /// A recording.
    Clip(&'a Clip, Level),
    /// Digital silence.
    Silence(MediaTime),
    /// What a room sounds like when nobody speaks: noise of so much dBFS RMS.
    Pause(MediaTime, f64),
    /// A sine: Hz, dBFS of its peak, length.
    Tone(f64, f64, MediaTime),
}

/// A programme of `parts`, made whole windows long.
pub(super) fn compose(rate: SampleRate, parts: &[Part]) -> Result<Programme, Failure> {
    let mut samples: Vec<i16> = Vec::new();
    let mut facts: Vec<Fact> = Vec::new();
    let mut noise = Noise(1);
    for part in parts {
        let start = MediaTime::from_frames(samples.len() as u64, rate);
        let n_frames = |length: MediaTime| usize::try_from(length.to_frames(rate)).unwrap_or(usize::MAX);
        let n_more = match part {
            Part::Clip(clip, _) => clip.samples.len(),
            Part::Silence(length) | Part::Pause(length, _) | Part::Tone(_, _, length) => n_frames(*length),
        };
        let n_after = samples.len().saturating_add(n_more);
        if n_after > n_frames(LENGTH_MAX) {
            return Err(Failure::Usage(format!(
                "the programme is longer than {} s",
                LENGTH_MAX.as_millis() / 1_000
            )));
        }
        match *part {
            Part::Clip(clip, level) => {
                let gain = level.gain(&clip.samples);
                samples.extend(clip.samples.iter().map(|sample| to_16_bits(f64::from(*sample) * gain)));
                facts.extend(clip.speech.facts(start));
            }
            Part::Silence(_) => samples.resize(n_after, 0),
            Part::Pause(_, dbfs) => samples.extend((0..n_more).map(|_| noise.next(dbfs))),
            Part::Tone(hz, dbfs, _) => samples.extend((0..n_more).map(|n| {
                let phase = (hz * n as f64 / f64::from(rate.hz())).fract();
                to_16_bits(FULL * ratio(dbfs) * (TAU * phase).sin())
            })),
        }
    }
    if samples.is_empty() {
        return Err(Failure::Usage("the programme is empty".to_owned()));
    }
    samples.resize(samples.len().next_multiple_of(window_frames(rate)), 0);
    facts.extend(faults(&samples, rate)?);
    facts.sort_by_key(|fact| fact.proven_at);
    Ok(Programme { rate, samples: samples.into(), facts })
}

impl Level {
    fn gain(self, samples: &[i16]) -> f64 {
        match self {
            Self::Gain(db) => ratio(db),
            Self::Clipped(db) => {
                let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
                FULL * ratio(db) / f64::from(peak.max(1))
            }
        }
    }
}

fn ratio(db: f64) -> f64 {
    10.0_f64.powf(db / 20.0)
}

/// White noise, the same every time (Knuth's MMIX generator).
struct Noise(u64);

impl Noise {
    fn next(&mut self, dbfs: f64) -> i16 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Uniform in -1..1, whose RMS is 1/sqrt(3).
        let uniform = f64::from((self.0 >> 32) as u32) / 2.0_f64.powi(31) - 1.0;
        to_16_bits(FULL * ratio(dbfs) * 3.0_f64.sqrt() * uniform)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use engine::event::EventKind;
    use engine::time::Span;

    use super::*;
    use crate::programme::What;
    use crate::programme::speech::Timed;

    const RATE: SampleRate = SampleRate::HZ_16000;

    fn secs(secs: u64) -> MediaTime {
        MediaTime::from_secs(secs)
    }

    /// A second of a 440 Hz tone at -20 dBFS, in which one word is said.
    fn clip() -> Clip {
        let tone = compose(RATE, &[Part::Tone(440.0, -20.0, secs(1))]).unwrap();
        let span = Span::new(MediaTime::from_millis(200), MediaTime::from_millis(900));
        Clip {
            samples: tone.samples.to_vec(),
            speech: Speech::Words(vec![Timed { text: "Hm?".to_owned(), span }]),
        }
    }

    fn rms_dbfs(samples: &[i16]) -> f64 {
        let square =
            samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64;
        10.0 * (square / FULL.powi(2)).log10()
    }

    #[test]
    fn parts_follow_one_another_with_their_facts() {
        let clip = clip();
        let parts = [
            Part::Clip(&clip, Level::Gain(6.0)),
            Part::Silence(secs(12)),
            Part::Pause(secs(2), -44.0),
            Part::Clip(&clip, Level::Clipped(12.0)),
            Part::Pause(secs(2), -44.0),
        ];
        let programme = compose(RATE, &parts).unwrap();
        assert_eq!(programme.length(), secs(18));
        assert!((rms_dbfs(&programme.samples[..16_000]) + 17.01).abs() < 0.05, "a sine of -14 dBFS");
        assert!((rms_dbfs(&programme.samples[13 * 16_000..15 * 16_000]) + 44.0).abs() < 0.1);
        let facts: Vec<String> = programme
            .facts
            .iter()
            .map(|fact| {
                format!(
                    "{:?} {}..{}",
                    fact.what,
                    fact.span.start.as_millis() / 10,
                    fact.proven_at.as_millis() / 10
                )
            })
            .collect();
        let expected = [
            "Word(\"hm\") 20..90",
            "Sentence([]) 20..90",
            "Opens(AlertDeadAir) 100..1100",
            "Closes(AlertDeadAir) 100..1400",
            "Opens(AlertClipping) 1500..1501",
            "Word(\"hm\") 1520..1590",
            "Sentence([]) 1520..1590",
            "Closes(AlertClipping) 1500..1749",
        ];
        assert_eq!(facts, expected);
        assert!(programme.facts.contains(&Fact {
            what: What::Opens(EventKind::AlertDeadAir),
            span: Span::new(secs(1), secs(13)),
            proven_at: secs(11),
        }));
    }

    #[test]
    fn it_is_whole_windows_long() {
        let programme = compose(RATE, &[Part::Tone(440.0, -20.0, MediaTime::from_millis(1_005))]).unwrap();
        assert_eq!(programme.length(), MediaTime::from_millis(1_010));
    }

    #[test]
    fn it_is_neither_empty_nor_endless() {
        let error = |parts: &[Part]| compose(RATE, parts).unwrap_err().to_string();
        assert_eq!(error(&[]), "the programme is empty");
        assert_eq!(error(&[Part::Silence(secs(3_601))]), "the programme is longer than 3600 s");
        assert!(error(&[Part::Silence(secs(20))]).contains("never ends its alert.dead_air"));
    }
}

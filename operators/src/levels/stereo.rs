//! What two channels have to do with each other: opposite phase, the same twice, one lost. Looks at the first two
//! channels of any layout, which are front left and right in all of them.

use engine::event::{AlertKind, ChannelMap, Event};
use engine::operator::Emit;
use engine::time::{MediaTime, Span};

use super::sound::Sound;
use super::{Facts, LevelsConfig};
use crate::alarm::{Alarm, Finding, Subject, Timing, Verdict};
use crate::error::{BuildError, check_range};
use crate::stats::{cross_sums, dbfs_power, power_dbfs};

/// Windows that a correlation is taken over: 0.5 s, long enough for the lowest notes.
const CORRELATION_WINDOWS: usize = 50;
/// Mean square of a channel below which nothing is said about it beside the other: -50 dBFS.
const AUDIBLE: f64 = 1e-5;
/// How much better than its limit a correlation has to be to be good.
const CORRELATION_MARGIN: f64 = 0.2;
/// The same for levels, dB.
const LEVEL_MARGIN_DB: f64 = 3.0;
/// An exception of this length in a bad stretch is forgiven.
const EXCEPTION: MediaTime = MediaTime::from_millis(200);
/// A fault that lasts this long again is not over.
const RELAPSE: MediaTime = MediaTime::from_millis(500);

/// When two channels cancel each other in mono.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseConfig {
    /// Correlation over 0.5 s that is too low, -1..=0. Default -0.3.
    pub below: f64,
    /// An alert opens after this long, 0.5..=600 s. Default 3 s.
    pub open_after: MediaTime,
    /// And closes after this long at 0.2 above the limit, 0.1..=60 s. Default 1 s.
    pub close_after: MediaTime,
}

impl Default for PhaseConfig {
    fn default() -> Self {
        Self { below: -0.3, open_after: MediaTime::from_secs(3), close_after: MediaTime::from_secs(1) }
    }
}

/// When both channels are the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MonoConfig {
    /// RMS over 0.5 s of their difference that is none, -110..=-20 dBFS. Default -80.
    pub below_dbfs: f64,
    /// An alert opens after this long, 0.5..=3600 s. Default 10 s.
    pub open_after: MediaTime,
    /// And closes after this long at 3 dB above the limit, 0.1..=60 s. Default 1 s.
    pub close_after: MediaTime,
}

impl Default for MonoConfig {
    fn default() -> Self {
        Self { below_dbfs: -80.0, open_after: MediaTime::from_secs(10), close_after: MediaTime::from_secs(1) }
    }
}

/// When a channel is lost: silent while the other is heard (at -50 dBFS or more).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelLostConfig {
    /// RMS over 10 ms of a silent channel, -110..=-51 dBFS. Default -60.
    pub below_dbfs: f64,
    /// An alert opens after this much of it, 0.5..=600 s; time in which neither is heard does not count. Default 3 s.
    pub open_after: MediaTime,
    /// And closes after this much of the channel at 3 dB above the limit, 0.1..=60 s. Default 1 s.
    pub close_after: MediaTime,
}

impl Default for ChannelLostConfig {
    fn default() -> Self {
        Self { below_dbfs: -60.0, open_after: MediaTime::from_secs(3), close_after: MediaTime::from_secs(1) }
    }
}

/// The judgements over two channels.
#[derive(Debug)]
pub(super) struct Stereo {
    phase: Option<(PhaseConfig, Alarm)>,
    mono: Option<(MonoConfig, Alarm)>,
    lost: Option<[Lost; 2]>,
    recent: Recent,
}

impl Stereo {
    pub(super) fn new(config: &LevelsConfig) -> Result<Self, BuildError> {
        let phase = config.phase.map(|c| {
            check_range("phase below", c.below, -1.0..=0.0, "-1 to 0")?;
            let timing = timing(c.open_after, c.close_after)?;
            Ok((c, Alarm::new(Subject::new(AlertKind::Phase, "correlation"), timing, |mean| mean)))
        });
        let mono = config.mono.map(|c| {
            check_range("mono below_dbfs", c.below_dbfs, -110.0..=-20.0, "-110 to -20 dBFS")?;
            let timing = timing(c.open_after, c.close_after)?;
            Ok((c, Alarm::new(Subject::new(AlertKind::Mono, "dBFS"), timing, power_dbfs)))
        });
        let lost = config.channel_lost.map(|c| Ok([Lost::new(0, c)?, Lost::new(1, c)?]));
        Ok(Self {
            phase: phase.transpose()?,
            mono: mono.transpose()?,
            lost: lost.transpose()?,
            recent: Recent::new(),
        })
    }

    pub(super) fn window(&mut self, facts: &Facts, sound: &Sound, out: &mut dyn Emit<Event>) {
        let [left, right, ..] = facts.planes else { return };
        for lost in self.lost.iter_mut().flatten() {
            lost.window(facts, sound, out);
        }
        if self.phase.is_none() && self.mono.is_none() {
            return;
        }
        let cross = cross_sums(left, right);
        let n_frames = left.len().max(1) as f64;
        let pair = [facts.power(0), facts.power(1), cross.product / n_frames, cross.difference / n_frames];
        if let Some(now) = self.recent.add(pair, facts.span) {
            self.judge(&now, facts.span.end, out);
        }
    }

    pub(super) fn flush(&mut self, now: MediaTime, out: &mut dyn Emit<Event>) {
        self.alarms().for_each(|alarm| alarm.flush(now, out));
    }

    pub(super) fn reset(&mut self) {
        self.alarms().for_each(Alarm::reset);
        for lost in self.lost.iter_mut().flatten() {
            lost.silent_since = None;
        }
        self.recent = Recent::new();
    }

    fn alarms(&mut self) -> impl Iterator<Item = &mut Alarm> {
        let lost = self.lost.iter_mut().flatten().map(|lost| &mut lost.alarm);
        self.phase
            .iter_mut()
            .map(|(_, alarm)| alarm)
            .chain(self.mono.iter_mut().map(|(_, alarm)| alarm))
            .chain(lost)
    }

    fn judge(&mut self, now: &HalfSecond, proof: MediaTime, out: &mut dyn Emit<Event>) {
        let [left, right, product, difference] = now.powers;
        let is_audible = left.min(right) >= AUDIBLE;
        let verdict = |is_bad: bool, is_good: bool| match (is_audible, is_bad, is_good) {
            (true, true, _) => Verdict::Bad,
            (true, _, true) => Verdict::Good,
            _ => Verdict::Unclear,
        };
        if let Some((config, alarm)) = &mut self.phase {
            let value = if is_audible { product / (left * right).sqrt() } else { 0.0 };
            let verdict = verdict(value < config.below, value > config.below + CORRELATION_MARGIN);
            let (span, since, threshold) = (now.middle, now.middle.start, config.below);
            alarm.observe(&Finding { verdict, span, since, proof, value, threshold }, out);
        }
        if let Some((config, alarm)) = &mut self.mono {
            let good = dbfs_power(config.below_dbfs + LEVEL_MARGIN_DB);
            let verdict = verdict(difference < dbfs_power(config.below_dbfs), difference > good);
            let (span, since, threshold) = (now.middle, now.middle.start, config.below_dbfs);
            alarm.observe(&Finding { verdict, span, since, proof, value: difference, threshold }, out);
        }
    }
}

fn timing(open_after: MediaTime, close_after: MediaTime) -> Result<Timing, BuildError> {
    check_range("open_after", open_after.as_secs_f64(), 0.5..=3_600.0, "0.5 to 3600 s")?;
    check_range("close_after", close_after.as_secs_f64(), 0.1..=60.0, "0.1 to 60 s")?;
    Ok(Timing { open_after, break_after: EXCEPTION, close_after, relapse_after: RELAPSE })
}

/// Powers of left, right, their product and their difference over the last 0.5 s.
#[derive(Debug)]
struct Recent {
    windows: [[f64; 4]; CORRELATION_WINDOWS],
    spans: [Span; CORRELATION_WINDOWS / 2],
    n_windows: usize,
}

/// Their means, which are told of the window in the middle.
struct HalfSecond {
    powers: [f64; 4],
    middle: Span,
}

impl Recent {
    fn new() -> Self {
        Self {
            windows: [[0.0; 4]; CORRELATION_WINDOWS],
            spans: [Span::default(); CORRELATION_WINDOWS / 2],
            n_windows: 0,
        }
    }

    /// `None` until there is half a second.
    fn add(&mut self, powers: [f64; 4], span: Span) -> Option<HalfSecond> {
        self.windows[self.n_windows % CORRELATION_WINDOWS] = powers;
        let middle = std::mem::replace(&mut self.spans[self.n_windows % (CORRELATION_WINDOWS / 2)], span);
        self.n_windows += 1;
        if self.n_windows < CORRELATION_WINDOWS {
            return None;
        }
        let mut means = [0.0; 4];
        for window in &self.windows {
            for (mean, power) in means.iter_mut().zip(window) {
                *mean += power / CORRELATION_WINDOWS as f64;
            }
        }
        Some(HalfSecond { powers: means, middle })
    }
}

/// One channel of two, silent alone.
#[derive(Debug)]
struct Lost {
    channel: usize,
    below_dbfs: f64,
    /// Mean square that a silent channel is below.
    silent: f64,
    /// And that one which is back is above.
    heard: f64,
    silent_since: Option<MediaTime>,
    alarm: Alarm,
}

impl Lost {
    fn new(channel: usize, config: ChannelLostConfig) -> Result<Self, BuildError> {
        check_range("channel lost below_dbfs", config.below_dbfs, -110.0..=-51.0, "-110 to -51 dBFS")?;
        let subject = Subject {
            lane: u8::from(channel == 1),
            channels: Some(ChannelMap(1 << channel)),
            ..Subject::new(AlertKind::ChannelLost, "dBFS")
        };
        let timing = timing(config.open_after, config.close_after)?;
        Ok(Self {
            channel,
            below_dbfs: config.below_dbfs,
            silent: dbfs_power(config.below_dbfs),
            heard: dbfs_power(config.below_dbfs + LEVEL_MARGIN_DB),
            silent_since: None,
            alarm: Alarm::new(subject, timing, power_dbfs),
        })
    }

    fn window(&mut self, facts: &Facts, sound: &Sound, out: &mut dyn Emit<Event>) {
        let (power, other) = (facts.power(self.channel), facts.power(1 - self.channel));
        let is_silent = power < self.silent;
        if is_silent {
            self.silent_since.get_or_insert(facts.span.start);
        } else {
            self.silent_since = None;
        }
        let verdict = if is_silent && other >= AUDIBLE {
            Verdict::Bad
        } else if power > self.heard {
            Verdict::Good
        } else {
            Verdict::Unclear
        };
        let since = sound.start_of(facts.span, self.silent_since);
        let (span, proof, threshold) = (facts.span, facts.span.end, self.below_dbfs);
        self.alarm.observe(&Finding { verdict, span, since, proof, value: power, threshold }, out);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::f64::consts::TAU;

    use super::*;
    use crate::levels::Levels;
    use crate::testing::{Piece, alerts, amplitude, noise, silence};

    fn check(pieces: &[Piece], expected: &[&str]) {
        let config = LevelsConfig { mono: Some(MonoConfig::default()), ..LevelsConfig::default() };
        let make = |format| Levels::new(format, config).unwrap();
        assert_eq!(alerts(8_000, 2, make, pieces), expected);
    }

    /// The same noise in both channels with these gains, and -40 dBFS of tone that they do not share.
    fn panned(secs: f64, gains: [f64; 2]) -> Piece {
        Piece::new(secs, move |t, channel, noise| {
            let own = (TAU * [330.0, 470.0][channel] * t).sin() * amplitude(-40.0);
            amplitude(-20.0) * gains[channel] * noise + if gains[channel] == 0.0 { 0.0 } else { own }
        })
    }

    #[test]
    fn opposite_phase_is_found_within_a_quarter_of_a_second() {
        let pieces = [panned(2.0, [1.0, 1.0]), panned(6.0, [1.0, -1.0]), panned(3.0, [1.0, 1.0])];
        check(&pieces, &["5.320 phase from 2.070", "9.210 phase 2.070..7.910"]);
        check(&[panned(2.0, [1.0, 1.0]), panned(2.5, [1.0, -1.0]), panned(3.0, [1.0, 0.3])], &[]);
    }

    #[test]
    fn one_channel_twice_is_mono() {
        let pieces = [panned(2.0, [1.0, 1.0]), noise(12.0, -20.0), panned(2.0, [1.0, 1.0])];
        check(&pieces, &["12.490 mono from 2.240", "15.000 mono 2.240..13.750"]);
    }

    #[test]
    fn a_lost_channel_is_found_from_the_first_sound_to_the_last() {
        let quiet = || Piece::new(0.4, |_, channel, noise| [amplitude(-55.0) * noise, 0.0][channel]);
        let lost = || [silence(1.0), quiet(), panned(4.0, [1.0, 0.0]), silence(2.0), panned(1.5, [1.0, 1.0])];
        check(&lost(), &["4.400 channel_lost from 1.000", "8.400 channel_lost 1.000..5.400"]);
        let pieces = [panned(0.7, [1.0, 1.0]), panned(4.0, [0.0, 1.0]), panned(1.5, [1.0, 1.0])];
        check(&pieces, &["3.700 channel_lost from 0.700", "5.700 channel_lost 0.700..4.700"]);
        check(&[panned(2.5, [1.0, 0.0]), panned(1.0, [1.0, 0.5]), panned(2.5, [1.0, 0.0])], &[]);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let config = ChannelLostConfig { below_dbfs: -40.0, ..Default::default() };
        let error = Lost::new(0, config).unwrap_err();
        assert_eq!(error.to_string(), "channel lost below_dbfs is -40, expected -110 to -51 dBFS");
    }
}

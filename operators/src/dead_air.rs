//! Dead air: silence for longer than allowed. Not pauses, and not whether a feed delivers audio at all.

use engine::audio::{Block, Format};
use engine::event::{AlertKind, Event};
use engine::operator::{Emit, Operator};
use engine::time::{MediaTime, Span};

use crate::alarm::{Alarm, Finding, Subject, Timing, Verdict};
use crate::error::{BuildError, check_range};
use crate::stats::{dbfs_power, power_dbfs, sums};
use crate::windows::{WINDOWS_PER_SECOND, Window, Windows};

/// A sound shorter than this does not interrupt a silence that is not yet dead air: a click on the line.
const CLICK: MediaTime = MediaTime::from_millis(50);
/// A silence of this length within returning sound means that it has not returned. Longer than the pauses of quiet
/// speech, which is above the level for only a third of its time.
const RELAPSE: MediaTime = MediaTime::from_secs(2);
/// Windows whose mean is the DC offset: 1 s.
const DC_WINDOWS: usize = WINDOWS_PER_SECOND as usize;

/// When silence is dead air. Levels are RMS over 10 ms of the loudest channel without its DC offset, dBFS (0 = a
/// full-scale square).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeadAirConfig {
    /// Silence is below this level, -110..=0 dBFS. Default -50.
    pub below_dbfs: f64,
    /// Sound is back above this level, from `below_dbfs` to 0 dBFS. Default -47.
    pub above_dbfs: f64,
    /// Silence is dead air after this long, 0.1..=3600 s. Default 10 s.
    pub open_after: MediaTime,
    /// Dead air is over after this much sound, 0.01..=60 s. Default 1 s.
    pub close_after: MediaTime,
}

impl Default for DeadAirConfig {
    fn default() -> Self {
        Self {
            below_dbfs: -50.0,
            above_dbfs: -47.0,
            open_after: MediaTime::from_secs(10),
            close_after: MediaTime::from_secs(1),
        }
    }
}

impl DeadAirConfig {
    fn check(&self) -> Result<(), BuildError> {
        check_range("dead air below_dbfs", self.below_dbfs, -110.0..=0.0, "-110 to 0 dBFS")?;
        let above = self.below_dbfs..=0.0;
        check_range("dead air above_dbfs", self.above_dbfs, above, "below_dbfs to 0 dBFS")?;
        check_range("dead air open_after", self.open_after.as_secs_f64(), 0.1..=3_600.0, "0.1 to 3600 s")?;
        check_range("dead air close_after", self.close_after.as_secs_f64(), 0.01..=60.0, "0.01 to 60 s")
    }
}

/// Opens `alert.dead_air` at the start of a silence that lasts, closes it where sound came back.
#[derive(Debug)]
pub struct DeadAir {
    windows: Windows,
    judge: Judge,
}

impl DeadAir {
    /// For `format`.
    pub fn new(format: Format, config: DeadAirConfig) -> Result<Self, BuildError> {
        config.check()?;
        let timing = Timing {
            open_after: config.open_after,
            break_after: CLICK,
            close_after: config.close_after,
            relapse_after: RELAPSE,
        };
        let judge = Judge {
            below_dbfs: config.below_dbfs,
            below: dbfs_power(config.below_dbfs),
            above: dbfs_power(config.above_dbfs),
            offsets: vec![Offset::new(); format.n_channels()],
            alarm: Alarm::new(Subject::new(AlertKind::DeadAir, "dBFS"), timing, power_dbfs),
        };
        Ok(Self { windows: Windows::new(format), judge })
    }
}

impl Operator for DeadAir {
    type In = Block;
    type Out = Event;

    fn push(&mut self, block: &Block, out: &mut dyn Emit<Event>) {
        self.windows.push(block, &mut |window| self.judge.window(window, out));
    }

    fn flush(&mut self, out: &mut dyn Emit<Event>) {
        self.windows.flush(&mut |window| self.judge.window(window, out));
        self.judge.alarm.flush(self.windows.now(), out);
    }

    fn reset(&mut self) {
        self.windows.reset();
        self.judge.alarm.reset();
        self.judge.offsets.fill(Offset::new());
    }
}

#[derive(Debug)]
struct Judge {
    below_dbfs: f64,
    below: f64,
    above: f64,
    offsets: Vec<Offset>,
    alarm: Alarm,
}

impl Judge {
    fn window(&mut self, window: &Window, out: &mut dyn Emit<Event>) {
        let powers = self.offsets.iter_mut().zip(window.planes).map(|(offset, plane)| offset.power(plane));
        let power = powers.fold(0.0, f64::max);
        let verdict = if power < self.below {
            Verdict::Bad
        } else if power > self.above || !self.alarm.is_open() {
            Verdict::Good
        } else {
            Verdict::Unclear
        };
        let Span { start: since, end: proof } = window.span;
        let finding =
            Finding { verdict, span: window.span, since, proof, value: power, threshold: self.below_dbfs };
        self.alarm.observe(&finding, out);
    }
}

/// DC offset of a channel: the mean of its last second. Broken converters put one under silence.
#[derive(Clone, Copy, Debug)]
struct Offset {
    means: [f64; DC_WINDOWS],
    n_windows: usize,
}

impl Offset {
    const fn new() -> Self {
        Self { means: [0.0; DC_WINDOWS], n_windows: 0 }
    }

    /// Mean square of a window without the offset; and of one that does not share it, as it is.
    fn power(&mut self, samples: &[f32]) -> f64 {
        let sums = sums(samples);
        let n_frames = samples.len().max(1) as f64;
        let (mean, square) = (sums.sum / n_frames, sums.square / n_frames);
        self.means[self.n_windows % DC_WINDOWS] = mean;
        self.n_windows += 1;
        let n_known = self.n_windows.min(DC_WINDOWS);
        let offset = self.means.iter().take(n_known).sum::<f64>() / n_known as f64;
        square.min(square - 2.0 * offset * mean + offset * offset).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{Piece, alerts, noise, silence};

    fn check(pieces: &[Piece], expected: &[&str]) {
        let make = |format| DeadAir::new(format, DeadAirConfig::default()).unwrap();
        assert_eq!(alerts(8_000, 2, make, pieces), expected);
    }

    #[test]
    fn silence_longer_than_the_limit_is_dead_air() {
        check(
            &[noise(1.0, -20.0), silence(12.0), noise(2.0, -20.0)],
            &["11.000 dead_air from 1.000", "14.000 dead_air 1.000..13.000"],
        );
        check(&[noise(1.0, -20.0), silence(9.98), noise(2.0, -20.0)], &[]);
        check(&[silence(11.0)], &["10.000 dead_air from 0.000", "11.000 dead_air 0.000..11.000"]);
    }

    #[test]
    fn low_noise_is_silence_and_low_speech_is_not() {
        check(&[noise(11.0, -62.0)], &["10.000 dead_air from 0.000", "11.000 dead_air 0.000..11.000"]);
        check(&[noise(30.0, -46.0)], &[]);
    }

    #[test]
    fn quiet_speech_with_pauses_ends_it_where_it_begins() {
        let words = || [noise(0.25, -40.0), silence(0.7)];
        let pieces: Vec<Piece> = [silence(12.0)].into_iter().chain((0..6).flat_map(|_| words())).collect();
        check(&pieces, &["10.000 dead_air from 0.000", "15.100 dead_air 0.000..12.000"]);
    }

    #[test]
    fn a_click_neither_breaks_nor_ends_it() {
        let click = [silence(6.0), noise(0.03, -10.0), silence(6.0), noise(0.5, -10.0), silence(5.0)];
        check(&click, &["10.030 dead_air from 0.000", "17.530 dead_air 0.000..17.530"]);
    }

    #[test]
    fn between_the_levels_it_stays_as_it_is() {
        check(&[noise(20.0, -48.5)], &[]);
        let hovering = [silence(10.0), noise(5.0, -48.5), noise(2.0, -30.0)];
        check(&hovering, &["10.000 dead_air from 0.000", "16.000 dead_air 0.000..10.000"]);
    }

    #[test]
    fn a_dc_offset_is_not_sound() {
        let offset = |secs| Piece::new(secs, |_, _, _| 0.1);
        check(
            &[noise(1.0, -20.0), offset(13.0)],
            &["11.960 dead_air from 1.960", "14.000 dead_air 1.960..14.000"],
        );
        check(&[offset(2.0), silence(9.0)], &["10.000 dead_air from 0.000", "11.000 dead_air 0.000..11.000"]);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let bad = DeadAirConfig { above_dbfs: -60.0, ..DeadAirConfig::default() };
        let error = DeadAir::new(Format::SPEECH, bad).unwrap_err();
        assert_eq!(error.to_string(), "dead air above_dbfs is -60, expected below_dbfs to 0 dBFS");
        let bad = DeadAirConfig { open_after: MediaTime::ZERO, ..DeadAirConfig::default() };
        assert!(DeadAir::new(Format::SPEECH, bad).is_err());
    }
}

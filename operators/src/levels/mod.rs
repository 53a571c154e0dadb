//! Levels of a feed and what is wrong with them: clipping, opposite phase, one channel twice, one channel lost.
//! Not silence (`DeadAir`), not loudness (`Loudness`).

mod clipping;
mod sound;
mod stereo;

pub use clipping::ClippingConfig;
pub use stereo::{ChannelLostConfig, MonoConfig, PhaseConfig};

use engine::audio::{Block, CHANNELS_MAX, Format};
use engine::event::Event;
use engine::operator::{Emit, Operator};
use engine::time::{MediaTime, Span};

use crate::error::BuildError;
use crate::stats::{SILENCE_DBFS, Sums, power_dbfs, sums};
use crate::windows::{WINDOWS_PER_SECOND, Window, Windows};
use clipping::Clipping;
use sound::Sound;
use stereo::Stereo;

/// Which faults are looked for. `None`: not this one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelsConfig {
    /// Clipped samples, in any channel. Default on.
    pub clipping: Option<ClippingConfig>,
    /// First two channels in opposite phase. Default on.
    pub phase: Option<PhaseConfig>,
    /// First two channels the same. Default off: much of what is broadcast in stereo is mono.
    pub mono: Option<MonoConfig>,
    /// One of the first two channels silent while the other is not. Default on.
    pub channel_lost: Option<ChannelLostConfig>,
}

impl Default for LevelsConfig {
    fn default() -> Self {
        Self {
            clipping: Some(ClippingConfig::default()),
            phase: Some(PhaseConfig::default()),
            mono: None,
            channel_lost: Some(ChannelLostConfig::default()),
        }
    }
}

/// One channel over one second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelLevels {
    /// Largest sample, dBFS, at least -120.
    pub peak_dbfs: f64,
    /// RMS, dBFS (0 = a full-scale square), at least -120.
    pub rms_dbfs: f64,
    /// Mean of the samples, -1..=1 in sound within full scale.
    pub dc_offset: f64,
}

/// Emits `alert.clipping`, `alert.phase`, `alert.mono` and `alert.channel_lost`, each as an open and a close.
#[derive(Debug)]
pub struct Levels {
    windows: Windows,
    judge: Judge,
}

impl Levels {
    /// For `format`.
    pub fn new(format: Format, config: LevelsConfig) -> Result<Self, BuildError> {
        let judge = Judge {
            sound: Sound::default(),
            seconds: Seconds::new(format.n_channels()),
            clipping: config.clipping.map(|c| Clipping::new(format.n_channels(), c)).transpose()?,
            stereo: Stereo::new(&config)?,
        };
        Ok(Self { windows: Windows::new(format), judge })
    }

    /// The last full second of each channel; nothing before there was one.
    #[must_use]
    pub fn last_second(&self) -> &[ChannelLevels] {
        if self.judge.seconds.n_complete > 0 { &self.judge.seconds.levels } else { &[] }
    }
}

impl Operator for Levels {
    type In = Block;
    type Out = Event;

    fn push(&mut self, block: &Block, out: &mut dyn Emit<Event>) {
        self.windows.push(block, &mut |window| self.judge.window(window, out));
    }

    fn flush(&mut self, out: &mut dyn Emit<Event>) {
        self.windows.flush(&mut |window| self.judge.window(window, out));
        self.judge.flush(self.windows.now(), out);
    }

    fn reset(&mut self) {
        self.windows.reset();
        self.judge.reset();
    }
}

/// What the judgements of a window share.
struct Facts<'a> {
    span: Span,
    planes: &'a [&'a [f32]],
    sums: &'a [Sums],
}

impl Facts<'_> {
    /// Mean square of a channel; 0 when there is no such channel.
    fn power(&self, channel: usize) -> f64 {
        let n_frames = self.planes.first().map_or(1, |plane| plane.len().max(1));
        self.sums.get(channel).map_or(0.0, |sums| sums.square / n_frames as f64)
    }
}

#[derive(Debug)]
struct Judge {
    sound: Sound,
    seconds: Seconds,
    clipping: Option<Clipping>,
    stereo: Stereo,
}

impl Judge {
    fn window(&mut self, window: &Window, out: &mut dyn Emit<Event>) {
        let mut each = [Sums::default(); CHANNELS_MAX];
        for (channel, plane) in each.iter_mut().zip(window.planes) {
            *channel = sums(plane);
        }
        let sums = each.get(..window.planes.len()).unwrap_or(&each);
        let facts = Facts { span: window.span, planes: window.planes, sums };
        self.sound.window(&facts);
        self.seconds.window(&facts);
        if let Some(clipping) = &mut self.clipping {
            clipping.window(&facts, &self.sound, out);
        }
        self.stereo.window(&facts, &self.sound, out);
    }

    fn flush(&mut self, now: MediaTime, out: &mut dyn Emit<Event>) {
        if let Some(clipping) = &mut self.clipping {
            clipping.flush(now, out);
        }
        self.stereo.flush(now, out);
    }

    fn reset(&mut self) {
        self.sound = Sound::default();
        self.seconds.reset();
        if let Some(clipping) = &mut self.clipping {
            clipping.reset();
        }
        self.stereo.reset();
    }
}

/// Sums windows up to seconds.
#[derive(Debug)]
struct Seconds {
    sums: Vec<Sums>,
    levels: Vec<ChannelLevels>,
    n_frames: usize,
    n_windows: u32,
    n_complete: u64,
}

impl Seconds {
    fn new(n_channels: usize) -> Self {
        let silent = ChannelLevels { peak_dbfs: SILENCE_DBFS, rms_dbfs: SILENCE_DBFS, dc_offset: 0.0 };
        Self {
            sums: vec![Sums::default(); n_channels],
            levels: vec![silent; n_channels],
            n_frames: 0,
            n_windows: 0,
            n_complete: 0,
        }
    }

    fn window(&mut self, facts: &Facts) {
        for (total, sums) in self.sums.iter_mut().zip(facts.sums) {
            total.sum += sums.sum;
            total.square += sums.square;
            total.peak = total.peak.max(sums.peak);
        }
        self.n_frames += facts.planes.first().map_or(0, |plane| plane.len());
        self.n_windows += 1;
        if self.n_windows == WINDOWS_PER_SECOND {
            self.complete();
        }
    }

    fn complete(&mut self) {
        let n_frames = self.n_frames.max(1) as f64;
        for (levels, sums) in self.levels.iter_mut().zip(&mut self.sums) {
            let Sums { sum, square, peak } = std::mem::take(sums);
            *levels = ChannelLevels {
                peak_dbfs: power_dbfs(f64::from(peak).powi(2)),
                rms_dbfs: power_dbfs(square / n_frames),
                dc_offset: sum / n_frames,
            };
        }
        self.n_frames = 0;
        self.n_windows = 0;
        self.n_complete += 1;
    }

    fn reset(&mut self) {
        self.sums.fill(Sums::default());
        self.n_frames = 0;
        self.n_windows = 0;
        self.n_complete = 0;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::testing::{Piece, format, noise, run};

    #[test]
    fn the_last_second_is_measured_per_channel() {
        let offset =
            Piece::new(1.0, |t, channel, _| if channel == 0 { 0.25 } else { (t * 6_283.185).sin() * 0.5 });
        let make = |format| Levels::new(format, LevelsConfig::default()).unwrap();
        let (operator, _) = run(format(48_000, 2), make, &[noise(1.0, -10.0), offset, noise(0.7, -10.0)]);
        let [left, right] = operator.last_second() else { panic!("{:?}", operator.last_second()) };
        let close = |a: f64, b: f64| (a - b).abs() < 0.001;
        assert!(
            close(left.rms_dbfs, -12.041) && close(left.peak_dbfs, -12.041) && close(left.dc_offset, 0.25),
            "{left:?}"
        );
        assert!(close(right.rms_dbfs, -9.031) && close(right.peak_dbfs, -6.021), "{right:?}");
        assert!(right.dc_offset.abs() < 1e-6, "{right:?}");
    }

    #[test]
    fn there_is_nothing_to_tell_before_the_first_second() {
        let levels = Levels::new(Format::SPEECH, LevelsConfig::default()).unwrap();
        assert_eq!(levels.last_second(), []);
    }
}

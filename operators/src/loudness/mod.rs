//! Loudness of a feed by EBU R 128 and ITU-R BS.1770: meters, reports, alerts. Not levels or clipping (`Levels`).

mod config;
mod histogram;
mod k_weighting;
mod meter;
mod off_target;
mod true_peak;

pub use config::{LoudnessConfig, LoudnessTarget, Meters};
pub use meter::{LoudnessMeter, Measure, Mono};

use engine::audio::{Block, Format};
use engine::event::{Event, LoudnessReport, LoudnessScope, Meter};
use engine::operator::{Emit, Operator};
use engine::time::{MediaTime, Span};

use crate::error::BuildError;
use crate::windows::{Window, Windows};
use off_target::OffTarget;

/// Windows between meters: 100 ms.
const METER_WINDOWS: u64 = 10;

/// Emits `loudness.report` at the end of each minute of media time and, for the whole programme, at the flush;
/// `meter` and `alert.loudness` where its configuration asks for them.
#[derive(Debug)]
pub struct Loudness {
    windows: Windows,
    judge: Judge,
}

impl Loudness {
    /// For `format`.
    pub fn new(format: Format, config: LoudnessConfig) -> Result<Self, BuildError> {
        let judge = Judge {
            meter: LoudnessMeter::new(format, config.mono),
            meters: config.meters,
            n_windows: 0,
            peak: 0.0,
            meter_start: MediaTime::ZERO,
            minute: Span::default(),
            programme: None,
            off_target: config.target.map(OffTarget::new).transpose()?,
        };
        Ok(Self { windows: Windows::new(format), judge })
    }

    /// A discontinuity within a programme: closes alerts and forgets what windows hold. The minute and the programme
    /// go on with what follows.
    pub fn interrupt(&mut self, out: &mut dyn Emit<Event>) {
        self.windows.flush(&mut |window| self.judge.window(window, out));
        self.windows.reset();
        self.judge.interrupt(out);
    }
}

impl Operator for Loudness {
    type In = Block;
    type Out = Event;

    fn push(&mut self, block: &Block, out: &mut dyn Emit<Event>) {
        self.windows.push(block, &mut |window| self.judge.window(window, out));
    }

    fn flush(&mut self, out: &mut dyn Emit<Event>) {
        self.windows.flush(&mut |window| self.judge.window(window, out));
        self.judge.flush(out);
    }

    fn reset(&mut self) {
        self.windows.reset();
        self.judge.reset();
    }
}

#[derive(Debug)]
struct Judge {
    meter: LoudnessMeter,
    meters: Meters,
    /// Since the last discontinuity.
    n_windows: u64,
    /// Highest true peak since the last meter, and when that was.
    peak: f32,
    meter_start: MediaTime,
    /// The part of the present minute that there is; `end` is where the minute ends.
    minute: Span,
    /// From the first window to the last.
    programme: Option<Span>,
    off_target: Option<OffTarget>,
}

impl Judge {
    fn window(&mut self, window: &Window, out: &mut dyn Emit<Event>) {
        let Span { start, end } = window.span;
        if self.n_windows == 0 {
            self.begin(start, out);
        }
        self.n_windows += 1;
        self.programme.get_or_insert(window.span).end = end;
        let floor = self.peak_floor();
        let peak = self.meter.step(window.planes, floor);
        self.peak = self.peak.max(peak);
        if let Some(off_target) = &mut self.off_target {
            off_target.window(self.meter.short_term(), peak, window.span, out);
        }
        if self.meters == Meters::TenHertz && self.n_windows.is_multiple_of(METER_WINDOWS) {
            self.tell_meter(end, out);
        }
        if end >= self.minute.end {
            self.close_minute(end, end, out);
        }
    }

    /// Where sound begins, at first or after a discontinuity.
    fn begin(&mut self, start: MediaTime, out: &mut dyn Emit<Event>) {
        self.meter_start = start;
        match self.programme {
            None => self.minute = Span::new(start, minute_end(start)),
            Some(programme) if start >= self.minute.end => self.close_minute(programme.end, start, out),
            Some(_) => {}
        }
    }

    /// Reports the minute up to `end`, which is known at `now`, where the next one begins.
    fn close_minute(&mut self, end: MediaTime, now: MediaTime, out: &mut dyn Emit<Event>) {
        let report = report(LoudnessScope::Minute, self.meter.minute());
        out.emit(&Event::new(Span::new(self.minute.start, end), now, report));
        self.meter.begin_minute();
        self.minute = Span::new(now, minute_end(now));
    }

    fn interrupt(&mut self, out: &mut dyn Emit<Event>) {
        if let (Some(off_target), Some(programme)) = (&mut self.off_target, self.programme) {
            off_target.flush(programme.end, out);
        }
        self.forget_recent();
    }

    fn flush(&mut self, out: &mut dyn Emit<Event>) {
        let Some(span) = self.programme else { return };
        if let Some(off_target) = &mut self.off_target {
            off_target.flush(span.end, out);
        }
        let report = report(LoudnessScope::Programme, self.meter.programme());
        out.emit(&Event::new(span, span.end, report));
    }

    fn reset(&mut self) {
        self.forget_recent();
        self.meter.reset();
        self.programme = None;
    }

    fn forget_recent(&mut self) {
        self.meter.interrupt();
        self.n_windows = 0;
        self.peak = 0.0;
        if let Some(off_target) = &mut self.off_target {
            off_target.reset();
        }
    }

    /// True peaks that nobody asks for need not be computed.
    fn peak_floor(&self) -> f32 {
        let metered = if self.meters == Meters::TenHertz { self.peak } else { f32::INFINITY };
        let limit = self.off_target.as_ref().map_or(f32::INFINITY, OffTarget::peak_max);
        metered.min(limit)
    }

    fn tell_meter(&mut self, now: MediaTime, out: &mut dyn Emit<Event>) {
        let peak = std::mem::take(&mut self.peak);
        let meter = Meter {
            momentary_lufs: self.meter.momentary(),
            short_term_lufs: self.meter.short_term(),
            true_peak_dbtp: (peak > 0.0).then(|| 20.0 * f64::from(peak).log10()),
        };
        out.emit(&Event::new(Span::new(self.meter_start, now), now, meter));
        self.meter_start = now;
    }
}

/// End of the minute of media time that `now` is in.
fn minute_end(now: MediaTime) -> MediaTime {
    let minute = MediaTime::from_secs(60).flicks();
    MediaTime::from_flicks((now.flicks() / minute + 1).saturating_mul(minute))
}

fn report(scope: LoudnessScope, measure: &Measure) -> LoudnessReport {
    LoudnessReport {
        scope,
        integrated_lufs: measure.integrated(),
        range_lu: measure.range(),
        true_peak_dbtp: measure.true_peak(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{Piece, alerts, format, noise, planes, run, silence, tone};
    use engine::event::Body;

    /// All that is told but the alerts: meters every second only.
    fn check(config: LoudnessConfig, pieces: &[Piece], expected: &[&str]) {
        let make = |format| Loudness::new(format, config).unwrap();
        let (mut operator, mut seen) = run(format(8_000, 2), make, pieces);
        operator.flush(&mut |event: &Event| seen.push(event.clone()));
        let show = |value: Option<f64>| value.map_or("none".to_owned(), |v| format!("{:.1}", v + 1e-3));
        let text = |event: &Event| match event.body {
            Body::Meter(m) if event.span.end.as_millis().is_multiple_of(1_000) => Some(format!(
                "{} {} {} {}",
                event.proof,
                show(m.momentary_lufs),
                show(m.short_term_lufs),
                show(m.true_peak_dbtp)
            )),
            Body::LoudnessReport(r) => Some(format!(
                "{:?} {}..{} {} {} {}",
                r.scope,
                event.span.start,
                event.span.end,
                show(r.integrated_lufs),
                show(r.range_lu),
                show(r.true_peak_dbtp)
            )),
            _ => None,
        };
        assert_eq!(seen.iter().filter_map(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_minute_and_the_programme_are_reported() {
        let pieces = [tone(50.0, 1_000.0, -23.0), tone(65.0, 1_000.0, -33.0), silence(6.5)];
        let expected = [
            "Minute 0.000..60.000 -23.7 10.0 -23.0",
            "Minute 60.000..120.000 -33.0 0.0 -33.0",
            "Programme 0.000..121.500 -26.1 10.0 -23.0",
        ];
        check(LoudnessConfig::default(), &pieces, &expected);
    }

    #[test]
    fn a_programme_goes_on_after_a_discontinuity() {
        let mut loudness = Loudness::new(format(8_000, 2), LoudnessConfig::default()).unwrap();
        let mut seen = Vec::new();
        let mut note = |event: &Event| {
            let Body::LoudnessReport(r) = event.body else { return };
            let value = |value: Option<f64>| value.map_or(f64::NAN, |v| v + 1e-3);
            let (loud, peak) = (value(r.integrated_lufs), value(r.true_peak_dbtp));
            seen.push(format!(
                "{:?} {} {}..{} {loud:.1} {peak:.1}",
                r.scope, event.proof, event.span.start, event.span.end
            ));
        };
        // Half a minute, 20 s lost, as much again; then two minutes lost.
        for (start_secs, secs, dbfs) in [(0, 30.0, -23.0), (50, 30.0, -33.0), (200, 5.0, -43.0)] {
            loudness.interrupt(&mut note);
            let planes = planes(8_000, 2, &[tone(secs, 1_000.0, dbfs)]);
            let mut block = Block::spare(format(8_000, 2), planes[0].len());
            let now = block.received_at();
            block.restart(MediaTime::ZERO, start_secs * 8_000, now);
            block.extend_planar(&[&planes[0], &planes[1]]);
            loudness.push(&block, &mut note);
        }
        loudness.interrupt(&mut note);
        loudness.flush(&mut note);
        let expected = [
            "Minute 60.000 0.000..60.000 -24.1 -23.0",
            "Minute 200.000 60.000..80.000 -33.0 -33.0",
            "Programme 205.000 0.000..205.000 -25.6 -23.0",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn meters_come_when_they_are_asked_for() {
        let config = LoudnessConfig { meters: Meters::TenHertz, ..Default::default() };
        let pieces = [tone(3.0, 1_000.0, -23.0), silence(1.0)];
        let expected = [
            "1.000 -23.0 none -23.0",
            "2.000 -23.0 none -23.0",
            "3.000 -23.0 -23.0 -23.0",
            "4.000 none -24.7 none",
            "Programme 0.000..4.000 -23.2 1.6 -23.0",
        ];
        check(config, &pieces, &expected);
    }

    #[test]
    fn off_target_is_alerted_and_so_are_true_peaks() {
        let config = LoudnessConfig { target: Some(LoudnessTarget::EBU_R128), ..Default::default() };
        let make = |format| Loudness::new(format, config).unwrap();
        let right = |secs| tone(secs, 1_000.0, -23.0);
        let loud = [right(5.0), tone(15.0, 1_000.0, -14.0), right(8.0)];
        let expected = ["16.280 loudness from 6.280", "25.070 loudness 6.280..21.710"];
        assert_eq!(alerts(8_000, 2, make, &loud), expected);
        let quiet = [right(5.0), tone(15.0, 1_000.0, -33.0), right(8.0)];
        assert_eq!(
            alerts(8_000, 2, make, &quiet),
            ["17.490 loudness from 7.490", "23.710 loudness 7.490..20.500"]
        );
        let after_silence =
            [silence(1.0), tone(2.0, 1_000.0, -33.0), silence(13.0), tone(9.0, 1_000.0, -33.0)];
        assert_eq!(alerts(8_000, 2, make, &after_silence), [] as [&str; 0]);
        let both = [tone(8.0, 1_000.0, -33.0), silence(5.0), tone(8.0, 1_000.0, -13.0)];
        assert_eq!(alerts(8_000, 2, make, &both), [] as [&str; 0]);
        let peak = [right(5.0), tone(0.05, 500.0, 0.0), right(5.0)];
        let expected = ["5.010 loudness from 5.000", "8.060 loudness 5.000..5.060"];
        assert_eq!(alerts(8_000, 2, make, &peak), expected);
    }

    #[test]
    fn one_channel_may_count_twice() {
        let measure = |mono| {
            let make = |format| Loudness::new(format, LoudnessConfig { mono, ..Default::default() }).unwrap();
            run(format(48_000, 1), make, &[noise(1.0, -20.0)]).0.judge.meter.momentary().unwrap()
        };
        assert!((measure(Mono::Dual) - measure(Mono::Single) - 3.0103).abs() < 1e-4);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let target = LoudnessTarget { tolerance_lu: 0.0, ..LoudnessTarget::EBU_R128 };
        let config = LoudnessConfig { target: Some(target), ..Default::default() };
        let error = Loudness::new(Format::SPEECH, config).unwrap_err();
        assert_eq!(error.to_string(), "loudness tolerance_lu is 0, expected 0.5 to 20 LU");
    }
}

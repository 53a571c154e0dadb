//! Alerts when loudness or true peaks are off a target. Measures nothing itself.

use engine::event::{AlertKind, Event};
use engine::operator::Emit;
use engine::time::{MediaTime, Span};

use super::config::LoudnessTarget;
use crate::alarm::{Alarm, Finding, Subject, Timing, Verdict};
use crate::error::BuildError;

/// Within the tolerance by this much is right again, LU.
const MARGIN_LU: f64 = 1.0;
/// Further below the target it is a pause, about which nothing is said, LU. As far as loudness range looks
/// (EBU Tech 3342).
const PAUSE_LU: f64 = 20.0;
/// A pass through the tolerance of this length does not break a stretch that is off.
const EXCEPTION: MediaTime = MediaTime::from_millis(500);

/// Two alarms: short-term loudness, and true peaks.
#[derive(Debug)]
pub(super) struct OffTarget {
    target: LoudnessTarget,
    peak_max: f32,
    loudness: Alarm,
    peaks: Alarm,
}

impl OffTarget {
    pub(super) fn new(target: LoudnessTarget) -> Result<Self, BuildError> {
        target.check()?;
        let subject = Subject { profile: Some(target.profile), ..Subject::new(AlertKind::Loudness, "LUFS") };
        let timing = Timing {
            open_after: target.open_after,
            break_after: EXCEPTION,
            close_after: target.close_after,
            relapse_after: EXCEPTION,
        };
        let at_once = Timing {
            open_after: MediaTime::ZERO,
            break_after: MediaTime::ZERO,
            close_after: target.close_after,
            relapse_after: MediaTime::ZERO,
        };
        Ok(Self {
            target,
            peak_max: 10.0_f64.powf(target.true_peak_max_dbtp / 20.0) as f32,
            loudness: Alarm::new(subject, timing, |mean| mean),
            peaks: Alarm::new(Subject { lane: 1, unit: "dBTP", ..subject }, at_once, |peak| {
                20.0 * peak.log10()
            }),
        })
    }

    /// Linear.
    pub(super) const fn peak_max(&self) -> f32 {
        self.peak_max
    }

    pub(super) fn window(
        &mut self,
        short_term: Option<f64>,
        peak: f32,
        span: Span,
        out: &mut dyn Emit<Event>,
    ) {
        let Span { start: since, end: proof } = span;
        let value = short_term.unwrap_or(f64::NEG_INFINITY);
        let off = value - self.target.lufs;
        let verdict = match off.abs() {
            _ if off < -PAUSE_LU => Verdict::Unclear,
            far if far > self.target.tolerance_lu => Verdict::Bad,
            far if far <= self.target.tolerance_lu - MARGIN_LU.min(self.target.tolerance_lu / 2.0) => {
                Verdict::Good
            }
            _ => Verdict::Unclear,
        };
        let threshold = self.target.lufs + self.target.tolerance_lu.copysign(off);
        self.loudness.observe(&Finding { verdict, span, since, proof, value, threshold }, out);
        let verdict = if peak > self.peak_max { Verdict::Bad } else { Verdict::Good };
        let (value, threshold) = (f64::from(peak), self.target.true_peak_max_dbtp);
        self.peaks.observe(&Finding { verdict, span, since, proof, value, threshold }, out);
    }

    pub(super) fn flush(&mut self, now: MediaTime, out: &mut dyn Emit<Event>) {
        self.loudness.flush(now, out);
        self.peaks.flush(now, out);
    }

    pub(super) const fn reset(&mut self) {
        self.loudness.reset();
        self.peaks.reset();
    }
}

//! Alerts when loudness or true peaks are off a target. Measures nothing itself.

use engine::event::{AlertKind, Event};
use engine::operator::Emit;
use engine::time::{MediaTime, Span};

use super::config::LoudnessTarget;
use crate::alarm::{Alarm, Finding, Subject, Timing, Verdict};
use crate::error::BuildError;

/// Within the tolerance by this much is right again, LU.
const MARGIN_LU: f64 = 1.0;
/// Below this short-term loudness it is silence, which is dead air's business, LUFS.
const SILENCE_LUFS: f64 = -50.0;
/// A pass through the tolerance of this length does not break a stretch that is off.
const EXCEPTION: MediaTime = MediaTime::from_millis(500);

/// Three alarms: too loud, too quiet, true peaks.
#[derive(Debug)]
pub(super) struct OffTarget {
    target: LoudnessTarget,
    peak_max: f32,
    loud: Alarm,
    quiet: Alarm,
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
        let peaks = Subject { lane: 2, unit: "dBTP", ..subject };
        Ok(Self {
            target,
            peak_max: 10.0_f64.powf(target.true_peak_max_dbtp / 20.0) as f32,
            loud: Alarm::new(subject, timing, |mean| mean),
            quiet: Alarm::new(Subject { lane: 1, ..subject }, timing, |mean| mean),
            peaks: Alarm::new(peaks, at_once, |peak| 20.0 * peak.log10()),
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
        let LoudnessTarget { lufs, tolerance_lu, true_peak_max_dbtp, .. } = self.target;
        let value = short_term.unwrap_or(f64::NEG_INFINITY);
        for (alarm, sign) in [(&mut self.loud, 1.0), (&mut self.quiet, -1.0)] {
            let verdict = verdict(value, sign * (value - lufs), tolerance_lu);
            let threshold = lufs + sign * tolerance_lu;
            alarm.observe(&Finding { verdict, span, since, proof, value, threshold }, out);
        }
        let verdict = if peak > self.peak_max { Verdict::Bad } else { Verdict::Good };
        let (value, threshold) = (f64::from(peak), true_peak_max_dbtp);
        self.peaks.observe(&Finding { verdict, span, since, proof, value, threshold }, out);
    }

    pub(super) fn flush(&mut self, now: MediaTime, out: &mut dyn Emit<Event>) {
        self.loud.flush(now, out);
        self.quiet.flush(now, out);
        self.peaks.flush(now, out);
    }

    pub(super) const fn reset(&mut self) {
        self.loud.reset();
        self.quiet.reset();
        self.peaks.reset();
    }
}

/// Of a loudness that is `off` the target in the direction looked at, LU.
fn verdict(short_term: f64, off: f64, tolerance_lu: f64) -> Verdict {
    if short_term < SILENCE_LUFS {
        Verdict::Unclear
    } else if off > tolerance_lu {
        Verdict::Bad
    } else if off <= tolerance_lu - MARGIN_LU.min(tolerance_lu / 2.0) {
        Verdict::Good
    } else {
        Verdict::Unclear
    }
}

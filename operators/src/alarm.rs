//! Turns what windows say into pairs of alerts, with hysteresis in time. What is bad is for the caller to say.

use engine::event::{Alert, AlertKind, ChannelMap, Event, LoudnessProfile, Observation, Phase};
use engine::operator::Emit;
use engine::time::{MediaTime, Span};

/// What all alerts of one alarm have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) kind: AlertKind,
    /// Tells apart the alarms of one kind, 0..=3.
    pub(crate) lane: u8,
    /// Unit of the observations, as [`Observation::unit`].
    pub(crate) unit: &'static str,
    pub(crate) channels: Option<ChannelMap>,
    pub(crate) profile: Option<LoudnessProfile>,
}

impl Subject {
    /// About all channels, alone of its kind.
    pub(crate) const fn new(kind: AlertKind, unit: &'static str) -> Self {
        Self { kind, lane: 0, unit, channels: None, profile: None }
    }
}

/// Opens and closes the alerts of a subject.
#[derive(Debug)]
pub(crate) struct Pair {
    subject: Subject,
    open: Option<(MediaTime, Observation)>,
}

impl Pair {
    pub(crate) const fn new(subject: Subject) -> Self {
        Self { subject, open: None }
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Opens at `start`: `observed` crossed `threshold`, which is known since `proof`.
    pub(crate) fn open(
        &mut self,
        start: MediaTime,
        proof: MediaTime,
        values: [f64; 2],
        out: &mut dyn Emit<Event>,
    ) {
        let [observed, threshold] = values;
        let observation = Observation { observed, threshold, unit: self.subject.unit };
        self.open = Some((start, observation));
        let alert = self.alert(Phase::Open, start, observation);
        out.emit(&Event::new(Span::new(start, start), proof, alert));
    }

    /// Closes at `end`, if it is open.
    pub(crate) fn close(&mut self, end: MediaTime, proof: MediaTime, out: &mut dyn Emit<Event>) {
        if let Some((start, observation)) = self.open.take() {
            let span = Span::new(start, end);
            let alert =
                Alert { duration: Some(span.duration()), ..self.alert(Phase::Close, start, observation) };
            out.emit(&Event::new(span, proof, alert));
        }
    }

    pub(crate) const fn reset(&mut self) {
        self.open = None;
    }

    fn alert(&self, phase: Phase, start: MediaTime, observation: Observation) -> Alert {
        let Subject { kind, lane, channels, profile, .. } = self.subject;
        Alert {
            alert: kind,
            phase,
            pair: pair_id(start, lane),
            observation,
            profile,
            channels,
            duration: None,
        }
    }
}

/// Made from the start, so that it stays unique across resets without a memory: two alerts of one alarm never start
/// within the same 10 ms. Repeats after 124 days.
const fn pair_id(start: MediaTime, lane: u8) -> u32 {
    ((start.as_millis() / 10 * 4 + lane as u64) & u32::MAX as u64) as u32
}

/// How long it takes to believe something. All are summed over windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// Bad before an alert opens; zero: at the first bad window.
    pub(crate) open_after: MediaTime,
    /// Good before a stretch that has not opened an alert is forgotten.
    pub(crate) break_after: MediaTime,
    /// Good before an alert closes.
    pub(crate) close_after: MediaTime,
    /// Bad without a good window between, before the good ones so far no longer count.
    pub(crate) relapse_after: MediaTime,
}

/// See [`Verdict::Unclear`].
const FORGET: MediaTime = MediaTime::from_secs(5);

/// What a window says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Bad,
    /// Neither: nothing is summed. After [`FORGET`] of it a stretch that has not opened an alert is forgotten.
    Unclear,
    Good,
}

/// What a window says, about where, and since when that is certain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) span: Span,
    /// Where the stretch begins, if this window is its first.
    pub(crate) since: MediaTime,
    pub(crate) proof: MediaTime,
    /// What is averaged over bad windows for the alert.
    pub(crate) value: f64,
    /// Its limit, on the scale of the alert's unit.
    pub(crate) threshold: f64,
}

/// Opens an alert at the start of a bad stretch once it has lasted, and closes it at its end once that has.
#[derive(Debug)]
pub(crate) struct Alarm {
    pair: Pair,
    timing: Timing,
    /// From the mean of the values to the unit of the alert.
    scale: fn(f64) -> f64,
    stretch: Option<Stretch>,
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    start: MediaTime,
    end: MediaTime,
    bad: MediaTime,
    bad_in_a_row: MediaTime,
    good: MediaTime,
    /// Since the last window that was bad or good.
    unclear: MediaTime,
    value_sum: f64,
    n_values: u32,
}

impl Alarm {
    pub(crate) const fn new(subject: Subject, timing: Timing, scale: fn(f64) -> f64) -> Self {
        Self { pair: Pair::new(subject), timing, scale, stretch: None }
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.pair.is_open()
    }

    pub(crate) fn observe(&mut self, finding: &Finding, out: &mut dyn Emit<Event>) {
        match finding.verdict {
            Verdict::Bad => self.bad(finding, out),
            Verdict::Good => self.good(finding, out),
            Verdict::Unclear => self.unclear(finding),
        }
    }

    /// Closes what is open; the audio ended at `proof`.
    pub(crate) fn flush(&mut self, proof: MediaTime, out: &mut dyn Emit<Event>) {
        if let Some(stretch) = self.stretch.take() {
            self.pair.close(stretch.end, proof, out);
        }
    }

    pub(crate) const fn reset(&mut self) {
        self.pair.reset();
        self.stretch = None;
    }

    fn bad(&mut self, finding: &Finding, out: &mut dyn Emit<Event>) {
        let length = finding.span.duration();
        let stretch = self.stretch.get_or_insert(Stretch::new(finding.since));
        stretch.unclear = MediaTime::ZERO;
        stretch.bad = stretch.bad + length;
        stretch.bad_in_a_row = stretch.bad_in_a_row + length;
        stretch.value_sum += finding.value;
        stretch.n_values = stretch.n_values.saturating_add(1);
        if stretch.bad_in_a_row >= self.timing.relapse_after {
            stretch.good = MediaTime::ZERO;
        }
        if stretch.good == MediaTime::ZERO {
            stretch.end = finding.span.end;
        }
        if !self.pair.is_open() && stretch.bad >= self.timing.open_after {
            let observed = (self.scale)(stretch.value_sum / f64::from(stretch.n_values));
            self.pair.open(stretch.start, finding.proof, [observed, finding.threshold], out);
        }
    }

    fn good(&mut self, finding: &Finding, out: &mut dyn Emit<Event>) {
        let Some(stretch) = &mut self.stretch else { return };
        stretch.unclear = MediaTime::ZERO;
        stretch.bad_in_a_row = MediaTime::ZERO;
        stretch.good = stretch.good + finding.span.duration();
        let limit = if self.pair.is_open() { self.timing.close_after } else { self.timing.break_after };
        if stretch.good >= limit {
            let end = stretch.end;
            self.stretch = None;
            self.pair.close(end, finding.proof, out);
        }
    }

    fn unclear(&mut self, finding: &Finding) {
        if let Some(stretch) = self.stretch.as_mut().filter(|_| !self.pair.is_open()) {
            stretch.unclear = stretch.unclear + finding.span.duration();
            if stretch.unclear >= FORGET {
                self.stretch = None;
            }
        }
    }
}

impl Stretch {
    const fn new(start: MediaTime) -> Self {
        let zero = MediaTime::ZERO;
        Self {
            start,
            end: start,
            bad: zero,
            bad_in_a_row: zero,
            good: zero,
            unclear: zero,
            value_sum: 0.0,
            n_values: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::event::Body;

    /// One letter per 100 ms: `x` bad, `.` good, `?` unclear. Events as `open@proof start` and `close@proof
    /// start..end` in tenths of a second; what is open at the end is flushed.
    fn check(windows: &str, expected: &[&str]) {
        let ms = MediaTime::from_millis;
        let timing = Timing {
            open_after: ms(300),
            break_after: ms(200),
            close_after: ms(400),
            relapse_after: ms(200),
        };
        let mut alarm = Alarm::new(Subject::new(AlertKind::DeadAir, "dBFS"), timing, |v| v);
        let mut seen = Vec::new();
        let mut sink = |event: &Event| {
            let tenths = |t: MediaTime| t.as_millis() / 100;
            let Body::Alert(alert) = event.body else { return };
            let (start, end, proof) = (tenths(event.span.start), tenths(event.span.end), tenths(event.proof));
            assert_eq!(u64::from(alert.pair), start * 40);
            seen.push(match alert.phase {
                Phase::Open => format!("open@{proof} {start}"),
                Phase::Close => format!("close@{proof} {start}..{end}"),
            });
        };
        let mut now = MediaTime::ZERO;
        for letter in windows.chars() {
            let span = Span::new(now, now + ms(100));
            let verdict = match letter {
                'x' => Verdict::Bad,
                '.' => Verdict::Good,
                _ => Verdict::Unclear,
            };
            now = span.end;
            let finding =
                Finding { verdict, span, since: span.start, proof: now, value: 0.0, threshold: 0.0 };
            alarm.observe(&finding, &mut sink);
        }
        alarm.flush(now, &mut sink);
        assert_eq!(seen, expected, "{windows}");
    }

    #[test]
    fn an_alert_opens_at_its_true_start_and_closes_at_its_true_end() {
        check("..xxxxx........", &["open@5 2", "close@11 2..7"]);
        check("xx..xx..xx.", &[]);
        check("xxxx", &["open@3 0", "close@4 0..4"]);
    }

    #[test]
    fn short_interruptions_do_not_count() {
        check("xx.xx......", &["open@4 0", "close@9 0..5"]);
        check("xxx..xx....", &["open@3 0", "close@11 0..7"]);
        check("xxx...x....", &["open@3 0", "close@8 0..3"]);
    }

    #[test]
    fn unclear_windows_change_nothing() {
        check("x?x???x??", &["open@7 0", "close@9 0..7"]);
        check("xxx?.?.?.?.?", &["open@3 0", "close@11 0..3"]);
        let long = "?".repeat(50);
        check(&format!("xx{long}xx"), &[]);
        check(&format!("xxx{long}xx"), &["open@3 0", "close@55 0..55"]);
    }
}

//! After a stall: was the source silent, so that its time is lost, or was its audio only late on the way? What comes at once
//! was on the way. What comes as it is heard, after a pause, says that nothing was sent in the pause.

use std::time::{Duration, Instant};

use engine::time::{MediaTime, SampleRate};

use super::super::decode::Planes;

/// For so long after a stall audio is held back: what was on the way comes within it. Less than the budget of an alert.
const HOLD: Duration = Duration::from_millis(200);
/// Less than this is not missing: senders and servers have their own pace.
const MISSING_MIN: Duration = Duration::from_millis(1_000);

/// What came since a stall, until it is judged.
pub(super) struct Stall {
    /// Arrival of the last audio before it.
    edge: Instant,
    /// Arrival of the first audio after it.
    since: Instant,
    /// Arrival of the latest.
    until: Instant,
    length: MediaTime,
    held: Vec<(Planes, Instant)>,
}

impl Stall {
    /// Audio comes again, at `since`, after the last at `edge`.
    pub(super) const fn new(edge: Instant, since: Instant) -> Self {
        Self { edge, since, until: since, length: MediaTime::ZERO, held: Vec::new() }
    }

    /// Holds what arrived at `at`.
    pub(super) fn hold(&mut self, planes: Planes, at: Instant, rate: SampleRate) {
        self.length = self.length + MediaTime::from_frames(planes.n_frames() as u64, rate);
        self.until = at;
        self.held.push((planes, at));
    }

    /// Whether enough is known.
    pub(super) fn is_judged(&self) -> bool {
        self.until.saturating_duration_since(self.since) >= HOLD || self.missing() < MISSING_MIN
    }

    /// The time that is lost, if any, and what was held.
    pub(super) fn end(self) -> (Option<Duration>, Vec<(Planes, Instant)>) {
        let missing = self.missing();
        ((missing >= MISSING_MIN).then_some(missing), self.held)
    }

    fn missing(&self) -> Duration {
        self.until.saturating_duration_since(self.edge).saturating_sub(self.length.to_duration())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Audio of `pieces` of 100 ms after a stall of 5 s, each after so many ms: what is missing, s, and how many were held.
    fn check(pieces: &[u64], expected: Option<f64>, n_held: usize) {
        let edge = Instant::now();
        let since = edge + Duration::from_secs(5);
        let mut stall = Stall::new(edge, since);
        for millis in pieces {
            let mut planes = Planes::default();
            planes.fill_interleaved(&[[0_u8; 1]; 1_600], &[0], |_| 0.0);
            stall.hold(planes, since + Duration::from_millis(*millis), SampleRate::new(16_000).unwrap());
            if stall.is_judged() {
                break;
            }
        }
        let (missing, held) = stall.end();
        assert_eq!(
            (missing.map(|missing| missing.as_secs_f64()), held.len()),
            (expected, n_held),
            "{pieces:?}"
        );
    }

    #[test]
    fn a_source_that_was_silent_has_lost_its_time() {
        // 5.2 s since the last audio, 0.3 s of it here.
        check(&[0, 100, 200, 300], Some(4.9), 3);
    }

    #[test]
    fn audio_that_was_on_the_way_is_only_late() {
        // As soon as less than a second is missing.
        check(&[10; 60], None, 41);
    }
}

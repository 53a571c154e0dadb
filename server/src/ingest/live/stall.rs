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

/// For so much audio after a stall the stream may say that the same time is missing: an Ogg stream does so by the page that
/// follows the first one.
const SAME: MediaTime = MediaTime::from_millis(2_000);

/// Time that was lost in a stall, as we saw it and as the stream says: so that it is told once.
#[derive(Default)]
pub(super) struct Account {
    /// The stream said so since its last frames.
    lost: MediaTime,
    /// We said so.
    away: MediaTime,
    /// Audio since then.
    heard: MediaTime,
}

impl Account {
    /// We say that `elapsed` is missing.
    pub(super) fn we_say(&mut self, elapsed: Duration) {
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        (self.away, self.heard) = (MediaTime::from_millis(millis), MediaTime::ZERO);
    }

    /// The stream says that `lost` is missing: what of that was not told yet.
    pub(super) fn stream_says(&mut self, lost: MediaTime) -> MediaTime {
        let told = std::mem::replace(&mut self.away, MediaTime::ZERO);
        let rest = if self.heard <= SAME { lost.saturating_sub(told) } else { lost };
        self.lost = self.lost + rest;
        rest
    }

    /// Frames came.
    pub(super) fn heard(&mut self, length: MediaTime) {
        self.heard = self.heard + length;
        self.lost = MediaTime::ZERO;
    }

    /// What the stream said since its last frames.
    pub(super) fn lost(&self) -> Duration {
        self.lost.to_duration()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_say_is_told_once() {
        let ms = MediaTime::from_millis;
        let mut account = Account::default();
        account.we_say(Duration::from_millis(2_900));
        account.heard(ms(100));
        assert_eq!(account.stream_says(ms(3_000)), ms(100), "the same time");
        assert_eq!(account.stream_says(ms(3_000)), ms(3_000), "another one");
        assert_eq!(account.lost(), Duration::from_millis(3_100));
        account.we_say(Duration::from_secs(9));
        account.heard(ms(2_001));
        assert_eq!(account.stream_says(ms(500)), ms(500), "too late to be the same");
    }

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

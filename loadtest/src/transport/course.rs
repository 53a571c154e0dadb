//! The media clock of a feed as its server counts it: turns pieces sent into legs and losses.

use std::time::{Duration, Instant};

use engine::time::{MediaTime, Span};

use super::note::{Departure, Note, Noted, Notes};
use crate::pace::Anchor;

/// A leg is exact to so much; where the sender's clock drifts there is a new one after it.
const TOLERANCE: Duration = Duration::from_millis(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Course {
    notes: Notes,
    feed_idx: usize,
    session: u32,
    /// Length of a round of the programme.
    round: MediaTime,
    piece: MediaTime,
    /// Media time of what is sent next.
    at: MediaTime,
    leg: Option<Anchor>,
}

impl Course {
    pub(super) fn new(notes: Notes, feed_idx: usize, round: MediaTime, piece: MediaTime) -> Self {
        Self { notes, feed_idx, session: 0, round, piece, at: MediaTime::ZERO, leg: None }
    }

    /// A piece was sent that begins at `position`, counted on over all rounds, and was due then. `held_until`: kept back on
    /// purpose until then.
    pub(super) fn sent(&mut self, position: MediaTime, due: Instant, held_until: Option<Instant>) {
        let round = self.round.flicks().max(1);
        let behind = self.at.flicks() % round;
        let position = MediaTime::from_flicks((position.flicks() % round + round - behind) % round);
        let heard = (self.at + self.piece).to_duration();
        let anchor =
            Anchor { due: due.checked_sub(heard).unwrap_or(due), position, piece: self.piece, held_until };
        let goes_on = self.leg.is_some_and(|leg| {
            let off = leg.due.max(anchor.due) - leg.due.min(anchor.due);
            (leg.position, leg.held_until) == (anchor.position, anchor.held_until) && off <= TOLERANCE
        });
        if !goes_on {
            self.leg = Some(anchor);
            self.tell(Noted::Leg { from: self.at, anchor });
        }
        self.at = self.at + self.piece;
    }

    /// A piece of something else was sent.
    pub(super) fn noise(&mut self) {
        self.missed(self.piece);
    }

    /// Media time goes on for so long without audio, on purpose.
    pub(super) fn missed(&mut self, length: MediaTime) {
        let from = self.at;
        self.at = self.at + length;
        self.tell(Noted::Lost(Span::new(from, self.at)));
    }

    /// Media time goes on for so long without audio because nobody fetched it: it is expected all the same.
    pub(super) fn away(&mut self, length: MediaTime) {
        self.at = self.at + length;
    }

    /// The connection is over.
    pub(super) fn left(&self, how: Departure) {
        self.tell(Noted::Left { at: self.at, how });
    }

    /// The next audio is the first of a new media clock.
    pub(super) fn begin_session(&mut self) {
        self.session += 1;
        (self.at, self.leg) = (MediaTime::ZERO, None);
    }

    pub(super) fn tell(&self, what: Noted) {
        self.notes.tell(Note { feed_idx: self.feed_idx, session: self.session, what });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: MediaTime = MediaTime::from_millis(50);

    fn ms(ms: u64) -> MediaTime {
        MediaTime::from_millis(ms)
    }

    /// What is told of the pieces that `play` sends; due times count from 0.
    fn check(play: impl FnOnce(&mut Course, Instant), expected: &[&str]) {
        let start = Instant::now();
        let (notes, mut told) = Notes::new(100);
        play(&mut Course::new(notes, 3, ms(1_000), PIECE), start);
        let told: Vec<_> =
            std::iter::from_fn(|| told.try_recv().ok()).map(|note| show(&note, start)).collect();
        assert_eq!(told, expected);
    }

    fn show(note: &Note, start: Instant) -> String {
        let since =
            |at: Instant| (at.max(start) - at.min(start)).as_secs_f64() * if at < start { -1.0 } else { 1.0 };
        match &note.what {
            Noted::Leg { from, anchor } => {
                let held = anchor.held_until.map(since);
                format!("{} {from}: {} at {:.3} {held:?}", note.session, anchor.position, since(anchor.due))
            }
            Noted::Lost(span) => format!("{} lost {} to {}", note.session, span.start, span.end),
            what => format!("{what:?}"),
        }
    }

    /// Piece `idx` of a feed that begins at second 0, at position 0.9 s of a round of 1 s.
    fn send(course: &mut Course, start: Instant, idx: u64) {
        course.sent(ms(900 + idx * 50), start + ms((idx + 1) * 50).to_duration(), None);
    }

    #[test]
    fn steady_audio_is_one_leg_over_all_rounds() {
        check(
            |course, start| (0..100).for_each(|idx| send(course, start, idx)),
            &["0 0.000: 0.900 at 0.000 None"],
        );
    }

    #[test]
    fn a_loss_that_the_server_sees_leaves_the_leg_and_another_shifts_it() {
        let seen = |course: &mut Course, start| {
            (0..2).for_each(|idx| send(course, start, idx));
            course.missed(ms(100));
            (4..6).for_each(|idx| send(course, start, idx));
        };
        check(seen, &["0 0.000: 0.900 at 0.000 None", "0 lost 0.100 to 0.200"]);
        let unseen = |course: &mut Course, start| (0..2).chain(4..6).for_each(|idx| send(course, start, idx));
        check(unseen, &["0 0.000: 0.900 at 0.000 None", "0 0.100: 0.000 at 0.100 None"]);
    }

    #[test]
    fn a_burst_is_a_leg_of_its_own() {
        let burst = |course: &mut Course, start: Instant| {
            send(course, start, 0);
            let until = start + ms(150).to_duration();
            for idx in 1..3 {
                course.sent(ms(900 + idx * 50), start + ms((idx + 1) * 50).to_duration(), Some(until));
            }
            send(course, start, 3);
        };
        let held = "0 0.050: 0.900 at 0.000 Some(0.15)";
        check(burst, &["0 0.000: 0.900 at 0.000 None", held, "0 0.150: 0.900 at 0.000 None"]);
    }

    #[test]
    fn drift_makes_a_leg_for_each_millisecond() {
        let drift = |course: &mut Course, start: Instant| {
            for idx in 0..31 {
                let due = ms((idx + 1) * 50).to_duration() + Duration::from_micros(100 * idx);
                course.sent(ms(900 + idx * 50), start + due, None);
            }
        };
        let legs =
            ["0 0.000: 0.900 at 0.000 None", "0 0.550: 0.900 at 0.001 None", "0 1.100: 0.900 at 0.002 None"];
        check(drift, &legs);
    }

    #[test]
    fn a_session_counts_from_zero_and_noise_is_lost() {
        let two = |course: &mut Course, start| {
            send(course, start, 0);
            course.noise();
            course.begin_session();
            send(course, start, 2);
        };
        check(
            two,
            &["0 0.000: 0.900 at 0.000 None", "0 lost 0.050 to 0.100", "1 0.000: 0.000 at 0.100 None"],
        );
    }
}

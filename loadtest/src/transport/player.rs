//! One feed, whatever carries it: takes pieces from the tape when they are due, through the weather, into an outbox that
//! the transport empties, and keeps the books of media time.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::time::MediaTime;

use super::course::Course;
use super::note::{Departure, Noted, Notes};
use super::tape::Tape;
use super::weather::{Outlook, Sky, Sudden, Weather};
use crate::failure::Failure;
use crate::pace::{Pacer, Punctuality, Timeline, now};

/// Multiples of it, less their whole part, never come near each other.
const GOLDEN_RATIO: f64 = 0.618_033_988_749_894_9;

/// Where in its programme feed `idx` begins, as a share of a round: feeds do not all say the same at once.
#[must_use]
pub fn share(idx: usize) -> f64 {
    (idx as f64 * GOLDEN_RATIO).fract()
}

/// What every transport has to know of a feed.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Which of `n_feeds` it is: feeds are spread over a piece's length, and over the programme.
    pub idx: usize,
    /// How many play.
    pub n_feeds: usize,
    /// What is played; the others take turns with it at each [`crate::scenario::Trouble::Change`]. All have rounds and
    /// pieces of the same length.
    pub tapes: Vec<Arc<Tape>>,
    /// When the first feed begins; those that are not connected by then begin when they are.
    pub begin: Instant,
    /// Its weather.
    pub weather: Weather,
    /// Where it is told what happens.
    pub notes: Notes,
    /// Where it is counted how punctual it was.
    pub punctuality: Punctuality,
}

/// A piece on its way.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) bytes: Bytes,
    pub(super) idx: u64,
    due: Instant,
    held_until: Option<Instant>,
    is_noise: bool,
}

impl Outgoing {
    /// When it was due: not before it was let go.
    pub(super) fn due(&self) -> Instant {
        self.held_until.map_or(self.due, |until| until.max(self.due))
    }
}

/// What a server's media time is. Where the audio itself is stamped, as in Ogg, that comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The audio that it got, end to end.
    Counted,
    /// That, but for pauses of at least so long and reconnections: those last as long as they lasted, and what is sent
    /// again after a reconnection is dropped.
    Stitched(Duration),
    /// What the audio is stamped with.
    Stamped,
}

/// What is to be done when a piece was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Empty the outbox.
    Send,
    /// Close the connection and open another; then empty the outbox.
    Reconnect,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Player {
    tapes: Vec<Arc<Tape>>,
    tape_idx: usize,
    /// Piece of the tape that piece 0 of the feed is.
    tape_start: u64,
    phase: Duration,
    pacer: Pacer,
    sky: Sky,
    pub(super) course: Course,
    clock: Clock,
    /// On a new connection of a stitched stream, until something is sent that had not been sent before.
    is_rejoining: bool,
    /// What was played before the last change is nothing that can be played again.
    is_changed: bool,
    /// So the connection began with nothing old.
    is_cut: bool,
    /// The server that counted media time is gone.
    is_forgotten: bool,
    /// First piece that was not sent, ever.
    next_idx: u64,
    pub(super) outbox: VecDeque<Outgoing>,
    burst: Vec<Outgoing>,
    swapped: Option<Outgoing>,
    due: Instant,
}

impl Player {
    /// Fails where tapes do not fit each other.
    pub(super) fn new(feed: Feed, clock: Clock) -> Result<Self, Failure> {
        let Feed { idx, n_feeds, tapes, begin, weather, notes, punctuality } = feed;
        let shape = |tape: &Tape| (tape.round(), tape.piece_length());
        let Some(tape) = tapes.first() else {
            return Err(Failure::Usage("a feed has nothing to play".into()));
        };
        if tapes.iter().any(|other| shape(other) != shape(tape)) {
            return Err(Failure::Usage(
                "tapes of one feed have rounds or pieces of different lengths".into(),
            ));
        }
        let piece = tape.piece_length();
        let phase = piece.to_duration().mul_f64(idx as f64 / n_feeds.max(1) as f64);
        Ok(Self {
            tape_start: (share(idx) * tape.n_pieces() as f64) as u64,
            phase,
            pacer: Pacer::new(Timeline::new(begin + phase, piece), punctuality),
            sky: Sky::new(weather, idx as u64),
            course: Course::new(notes, idx, tape.round(), piece),
            clock,
            is_rejoining: false,
            is_changed: false,
            is_cut: false,
            is_forgotten: false,
            tapes,
            tape_idx: 0,
            next_idx: 0,
            outbox: VecDeque::new(),
            burst: Vec::new(),
            swapped: None,
            due: begin,
        })
    }

    /// What is played now.
    pub(super) fn tape(&self) -> &Arc<Tape> {
        // There is one at least, see `new`.
        &self.tapes[self.tape_idx % self.tapes.len()]
    }

    /// Before the first piece: a feed that is late because its connection was begins now, at its place among the others.
    pub(super) fn begin(&mut self) {
        let now = now();
        if self.next_idx == 0 && self.pacer.due(0) < now + self.pacer.piece().to_duration() {
            self.pacer.restart(0, now + self.phase);
        }
    }

    /// Begins so long ago: what a station has played before anybody listens.
    pub(super) fn begin_before(&mut self, ago: Duration) {
        let start = self.pacer.due(0).checked_sub(ago + self.pacer.piece().to_duration());
        self.pacer.restart(0, start.unwrap_or_else(now));
    }

    /// Waits for the next piece, and puts what is to be sent into the outbox. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> Step {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same for those who wait for several things at once.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let turn = ready!(self.pacer.poll_next(cx));
        self.due = turn.due;
        let mut step = Step::Send;
        while let Some(sudden) = self.sky.look(turn.due) {
            match sudden {
                Sudden::Disconnect => step = Step::Reconnect,
                Sudden::Change => {
                    self.change();
                    step = Step::Reconnect;
                }
                Sudden::Forgotten => self.is_forgotten = true,
                Sudden::Drift(ppm) => self.pacer.drift(ppm),
                Sudden::Jitter { by, until } => self.pacer.jitter(by, until, self.sky.seed()),
            }
        }
        let outlook = self.sky.outlook(turn.due);
        self.put(turn.idx, turn.due, outlook);
        Poll::Ready(step)
    }

    /// The outbox is to hold the pieces from `burst` before the live edge, and playing goes on from there; for listeners that
    /// come. After a change there are none before: a station whose encoder is another has nothing old to send. `held`: what was
    /// due before was not meant to be sent before.
    pub(super) fn tune(&mut self, burst: Duration, held: bool) {
        let edge = self.pacer.edge();
        let piece = self.pacer.piece().to_duration();
        self.is_cut = std::mem::take(&mut self.is_changed);
        let burst = if self.is_cut { Duration::ZERO } else { burst };
        let n_pieces = u64::try_from(burst.as_nanos() / piece.as_nanos().max(1)).unwrap_or(u64::MAX);
        self.outbox.clear();
        self.burst.clear();
        self.swapped = None;
        self.is_rejoining = true;
        let is_anew = std::mem::take(&mut self.is_forgotten) && self.next_idx > 0;
        if is_anew {
            self.course.begin_session();
            self.next_idx = 0;
        }
        let held_until = (held || is_anew).then(now);
        for idx in edge.saturating_sub(n_pieces)..edge {
            let outgoing = self.outgoing(idx, self.pacer.due(idx), held_until);
            self.outbox.push_back(outgoing);
        }
        self.pacer.seek(edge);
    }

    /// The outbox's first was handed to the kernel, as a whole.
    pub(super) fn sent(&mut self) {
        let Some(Outgoing { idx, due, held_until, is_noise, .. }) = self.outbox.pop_front() else { return };
        let is_new = idx >= self.next_idx;
        if !is_new && (self.is_rejoining || self.clock == Clock::Stamped) {
            return;
        }
        let n_missing = if self.next_idx == 0 { 0 } else { idx.saturating_sub(self.next_idx) };
        self.account_for(MediaTime::from_flicks(n_missing * self.pacer.piece().flicks()));
        self.is_rejoining = false;
        self.next_idx = self.next_idx.max(idx + 1);
        if is_noise {
            self.course.noise();
        } else {
            let position = self.tape().position(self.tape_start + idx);
            self.course.sent(position, due, held_until);
        }
    }

    /// So much was not sent before what is sent now.
    fn account_for(&mut self, missing: MediaTime) {
        let is_missed = match self.clock {
            _ if self.is_rejoining => true,
            _ if self.tape().is_stamped() => true,
            Clock::Counted => false,
            Clock::Stitched(after) => missing.to_duration() >= after,
            Clock::Stamped => true,
        };
        if self.is_rejoining && !self.is_cut {
            self.course.away(missing);
        } else if is_missed && missing > MediaTime::ZERO {
            self.course.missed(missing);
        }
    }

    /// While the kernel does not take what is in the outbox.
    pub(super) const fn block(&mut self, is_blocked: bool) {
        self.pacer.block(is_blocked);
    }

    /// The server kept this feed waiting since then, until now.
    pub(super) fn held_back(&mut self, from: Instant) {
        self.pacer.held_back(from, now());
    }

    /// Whether what the server says is left unread.
    pub(super) fn is_deaf(&self) -> bool {
        self.sky.is_deaf(self.due)
    }

    /// The connection is over; the next one has a media clock of its own.
    pub(super) fn end_session(&mut self, how: Departure) {
        self.course.left(how);
        self.course.begin_session();
    }

    pub(super) fn tell(&self, what: Noted) {
        self.course.tell(what);
    }

    /// From here on the next tape; what waits to be sent, too.
    fn change(&mut self) {
        self.tape_idx += 1;
        self.is_changed = true;
        let tape = Arc::clone(self.tape());
        for outgoing in self.outbox.iter_mut().chain(&mut self.burst).chain(&mut self.swapped) {
            outgoing.bytes = tape.piece(self.tape_start + outgoing.idx);
        }
    }

    fn put(&mut self, idx: u64, due: Instant, outlook: Outlook) {
        let outgoing = self.outgoing(idx, due, None);
        match outlook {
            Outlook::Held => return self.burst.push(outgoing),
            Outlook::Swapped if self.swapped.is_none() => {
                self.swapped = Some(outgoing);
                return;
            }
            _ => {}
        }
        let late = |outgoing| Outgoing { held_until: Some(due), ..outgoing };
        self.outbox.extend(self.burst.drain(..).map(late));
        match outlook {
            Outlook::Lost | Outlook::Held => {}
            Outlook::Fair | Outlook::Swapped => self.outbox.push_back(outgoing),
            Outlook::Twice => self.outbox.extend([outgoing.clone(), outgoing]),
            Outlook::Noise => {
                let bytes = self.sky.noise(outgoing.bytes.len());
                self.outbox.push_back(Outgoing { bytes, is_noise: true, ..outgoing });
            }
        }
        self.outbox.extend(self.swapped.take().map(late));
    }

    fn outgoing(&self, idx: u64, due: Instant, held_until: Option<Instant>) -> Outgoing {
        let bytes = self.tape().piece(self.tape_start + idx);
        Outgoing { bytes, idx, due, held_until, is_noise: false }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::scenario::Trouble;
    use crate::transport::testing::{self, PIECE, legs};

    /// Pieces sent at each turn, and what was noted; trouble comes before turn 2.
    async fn check(
        clock: Clock,
        trouble: Trouble,
        n_turns: usize,
    ) -> (Vec<Vec<u64>>, Vec<crate::transport::Note>) {
        let (setup, feed, mut told) = testing::feed();
        let mut player = Player::new(feed, clock).unwrap();
        let mut turns = Vec::new();
        for turn in 0..n_turns {
            if turn == 2 {
                setup.weather.set(trouble).unwrap();
            }
            player.next().await;
            let mut sent = Vec::new();
            while let Some(outgoing) = player.outbox.front() {
                sent.push(outgoing.idx);
                player.sent();
            }
            turns.push(sent);
        }
        (turns, testing::notes(&mut told))
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_comes_at_once_and_was_due_then() {
        let (turns, notes) = check(Clock::Counted, Trouble::Burst(PIECE * 3), 7).await;
        assert_eq!(turns, [vec![0], vec![1], vec![], vec![], vec![], vec![2, 3, 4, 5], vec![6]]);
        assert_eq!(legs(&notes), [(0, 0, 0), (0, 2, 0), (0, 5, 0)]);
        let anchor = |note: &crate::transport::Note| match note.what {
            Noted::Leg { anchor, .. } => anchor,
            _ => panic!("{note:?}"),
        };
        assert_eq!(anchor(&notes[1]).held_until, Some(anchor(&notes[0]).due + PIECE * 6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_of_stamped_audio_is_lost() {
        let (turns, notes) = check(Clock::Stamped, Trouble::Stall(PIECE * 3), 7).await;
        assert_eq!(turns, [vec![0], vec![1], vec![], vec![], vec![], vec![5], vec![6]]);
        assert_eq!(legs(&notes), [(0, 0, 0)]);
        assert_eq!(lost(&notes), [3 * PIECE]);
    }

    #[tokio::test(start_paused = true)]
    async fn garbage_takes_the_place_of_audio() {
        let (turns, notes) = check(Clock::Counted, Trouble::Garbage(PIECE * 2), 6).await;
        assert_eq!(turns.concat(), [0, 1, 2, 3, 4, 5]);
        assert_eq!((legs(&notes), lost(&notes)), (vec![(0, 0, 0)], vec![PIECE, PIECE]));
    }

    #[tokio::test(start_paused = true)]
    async fn scrambled_pieces_are_lost_doubled_and_swapped_and_counted() {
        let trouble = Trouble::Scramble { probability: 0.2, length: PIECE * 500 };
        let (turns, notes) = check(Clock::Counted, trouble, 600).await;
        let sent = turns.concat();
        let n_lost = (0..600).filter(|idx| !sent.contains(idx)).count();
        let n_double = sent.windows(2).filter(|pair| pair[0] == pair[1]).count();
        let n_swapped = sent.windows(2).filter(|pair| pair[0] > pair[1]).count();
        // Of 500, one in five, then one in five of the rest, and again; four standard deviations are 36.
        for (n, expected) in [(n_lost, 100), (n_double, 80), (n_swapped, 64)] {
            assert!(n.abs_diff(expected) < 40, "{n_lost} {n_double} {n_swapped}");
        }
        assert!(sent.ends_with(&(510..600).collect::<Vec<_>>()), "over in time");
        // Every piece lies where its leg says.
        let legs = legs(&notes);
        for (media, idx) in (0_u64..).zip(&sent) {
            let leg = legs.iter().rfind(|leg| leg.1 <= media).unwrap();
            assert_eq!((leg.2 + media) % testing::N_PIECES, *idx, "{media}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn drift_moves_due_times_and_says_so() {
        let (turns, notes) = check(Clock::Counted, Trouble::Drift(200), 5_002).await;
        assert_eq!(turns.concat().len(), 5_002);
        // 200 ppm of 10 s are 2 ms, and a leg is exact to 1 ms.
        assert_eq!(legs(&notes).len(), 2, "{:?}", legs(&notes));
    }

    /// What a listener is sent that comes back because of `trouble`, ten pieces after it came, where a burst has four
    /// pieces; and its legs.
    async fn come_back(trouble: Trouble) -> (Vec<u64>, Vec<(u32, u64, u64)>) {
        let (setup, feed, mut told) = testing::feed();
        let mut player = Player::new(feed, Clock::Stitched(PIECE * 1_000)).unwrap();
        let pour = |player: &mut Player| (0..player.outbox.len()).for_each(|_| player.sent());
        for _ in 0..10 {
            player.next().await;
            pour(&mut player);
        }
        setup.weather.set(trouble).unwrap();
        assert_eq!(player.next().await, Step::Reconnect);
        player.tune(PIECE * 4, false);
        player.next().await;
        let sent = player.outbox.iter().map(|outgoing| outgoing.idx).collect();
        pour(&mut player);
        (sent, legs(&testing::notes(&mut told)))
    }

    #[tokio::test(start_paused = true)]
    async fn old_audio_is_sent_again_unless_it_was_coded_in_another_way() {
        assert_eq!(come_back(Trouble::Disconnect).await, (vec![7, 8, 9, 10, 11], vec![(0, 0, 0)]));
        assert_eq!(come_back(Trouble::Change).await, (vec![11], vec![(0, 0, 0)]));
    }

    #[tokio::test(start_paused = true)]
    async fn tapes_of_a_feed_have_one_shape() {
        let (_, mut feed, _told) = testing::feed();
        let (programme, bytes) = testing::programme();
        feed.tapes.push(Arc::new(Tape::raw(&programme, &bytes, PIECE * 2).unwrap()));
        assert!(Player::new(feed, Clock::Counted).is_err());
    }

    fn lost(notes: &[crate::transport::Note]) -> Vec<Duration> {
        let span = |note: &crate::transport::Note| match note.what {
            Noted::Lost(span) => Some(span.duration().to_duration()),
            _ => None,
        };
        notes.iter().filter_map(span).collect()
    }
}

//! Waits for the due time of each piece, and counts how late this program was. Never skips and never thins: what is due
//! is handed out, however late.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use engine::time::MediaTime;
use tokio::time::{Sleep, sleep_until};

use super::{Dice, Punctuality, Timeline};

/// The pieces of one feed, one after the other.
#[derive(Debug)]
pub struct Pacer {
    line: Timeline,
    next_idx: u64,
    /// When piece `next_idx` is to be sent: when it is due, but for jitter.
    planned: Instant,
    jitter: Option<Jitter>,
    /// When the server last kept a piece waiting.
    held: Option<(Instant, Instant)>,
    is_blocked: bool,
    sleep: Option<Pin<Box<Sleep>>>,
    punctuality: Punctuality,
}

/// A piece whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Which.
    pub idx: u64,
    /// When it was due, however late it is.
    pub due: Instant,
}

#[derive(Debug)]
struct Jitter {
    dice: Dice,
    by: Duration,
    until: Instant,
}

impl Pacer {
    /// Begins with piece 0 of the timeline.
    #[must_use]
    pub fn new(line: Timeline, punctuality: Punctuality) -> Self {
        let planned = line.due(0);
        Self {
            line,
            next_idx: 0,
            planned,
            jitter: None,
            held: None,
            is_blocked: false,
            sleep: None,
            punctuality,
        }
    }

    /// Waits for the next piece. May be dropped while it waits: nothing is lost.
    pub async fn next(&mut self) -> Turn {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same for those who wait for several things at once.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        let now = now();
        if now < self.planned {
            let wake = tokio::time::Instant::from_std(self.planned);
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(wake)));
            if sleep.deadline() != wake {
                sleep.as_mut().reset(wake);
            }
            std::task::ready!(sleep.as_mut().poll(cx));
            return self.poll_next(cx);
        }
        let planned = self.planned;
        if self.is_blocked || self.held.is_some_and(|(from, to)| (from..to).contains(&planned)) {
            self.punctuality.held_back();
        } else {
            self.punctuality.sent(now.saturating_duration_since(planned));
        }
        let turn = Turn { idx: self.next_idx, due: self.line.due(self.next_idx) };
        self.go_to(turn.idx + 1);
        Poll::Ready(turn)
    }

    /// While the server has not taken what it was sent: what is due meanwhile is not this program's lateness.
    pub const fn block(&mut self, is_blocked: bool) {
        self.is_blocked = is_blocked;
    }

    /// The server kept this feed waiting for so long, and pieces were not asked for meanwhile: for connecting.
    pub const fn held_back(&mut self, from: Instant, to: Instant) {
        self.held = Some((from, to));
    }

    /// Goes on with piece `idx`.
    pub fn seek(&mut self, idx: u64) {
        self.planned = self.line.due(idx);
        self.go_to(idx);
    }

    /// Moves the whole timeline: piece `idx` begins to be heard at `start`, and is the next.
    pub fn restart(&mut self, idx: u64, start: Instant) {
        self.line = Timeline::starting_with(idx, start, self.line.piece());
        self.seek(idx);
    }

    /// Drift of the sender's clock from the next piece on, parts per million; positive is fast.
    pub fn drift(&mut self, ppm: i32) {
        self.line.drift(self.next_idx, ppm);
        self.go_to(self.next_idx);
    }

    /// Pieces due before `until` are sent up to `by` before or after they are due, but never before their predecessor.
    pub fn jitter(&mut self, by: Duration, until: Instant, seed: u64) {
        self.jitter = Some(Jitter { dice: Dice::new(seed), by, until });
        self.go_to(self.next_idx);
    }

    /// How many pieces were due by now.
    #[must_use]
    pub fn edge(&self) -> u64 {
        self.line.edge(now())
    }

    /// When a piece is due.
    #[must_use]
    pub fn due(&self, idx: u64) -> Instant {
        self.line.due(idx)
    }

    /// Length of a piece.
    #[must_use]
    pub const fn piece(&self) -> MediaTime {
        self.line.piece()
    }

    fn go_to(&mut self, idx: u64) {
        self.next_idx = idx;
        let due = self.line.due(idx);
        let planned = match &mut self.jitter {
            Some(jitter) if due < jitter.until => {
                due.checked_sub(jitter.by).unwrap_or(due) + (jitter.by * 2).mul_f64(jitter.dice.share())
            }
            _ => due,
        };
        let was = if self.jitter.is_some() { self.planned } else { planned };
        self.planned = planned.max(was);
    }
}

/// Now, on the clock that timers go by; tests may have stopped it.
#[must_use]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE_MS: u64 = 50;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn pacer() -> (Pacer, Instant, Punctuality) {
        let (start, punctuality) = (now(), Punctuality::new());
        let line = Timeline::new(start, MediaTime::from_millis(PIECE_MS));
        (Pacer::new(line, punctuality.clone()), start, punctuality)
    }

    #[tokio::test(start_paused = true)]
    async fn each_piece_has_its_time() {
        let (mut pacer, start, punctuality) = pacer();
        for idx in 0..1_000 {
            let due = start + ms(PIECE_MS * (idx + 1));
            assert_eq!(pacer.next().await, Turn { idx, due });
            assert_eq!(now(), due);
        }
        let count = punctuality.count();
        assert_eq!((count.n_pieces, count.n_held_back, count.lateness.max()), (1_000, 0, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_machine_sends_everything_and_stands_by_its_lateness() {
        let (mut pacer, start, punctuality) = pacer();
        tokio::time::advance(ms(175)).await;
        for idx in 0..3 {
            assert_eq!(pacer.next().await, Turn { idx, due: start + ms(PIECE_MS * (idx + 1)) });
            assert_eq!(now(), start + ms(175), "at once");
        }
        pacer.next().await;
        assert_eq!(now(), start + ms(200));
        let lateness = punctuality.count().lateness;
        // Of 0, 25, 75 and 125 ms.
        assert_eq!(
            [0.25, 0.5, 0.75, 1.0].map(|share| lateness.quantile(share).map(|late| late.as_millis())),
            [Some(0), Some(25), Some(75), Some(125)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_due_while_the_server_kept_us_waiting_is_not_late() {
        let (mut pacer, start, punctuality) = pacer();
        pacer.next().await;
        tokio::time::advance(ms(110)).await;
        // The server took piece 0 from 50 to 160 ms: 1 and 2, due at 100 and 150, waited for it; 3 did not.
        pacer.held_back(start + ms(50), now());
        for _ in 1..=3 {
            pacer.next().await;
        }
        pacer.block(true);
        pacer.next().await;
        pacer.block(false);
        pacer.next().await;
        let count = punctuality.count();
        assert_eq!((count.n_pieces, count.n_held_back, count.lateness.max()), (6, 3, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_wait_loses_nothing() {
        let (mut pacer, start, punctuality) = pacer();
        for _ in 0..4 {
            assert!(tokio::time::timeout(ms(10), pacer.next()).await.is_err());
        }
        assert_eq!(pacer.next().await.idx, 0);
        assert_eq!((now(), punctuality.count().n_pieces), (start + ms(50), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_keeps_order_due_times_and_bounds() {
        let (mut pacer, start, punctuality) = pacer();
        let (by, until) = (ms(300), start + Duration::from_secs(20));
        pacer.jitter(by, until, 7);
        let (mut moved, mut n_early) = (Duration::ZERO, 0);
        for idx in 0..500 {
            let turn = pacer.next().await;
            assert_eq!(turn, Turn { idx, due: start + ms(PIECE_MS * (idx + 1)) });
            assert!(now() + by >= turn.due && now() <= turn.due + by + ms(1), "{idx}");
            let is_over = turn.due >= until + by;
            assert!(!is_over || now() == turn.due, "{idx}");
            moved = moved.max(now() - turn.due);
            n_early += u32::from(now() < turn.due);
        }
        assert!(moved > ms(200) && n_early > 20, "{moved:?} {n_early}");
        // Jitter is the plan, and lateness counts from the plan; timers go by whole milliseconds.
        assert!(punctuality.count().lateness.max() <= ms(1));
    }

    #[tokio::test(start_paused = true)]
    async fn seeking_and_restarting_go_on_from_there() {
        let (mut pacer, start, _) = pacer();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(pacer.edge(), 1_200);
        pacer.seek(1_200);
        assert_eq!(pacer.next().await, Turn { idx: 1_200, due: start + ms(60_050) });
        let start = now() + ms(7);
        pacer.restart(3, start);
        assert_eq!(pacer.next().await, Turn { idx: 3, due: start + ms(50) });
    }
}

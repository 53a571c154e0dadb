//! When each piece of a feed is due. Arithmetic only: knows neither the present nor a timer.

use std::time::{Duration, Instant};

use engine::time::MediaTime;

const MILLION: i128 = 1_000_000;
/// Flicks in ten nanoseconds are 7.056, so this many are a whole number of nanoseconds: 1 250.
const FLICKS: i128 = 882;
const NANOS: i128 = 1_250;

/// Pieces of equal length, counted from 0. Piece `n` holds the audio from `n` to `n + 1` lengths, and is due when all
/// of it was heard. Positions are computed from counts: nothing accumulates.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    start: Instant,
    start_idx: u64,
    piece: MediaTime,
    drift_ppm: i32,
}

impl Timeline {
    /// Piece 0 begins to be heard at `start`. A length of nothing is a flick.
    #[must_use]
    pub fn new(start: Instant, piece: MediaTime) -> Self {
        Self { start, start_idx: 0, piece: piece.max(MediaTime::from_flicks(1)), drift_ppm: 0 }
    }

    /// Piece `idx` begins to be heard at `start`.
    #[must_use]
    pub fn starting_with(idx: u64, start: Instant, piece: MediaTime) -> Self {
        Self { start_idx: idx, ..Self::new(start, piece) }
    }

    /// Length of a piece.
    #[must_use]
    pub const fn piece(&self) -> MediaTime {
        self.piece
    }

    /// When piece `idx` is due.
    #[must_use]
    pub fn due(&self, idx: u64) -> Instant {
        let n_pieces = i128::from(idx) + 1 - i128::from(self.start_idx);
        let flicks = n_pieces * i128::from(self.piece.flicks());
        let nanos = flicks * NANOS * MILLION / (FLICKS * (MILLION + i128::from(self.drift_ppm)));
        let length = Duration::from_nanos(u64::try_from(nanos.unsigned_abs()).unwrap_or(u64::MAX));
        let due = if nanos < 0 { self.start.checked_sub(length) } else { self.start.checked_add(length) };
        due.unwrap_or(self.start)
    }

    /// How many pieces were due by `now`: the index of the first that was not.
    #[must_use]
    pub fn edge(&self, now: Instant) -> u64 {
        let nanos =
            i128::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(i128::MAX >> 64);
        let flicks = nanos * FLICKS * (MILLION + i128::from(self.drift_ppm)) / (NANOS * MILLION);
        let n_pieces = u64::try_from(flicks / i128::from(self.piece.flicks())).unwrap_or(0);
        // The division above rounds down: the count may be one short.
        let edge = self.start_idx + n_pieces;
        if self.due(edge) <= now { edge + 1 } else { edge }
    }

    /// From piece `idx` on the sender's clock runs so much too fast (or too slow), parts per million of the true one.
    pub fn drift(&mut self, idx: u64, ppm: i32) {
        let start = self.due(idx).checked_sub(self.piece.to_duration()).unwrap_or(self.start);
        // Less than the whole clock, so that time goes on.
        *self = Self { start, start_idx: idx, piece: self.piece, drift_ppm: ppm.max(-500_000) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_due_when_they_were_heard_and_nothing_accumulates() {
        let start = Instant::now();
        let line = Timeline::new(start, MediaTime::from_millis(50));
        assert_eq!(line.due(0), start + Duration::from_millis(50));
        assert_eq!(line.due(20 * 86_400 - 1), start + Duration::from_secs(86_400));
        let odd = Timeline::new(start, MediaTime::from_flicks(FLICKS_OF_A_THIRD));
        assert_eq!(odd.due(3 * 86_400 - 1), start + Duration::from_secs(86_400));
    }
    const FLICKS_OF_A_THIRD: u64 = 235_200_000;

    #[test]
    fn the_edge_is_the_first_piece_that_is_not_due() {
        let start = Instant::now();
        for piece in [MediaTime::from_millis(50), MediaTime::from_flicks(12_345_678)] {
            let mut line = Timeline::new(start, piece);
            for ppm in [0, 200, -200] {
                line.drift(100, ppm);
                for idx in [101, 1_000, 777_777] {
                    let due = line.due(idx);
                    assert_eq!(line.edge(due), idx + 1, "{piece} {ppm} {idx}");
                    assert_eq!(line.edge(due - Duration::from_nanos(1)), idx, "{piece} {ppm} {idx}");
                }
            }
        }
        let line = Timeline::new(start, MediaTime::from_millis(50));
        assert_eq!(line.edge(start - Duration::from_secs(1)), 0);
    }

    #[test]
    fn a_fast_clock_sends_early_and_the_past_stays() {
        let start = Instant::now();
        let mut line = Timeline::new(start, MediaTime::from_millis(50));
        line.drift(200, 200);
        // 10 s without and 1000 s with drift, which take a fast clock 0.2 s less.
        assert_eq!(line.due(199), start + Duration::from_secs(10));
        let early = start + Duration::from_secs(1_010) - line.due(20_199);
        assert!(early.abs_diff(Duration::from_micros(199_960)) < Duration::from_micros(1), "{early:?}");
    }
}

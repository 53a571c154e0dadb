//! Where a stream goes on after its connection was made again. A server sends seconds of old audio to whoever
//! connects; what of it was received before is found here, so that nothing is heard, and no event told, twice.
//! Knows bytes only, and reads no socket.
//!
//! **The seam.** The last bytes of the old connection, the *tail*, are looked for in the first ones of the new
//! connection. Servers hand every listener the same bytes, and compressed audio does not repeat itself by chance: one
//! match is the place, in the middle of a packet or of an Ogg page as well, and whatever comes before it is dropped,
//! fresh Ogg headers included. The decoder goes on as if nothing had happened.
//!
//! **Repetition.** Digital silence and the like do repeat themselves: the tail is found at several places. Then the
//! clock decides: of what the new connection sent, the end must be as long as the old one is over. The nearest match
//! to that is taken, and of two as near the last, because audio that is heard twice is an event told twice, and a
//! packet of repetition that is missing is none. Where all that was sent is shorter than the time between, none of
//! the matches can be the seam, and the audio between is a gap, silent or not.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use engine::event::Metadata;

use crate::ingest::http::icy::{Demux, Piece};

/// Bytes of a tail: an eighth of a second of 128 kbit/s. Two packets and more of anything but 320 kbit/s.
const TAIL_BYTES: usize = 2 << 10;
/// Fewest bytes that are believed where a new connection begins within the tail, and the clock agrees.
const OVERLAP_BYTES_MIN: usize = 64;
/// By so much the clock may be wrong: servers send in pieces.
const CLOCK_TOLERANCE: Duration = Duration::from_millis(500);
/// Longest time for which first bytes are held while they hold no tail: a burst is over by then (Icecast: 0.5 s).
const HOLD: Duration = Duration::from_secs(1);
/// Most bytes that are held: Icecast's default queue of a mount, which no burst of it can exceed.
pub(super) const HOLD_BYTES_MAX: usize = 512 << 10;
/// After a match, a burst is over when nothing arrives for so long. There may be a later match in it.
const QUIET: Duration = Duration::from_millis(50);

/// The end of what was received.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    at: Option<Instant>,
}

impl Tail {
    /// More was received.
    pub(super) fn take(&mut self, bytes: &[u8], at: Instant) {
        let keep = TAIL_BYTES.saturating_sub(bytes.len()).min(self.bytes.len());
        self.bytes.drain(..self.bytes.len() - keep);
        self.bytes.extend_from_slice(bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or(&[]));
        self.at = Some(at);
    }

    /// Nothing can be joined to it any more: the decoder has given up what it had.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
    }

    /// Whether something can be joined to it.
    pub(super) const fn is_whole(&self) -> bool {
        self.bytes.len() == TAIL_BYTES
    }

    /// When it arrived. `None`: nothing was received yet.
    pub(super) const fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Where the tail ends in `bytes`, in order.
    fn matches<'a>(&'a self, bytes: &'a [u8]) -> impl DoubleEndedIterator<Item = usize> + 'a {
        let windows = bytes.windows(TAIL_BYTES).enumerate().filter(|(_, window)| *window == self.bytes);
        windows.map(|(start, _)| start + TAIL_BYTES)
    }

    /// How many of the first of `bytes` are the last of the tail.
    fn overlap(&self, bytes: &[u8]) -> Option<usize> {
        let longest = self.bytes.len().min(bytes.len());
        (OVERLAP_BYTES_MIN..=longest).rev().find(|&n| bytes.get(..n).is_some_and(|n| self.bytes.ends_with(n)))
    }
}

/// The first of a new connection, until it is known where the stream goes on.
#[derive(Debug, Default)]
pub(super) struct Held {
    audio: BytesMut,
    marks: Vec<Mark>,
    arrivals: Option<(Instant, Instant)>,
    is_found: bool,
    /// Why there is no more. `None`: there is.
    pub(super) ended: Option<String>,
}

/// What was held, in order.
#[derive(Debug)]
enum Mark {
    /// The audio up to there arrived then.
    Audio { end: usize, at: Instant },
    /// A title.
    Metadata(Metadata),
}

impl Held {
    /// More arrived.
    pub(super) fn take(&mut self, mut bytes: Bytes, at: Instant, demux: &mut Demux, tail: &Tail) {
        let before = self.audio.len();
        while let Some(piece) = demux.next(&mut bytes) {
            self.marks.push(match piece {
                Piece::Audio(bytes) => {
                    self.audio.extend_from_slice(&bytes);
                    Mark::Audio { end: self.audio.len(), at }
                }
                Piece::Metadata(metadata) => Mark::Metadata(metadata),
            });
        }
        let (first, _) = self.arrivals.unwrap_or((at, at));
        self.arrivals = Some((first, at));
        // Only what could not be looked at before.
        let fresh = self.audio.get(before.saturating_sub(TAIL_BYTES - 1)..).unwrap_or(&[]);
        self.is_found = self.is_found || tail.matches(fresh).next_back().is_some();
    }

    /// Until when to wait for more. `None`: until there is something.
    pub(super) fn until(&self) -> Option<Instant> {
        let (first, last) = self.arrivals?;
        let limit = first + HOLD;
        Some(if self.is_found { limit.min(last + QUIET) } else { limit })
    }

    /// Whether no more can be held.
    pub(super) fn is_full(&self) -> bool {
        self.audio.len() >= HOLD_BYTES_MAX
    }

    /// All of the audio.
    pub(super) fn audio(&self) -> Bytes {
        Bytes::copy_from_slice(&self.audio)
    }

    /// The only place where the stream can go on, as an offset in the audio. `None`: none, or several.
    pub(super) fn only_seam(&self, tail: &Tail) -> Option<usize> {
        let mut matches = tail.matches(&self.audio);
        matches.next().filter(|_| matches.next_back().is_none())
    }

    /// Where the stream goes on, when the audio lasts for `length`. `None`: what is between is lost.
    pub(super) fn seam(&self, tail: &Tail, length: Duration) -> Option<usize> {
        let since = self.arrivals?.1.saturating_duration_since(tail.at?);
        if since > length + CLOCK_TOLERANCE {
            return None;
        }
        // Of this many bytes a second, so many were received before.
        let rate = self.audio.len() as f64 / length.as_secs_f64().max(f64::MIN_POSITIVE);
        let expected = (rate * length.saturating_sub(since).as_secs_f64()) as usize;
        // Of two as near the last: the first of the least is taken, and these come from the end.
        let matched = tail.matches(&self.audio).rev().min_by_key(|end| end.abs_diff(expected));
        let agrees = |n: &usize| n.abs_diff(expected) as f64 <= rate * CLOCK_TOLERANCE.as_secs_f64();
        matched.or_else(|| tail.overlap(&self.audio).filter(agrees))
    }

    /// How much older than its arrival the first of the audio is, when all of it lasts for `length`: the end of a
    /// burst is what is heard now.
    pub(super) fn age(&self, length: Duration) -> Duration {
        let took =
            self.arrivals.map_or(Duration::ZERO, |(first, last)| last.saturating_duration_since(first));
        length.saturating_sub(took)
    }

    /// Everything from `seam` on, in order. Titles from before it are true still.
    pub(super) fn from(self, seam: usize) -> impl Iterator<Item = (Piece, Instant)> {
        let audio = self.audio.freeze();
        let (mut start, mut last_at) = (0, self.arrivals.map(|(first, _)| first));
        self.marks.into_iter().filter_map(move |mark| match mark {
            Mark::Audio { end, at } => {
                let new = start.max(seam)..end;
                (start, last_at) = (end, Some(at));
                (!new.is_empty()).then(|| (Piece::Audio(audio.slice(new)), at))
            }
            Mark::Metadata(metadata) => Some((Piece::Metadata(metadata), last_at?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that do not repeat themselves.
    fn noise(n: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        std::iter::repeat_with(next).take(n).collect()
    }

    /// `before` was received until now, and `after` comes at once `away_ms` later; a byte lasts for a millisecond.
    fn check(before: &[u8], after: &[u8], away_ms: u64, expected: Option<usize>) {
        let now = Instant::now();
        let mut tail = Tail::default();
        before.chunks(700).for_each(|piece| tail.take(piece, now));
        let mut held = Held::default();
        for piece in after.chunks(900) {
            let at = now + Duration::from_millis(away_ms);
            held.take(Bytes::copy_from_slice(piece), at, &mut Demux::new(None), &tail);
        }
        let length = Duration::from_millis(after.len() as u64);
        let seam = held.only_seam(&tail).or_else(|| held.seam(&tail, length));
        assert_eq!(seam, expected);
        let Some(seam) = seam else { return };
        let all: Vec<u8> = held.from(seam).fold(Vec::new(), |mut all, (piece, _)| {
            let Piece::Audio(bytes) = piece else { panic!("{piece:?}") };
            all.extend_from_slice(&bytes);
            all
        });
        assert_eq!(all, after[seam..]);
    }

    #[test]
    fn a_stream_goes_on_where_it_was_cut() {
        let all = noise(20_000);
        check(&all[..9_000], &all[3_000..], 11_000, Some(6_000));
        check(&all[..9_001], &[&noise(77)[..], &all[3_000..9_001]].concat(), 0, Some(77 + 6_001));
        check(&all[..9_000], &all[..9_000], 3, Some(9_000));
        // What was away for longer than the burst reaches back is not there.
        check(&all[..9_000], &all[9_000..], 11_000, None);
        check(&all[..9_000], &[], 11_000, None);
        check(&all[..1_000], &all[5_000..], 11_000, None);
    }

    #[test]
    fn a_burst_may_begin_within_the_tail() {
        let all = noise(20_000);
        check(&all[..9_000], &all[8_000..], 11_000, Some(1_000));
        check(&all[..9_000], &all[8_980..], 11_000, None);
        // By chance, says the clock.
        check(&all[..9_000], &all[8_900..], 2_000, None);
    }

    #[test]
    fn of_repetitions_the_clock_finds_the_right_one() {
        let silence = [7; 20_000];
        check(&silence[..9_000], &silence[..15_000], 4_000, Some(11_000));
        check(&silence[..9_000], &silence[..15_000], 14_000, Some(TAIL_BYTES));
        check(&silence[..9_000], &silence[..15_000], 15_600, None);
        // A jingle that ends as it did before, a second ago and now.
        let jingle = noise(3_000);
        let after = [&jingle[..], &jingle, &[9; 1_000]].concat();
        check(&jingle, &after, 1_100, Some(6_000));
        check(&jingle, &after, 3_900, Some(3_000));
    }

    #[test]
    fn what_is_held_knows_how_long_and_how_old_it_is() {
        let now = Instant::now();
        let at = |millis| now + Duration::from_millis(millis);
        let mut tail = Tail::default();
        tail.take(&noise(9_000), now);
        let mut held = Held::default();
        assert_eq!(held.until(), None);
        let take = |held: &mut Held, bytes: &[u8], at| {
            held.take(Bytes::copy_from_slice(bytes), at, &mut Demux::new(None), &tail);
        };
        take(&mut held, &noise(9_000)[4_000..8_500], at(100));
        assert_eq!(held.until(), Some(at(1_100)));
        take(&mut held, &noise(9_000)[8_500..], at(200));
        assert_eq!(held.until(), Some(at(250)));
        assert_eq!(held.age(Duration::from_secs(5)), Duration::from_millis(4_900));
        take(&mut held, &vec![0; HOLD_BYTES_MAX], at(201));
        assert!(held.is_full());
    }

    #[test]
    fn titles_stay_where_they_are() {
        let now = Instant::now();
        let all = noise(9_000);
        let mut tail = Tail::default();
        tail.take(&all[..5_000], now);
        let mut body = all[..4_000].to_vec();
        for n in 1..=2 {
            body.extend([2]);
            body.extend(format!("StreamTitle='title {n}';\0\0\0\0\0\0\0\0\0\0").as_bytes());
            body.extend(&all[n * 4_000..(n * 4_000 + 4_000).min(9_000)]);
        }
        let mut held = Held::default();
        held.take(body.into(), now, &mut Demux::new(Some(4_000)), &tail);
        assert_eq!(held.only_seam(&tail), Some(5_000));
        let said: Vec<String> = held
            .from(5_000)
            .map(|(piece, _)| match piece {
                Piece::Audio(bytes) => format!("{}", bytes.len()),
                Piece::Metadata(metadata) => metadata.title,
            })
            .collect();
        assert_eq!(said, ["title 1", "3000", "title 2", "1000"]);
    }
}

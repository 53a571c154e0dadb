//! Packets in the order of their sequence numbers, and what is missing between them. Reads no clock and no payloads.
//!
//! What comes in order goes on at once. Only behind a hole packets wait, for at most the window; then the hole is lost,
//! and as long as the timestamps say. What comes later, or twice, is left out and counted.
//!
//! A *leg* is what one sender sends in one go. Packets that do not belong to it (another SSRC, another payload type, a
//! jump of the numbers) begin the next one once two of them follow each other, and none of the leg's own comes between:
//! one stray packet moves nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use engine::event::GapReason;
use engine::time::SampleRate;

use super::leg::{Change, Leg};
use crate::ingest::decode::Lost;

/// Packets so far ahead of the next one do not wait for it: half a second of the shortest that there are (AES67: 125 us).
pub(super) const HELD_MAX: usize = 4_096;
/// A packet, as far as the order of packets goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
    /// Of the payload type, which is that of the timestamps.
    pub(super) rate: SampleRate,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) content: Content,
}

/// What is in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Audio of so many frames.
    Audio(u32),
    /// It should be audio, but is not.
    Corrupt,
    /// Something else of the same sender: it has a number, and no sound.
    Other,
}

/// What follows from a packet, or from waiting.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome<'a> {
    /// Another sender, or the same one anew.
    Leg(Change),
    /// So many frames, which arrived then.
    Audio { payload_type: u8, payload: &'a [u8], n_frames: u32, at: Instant },
    /// Frames are missing.
    Lost(Lost),
    /// So many frames before what arrived then were not sent on purpose: the numbers go on, the time jumped.
    Paused { frames: u64, at: Instant },
    /// The source was away for so long.
    Away(Duration),
}

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Never came, or came too late.
    pub(super) lost: u64,
    /// Came too late, or twice.
    pub(super) late: u64,
    /// Of somebody else, or nothing that was agreed upon; and where a leg began, those by which it was known.
    pub(super) foreign: u64,
    /// Should have been audio.
    pub(super) corrupt: u64,
}

/// A packet that waits.
#[derive(Debug)]
struct Held {
    piece: Piece,
    payload: Vec<u8>,
    at: Instant,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Order {
    window: Duration,
    leg: Option<Leg>,
    /// Behind a hole, in order.
    held: VecDeque<Held>,
    /// The newest packet that may begin the next leg, or be nothing.
    candidate: Option<Held>,
    counts: Counts,
    /// Storage of payloads that is used again.
    spare: Vec<Vec<u8>>,
}

type Outcomes<'a> = &'a mut dyn FnMut(Outcome<'_>);

enum Place {
    /// The next one.
    Here,
    /// So many packets after that.
    Ahead(u16),
    /// Before it.
    Late,
    /// Not of this leg.
    Elsewhere,
}

impl Order {
    /// A hole is waited for as long as `window`.
    pub(super) const fn new(window: Duration) -> Self {
        let counts = Counts { lost: 0, late: 0, foreign: 0, corrupt: 0 };
        Self { window, leg: None, held: VecDeque::new(), candidate: None, counts, spare: Vec::new() }
    }

    /// The counts so far.
    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    /// A packet with `payload` arrived at `at`.
    pub(super) fn take(&mut self, piece: Piece, payload: &[u8], at: Instant, out: Outcomes<'_>) {
        match self.place(&piece, at) {
            Place::Here => {
                self.forget_candidate();
                self.deliver(piece, payload, at, out);
                self.run(out);
            }
            Place::Ahead(ahead) => {
                self.forget_candidate();
                let held = self.keep(piece, payload, at);
                self.hold(ahead, held);
            }
            Place::Late => {
                self.counts.late += 1;
                self.doubt(piece, payload, at, out);
            }
            Place::Elsewhere => {
                self.counts.foreign += 1;
                self.doubt(piece, payload, at, out);
            }
        }
    }

    /// Somebody else's packet came.
    pub(super) const fn foreign(&mut self) {
        self.counts.foreign += 1;
    }

    /// Until when to wait for what is missing. `None`: nothing is.
    pub(super) fn due(&self) -> Option<Instant> {
        self.held.front().map(|first| first.at + self.window)
    }

    /// Gives up what was waited for long enough.
    pub(super) fn expire(&mut self, now: Instant, out: Outcomes<'_>) {
        while self.due().is_some_and(|due| due <= now) {
            self.give_up(out);
        }
    }

    fn place(&self, piece: &Piece, at: Instant) -> Place {
        let Some(leg) = &self.leg else { return Place::Elsewhere };
        let is_other = piece.content != Content::Other && piece.payload_type != leg.payload_type;
        if piece.ssrc != leg.ssrc || is_other {
            return Place::Elsewhere;
        }
        if leg.is_late(piece.sequence) {
            return Place::Late;
        }
        if piece.content != Content::Other && !leg.is_plausible(piece.timestamp, at) {
            return Place::Elsewhere;
        }
        match piece.sequence.wrapping_sub(leg.next) {
            0 => Place::Here,
            ahead if usize::from(ahead) < HELD_MAX => Place::Ahead(ahead),
            _ => Place::Elsewhere,
        }
    }

    fn hold(&mut self, ahead: u16, held: Held) {
        let Some(leg) = &mut self.leg else { return };
        leg.last_at = held.at;
        let next = leg.next;
        match self.held.binary_search_by_key(&ahead, |held| held.piece.sequence.wrapping_sub(next)) {
            Ok(_) => {
                self.counts.late += 1;
                self.reuse(held);
            }
            Err(idx) => self.held.insert(idx, held),
        }
    }

    fn keep(&mut self, piece: Piece, payload: &[u8], at: Instant) -> Held {
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(payload);
        Held { piece, payload: kept, at }
    }

    fn reuse(&mut self, held: Held) {
        if self.spare.len() < HELD_MAX {
            self.spare.push(held.payload);
        }
    }

    fn forget_candidate(&mut self) {
        if let Some(held) = self.candidate.take() {
            self.reuse(held);
        }
    }

    /// Does without what is missing before the first packet that waits.
    fn give_up(&mut self, out: Outcomes<'_>) {
        let Some(first) = self.held.pop_front() else { return };
        if let Some(leg) = &mut self.leg {
            self.counts.lost += u64::from(first.piece.sequence.wrapping_sub(leg.next));
            leg.has_hole = true;
        }
        self.deliver(first.piece, &first.payload, first.at, out);
        self.reuse(first);
        self.run(out);
    }

    /// Lets go of what waits no longer.
    fn run(&mut self, out: Outcomes<'_>) {
        while let Some(leg) = &self.leg
            && let Some(first) = self.held.pop_front_if(|first| first.piece.sequence == leg.next)
        {
            self.deliver(first.piece, &first.payload, first.at, out);
            self.reuse(first);
        }
    }

    fn deliver(&mut self, piece: Piece, payload: &[u8], at: Instant, out: Outcomes<'_>) {
        let Some(leg) = &mut self.leg else { return };
        leg.next = piece.sequence.wrapping_add(1);
        match piece.content {
            Content::Corrupt => {
                leg.is_corrupt = true;
                self.counts.corrupt += 1;
            }
            Content::Other => self.counts.foreign += 1,
            Content::Audio(n_frames) => {
                if let Some(before) = leg.before(piece.timestamp, n_frames, at) {
                    out(before);
                }
                out(Outcome::Audio { payload_type: piece.payload_type, payload, n_frames, at });
            }
        }
    }

    /// A packet that is not of this leg, or was before. It begins the next leg where it follows another one of its kind;
    /// where it may only be late, as soon as no packet was in time for as long as the window.
    fn doubt(&mut self, piece: Piece, payload: &[u8], at: Instant, out: Outcomes<'_>) {
        let Content::Audio(_) = piece.content else { return };
        let Some(leg) = &self.leg else {
            self.counts.foreign -= 1;
            self.begin(piece, at, out);
            return self.deliver(piece, payload, at, out);
        };
        let is_over = leg.is_over(&piece, at, self.window);
        if is_over && let Some(last) = self.candidate.take_if(|last| follows(&last.piece, &piece)) {
            self.begin(last.piece, at, out);
            self.deliver(last.piece, &last.payload, last.at, out);
            self.reuse(last);
            return self.deliver(piece, payload, at, out);
        }
        self.forget_candidate();
        self.candidate = Some(self.keep(piece, payload, at));
    }

    /// The leg is over, and `piece` is the first of the next one, which is known at `at`.
    fn begin(&mut self, piece: Piece, at: Instant, out: Outcomes<'_>) {
        while !self.held.is_empty() {
            self.give_up(out);
        }
        let Some(old) = self.leg.replace(Leg::new(&piece, at)) else {
            return out(Outcome::Leg(Change::First(piece.ssrc)));
        };
        let change = old.change(&piece);
        let Some(frames) = old.jump(&piece, at) else {
            // Of the two packets by which it is known.
            let n_frames = if let Content::Audio(n_frames) = piece.content { n_frames * 2 } else { 0 };
            out(Outcome::Leg(change.unwrap_or(Change::Anew)));
            return out(Outcome::Away(old.away(n_frames, at)));
        };
        // The same clock: nothing else happened than that so much is missing.
        if let Some(change) = change {
            out(Outcome::Leg(change));
        }
        self.counts.lost += u64::from(piece.sequence.wrapping_sub(old.next));
        if frames > 0 {
            out(Outcome::Lost(Lost { frames, reason: GapReason::Loss }));
        }
    }
}

/// Whether `next` comes after `last` in numbers and time.
fn follows(last: &Piece, next: &Piece) -> bool {
    let Content::Audio(n_frames) = last.content else { return false };
    let is_same = last.ssrc == next.ssrc && last.payload_type == next.payload_type;
    let jump = next.timestamp.wrapping_sub(last.timestamp.wrapping_add(n_frames)).cast_signed();
    // A pause of a second, and a packet's rounding.
    let range = -i64::from(n_frames) + 1..=i64::from(last.rate.hz());
    is_same && next.sequence == last.sequence.wrapping_add(1) && range.contains(&i64::from(jump))
}

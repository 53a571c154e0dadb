//! The captions of one feed, from what is known of it to segments. No clock, no lock, no socket.
//!
//! A segment is published when the transcript is settled up to its end, or when so much arrived after it that it waits no
//! longer. Then it is as it is: what is said to have been in it later stands in the next one, at its own time.

use std::collections::VecDeque;

use bytes::Bytes;
use engine::event::{GapReason, Settled, Settling, Transcript};
use engine::time::{FLICKS_PER_SECOND, MediaTime, Span};
use jiff::{SignedDuration, Timestamp};

use super::Rules;
use super::segment::{self, Playlist, Segment};
use crate::ingest::Anchor;
use crate::sinks::{Cue, cut, vtt_cue};

/// What waits for its segment, at most: cues, gaps, marks. More than can be said in the longest wait.
const WAITING_MAX: usize = 1_000;

/// Text or a gap that waits for its segment, or for the next one that it reaches into.
struct Waiting<T> {
    of: T,
    /// It is in a segment that was published: it must not change.
    is_shown: bool,
}

/// A segment to be.
struct Slot {
    /// `None`: it follows the one before.
    number: Option<u64>,
    era: u64,
    span: Span,
    /// What media time is what on the clock of the stream, ticks.
    map: (MediaTime, u64),
    wall: Option<Timestamp>,
}

/// See the module.
pub(super) struct Reel {
    rules: Rules,
    epoch: u64,
    era: u64,
    /// Longest segment that the source promises.
    target: MediaTime,
    slots: VecDeque<Slot>,
    shelf: VecDeque<Segment>,
    cues: VecDeque<Waiting<(String, Cue)>>,
    gaps: VecDeque<Waiting<(Span, GapReason)>>,
    /// Up to where the transcript is settled once that final is here.
    marks: VecDeque<(MediaTime, Settled)>,
    /// What settled it last.
    settled_by: Option<Settling>,
    newest_final: Option<u64>,
    settled: MediaTime,
    /// Up to where audio arrived.
    edge: MediaTime,
    /// Where the next slot begins, where the source has no segments of its own.
    next: MediaTime,
    is_anchored: bool,
    /// Nothing of this epoch was published.
    is_fresh: bool,
    /// There will be no more audio.
    is_over: bool,
    said_until: MediaTime,
    wall: Option<(MediaTime, Timestamp)>,
    language: Option<String>,
}

impl Reel {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            epoch: 0,
            era: 0,
            target: rules.segment,
            slots: VecDeque::new(),
            shelf: VecDeque::new(),
            cues: VecDeque::new(),
            gaps: VecDeque::new(),
            marks: VecDeque::new(),
            settled_by: None,
            newest_final: None,
            settled: MediaTime::ZERO,
            edge: MediaTime::ZERO,
            next: MediaTime::ZERO,
            is_anchored: false,
            is_fresh: true,
            is_over: false,
            said_until: MediaTime::ZERO,
            wall: None,
            language: None,
        }
    }

    /// What follows is of `epoch`. What waits of an earlier one is published as it is.
    pub(super) fn begin(&mut self, epoch: u64) {
        if epoch <= self.epoch {
            return;
        }
        if self.epoch > 0 {
            self.end(self.edge);
            self.publish_all();
        }
        let era = self.shelf.back().map_or(0, |last| last.era + 1);
        let (shelf, language) = (std::mem::take(&mut self.shelf), self.language.take());
        *self = Self { epoch, era, shelf, language, ..Self::new(self.rules) };
    }

    /// `position` was heard at `wall`.
    pub(super) fn heard_at(&mut self, position: MediaTime, wall: Timestamp) {
        self.wall = Some((position, wall));
    }

    /// Audio up to `end` arrived.
    pub(super) fn arrived(&mut self, end: MediaTime) {
        self.edge = self.edge.max(end);
        self.advance();
    }

    /// A segment of the source begins around `position`.
    pub(super) fn anchor(&mut self, position: MediaTime, anchor: &Anchor) {
        self.is_anchored = true;
        self.target = anchor.target;
        let lead = MediaTime::from_flicks(anchor.lead.unsigned_abs());
        let start = if anchor.lead < 0 { position + lead } else { position.saturating_sub(lead) };
        let slot = Slot {
            number: Some(anchor.number),
            era: anchor.era,
            span: Span::new(start, start + anchor.length),
            // Without time stamps media time itself is the clock.
            map: anchor.ticks.map_or((MediaTime::ZERO, 0), |ticks| (position, ticks)),
            wall: anchor.wall,
        };
        let last = self.slots.back().and_then(|slot| slot.number);
        let last = last.or(self.shelf.back().map(|last| last.number));
        let ahead = last.map(|last| i128::from(anchor.number) - i128::from(last));
        match ahead {
            None | Some(1) => {}
            // The feed came back, and begins with what was heard before.
            Some(..=0) if self.is_fresh && self.slots.is_empty() && self.is_on_shelf(anchor.number) => return,
            Some(n @ 2..) if n - 1 <= self.rules.window as i128 => self.fill(&slot),
            // Other numbers.
            Some(_) => {
                self.publish_all();
                self.shelf.clear();
            }
        }
        self.slots.push_back(slot);
        self.advance();
    }

    fn is_on_shelf(&self, number: u64) -> bool {
        self.shelf.iter().any(|segment| segment.number == number)
    }

    /// Segments of the source that are not there are told all the same: they lie before `next`.
    fn fill(&mut self, next: &Slot) {
        let before = self.slots.back().map(|slot| (slot.number.unwrap_or(0), slot.span.end));
        let before = before.or(self.shelf.back().map(|last| (last.number, next.span.start)));
        let (Some((last, from)), Some(until)) = (before, next.number) else { return };
        let n = until.saturating_sub(last).max(2) - 1;
        let room = next.span.start.saturating_sub(from).flicks() / n;
        for idx in 0..n {
            let start = from + MediaTime::from_flicks(room * idx);
            let span = Span::new(start, start + MediaTime::from_flicks(room));
            let wall = next.wall.and_then(|wall| shift(wall, next.span.start, start));
            self.slots.push_back(Slot {
                number: Some(last + 1 + idx),
                span,
                wall,
                era: next.era,
                map: next.map,
            });
        }
    }

    /// What was said in an utterance.
    pub(super) fn said(&mut self, transcript: &Transcript) {
        self.newest_final = self.newest_final.max(Some(transcript.utterance));
        if !transcript.language.is_empty() {
            self.language = Some(transcript.language.clone());
        }
        let layout = self.rules.layout;
        let cues = cut(&transcript.words, self.said_until, &layout);
        if let (Some(first), Some(Waiting { of: (_, before), is_shown: false })) =
            (cues.first(), self.cues.back_mut())
        {
            // Only now it is known how much room there is.
            let wanted = before.span.end.max(before.span.start + before.reading_time(&layout));
            before.span.end = wanted.min(first.span.start).max(before.said_until);
        }
        for (n, cue) in cues.into_iter().enumerate() {
            self.said_until = cue.said_until;
            keep(&mut self.cues, (format!("{}-{n}", transcript.utterance), cue));
        }
        self.advance();
    }

    /// Audio is missing.
    pub(super) fn missing(&mut self, span: Span, reason: GapReason) {
        keep(&mut self.gaps, (span, reason));
    }

    /// Everything said before `until` is known, once the last final of it is here.
    pub(super) fn settled(&mut self, until: MediaTime, settled: Settled) {
        self.marks.push_back((until, settled));
        if self.marks.len() > WAITING_MAX {
            self.marks.pop_front();
        }
        self.advance();
    }

    /// The feed is over, and had come to `at`. What was said last may still come.
    pub(super) fn end(&mut self, at: MediaTime) {
        self.edge = self.edge.max(at);
        self.advance();
        if !self.is_anchored && at > self.next {
            self.push_slot(at);
        }
        self.is_over = true;
        self.advance();
    }

    /// What can be played now.
    pub(super) fn playlist(&self) -> Playlist {
        let skipped = self.shelf.len().saturating_sub(self.rules.window);
        Playlist {
            target: self.target,
            segments: self.shelf.iter().skip(skipped).cloned().collect(),
            is_ended: self.is_over && self.slots.is_empty(),
            language: self.language.clone(),
        }
    }

    /// A segment that is still kept.
    pub(super) fn segment(&self, number: u64) -> Option<Segment> {
        self.shelf.iter().find(|segment| segment.number == number).cloned()
    }

    fn advance(&mut self) {
        let newest = self.newest_final;
        while let Some((until, settled)) = self.marks.pop_front_if(|(_, mark)| mark.last_final <= newest) {
            (self.settled, self.settled_by) = (self.settled.max(until), Some(settled.by));
        }
        while !self.is_anchored && self.edge >= self.next + self.rules.segment {
            self.push_slot(self.next + self.rules.segment);
        }
        // The last segment may be longer than its audio.
        let is_last = self.is_over && self.marks.is_empty() && self.settled_by == Some(Settling::End);
        let settled = if is_last { MediaTime::MAX } else { self.settled };
        let (edge, wait) = (self.edge, self.rules.wait);
        let is_due = |slot: &mut Slot| settled >= slot.span.end || edge >= slot.span.end + wait;
        while let Some(slot) = self.slots.pop_front_if(is_due) {
            self.publish(slot);
        }
    }

    /// The next segment of our own, up to `end`.
    fn push_slot(&mut self, end: MediaTime) {
        let span = Span::new(self.next, end);
        let map = (MediaTime::ZERO, 0);
        self.slots.push_back(Slot { number: None, era: self.era, span, map, wall: None });
        self.next = end;
    }

    fn publish_all(&mut self) {
        while let Some(slot) = self.slots.pop_front() {
            self.publish(slot);
        }
    }

    fn publish(&mut self, slot: Slot) {
        let span = slot.span;
        let by_clock = self.wall.and_then(|(at, wall)| shift(wall, at, span.start));
        let wall = slot.wall.or(by_clock);
        let number = slot.number.unwrap_or_else(|| match self.shelf.back() {
            Some(last) => last.number + 1,
            // As if it had always been on: numbers rise over restarts.
            None => number_at(wall.unwrap_or_default(), self.rules.segment),
        });
        let mut text = segment::head(slot.map);
        for (gap, reason) in take(&mut self.gaps, |(gap, _)| *gap, span).map(|(gap, _)| gap) {
            text.push_str(&segment::gap(*gap, *reason));
        }
        for ((id, cue), is_late) in take(&mut self.cues, |(_, cue)| cue.span, span) {
            text.push_str(if is_late { segment::LATE } else { "" });
            text.push_str(&vtt_cue(id, cue));
        }
        self.gaps.retain(|gap| gap.of.0.end > span.end);
        self.cues.retain(|cue| cue.of.1.span.end > span.end);
        let length = span.duration();
        self.shelf.push_back(Segment { number, era: slot.era, length, wall, text: Bytes::from(text) });
        let n_old = self.shelf.len().saturating_sub(2 * self.rules.window);
        self.shelf.drain(..n_old);
        self.is_fresh = false;
    }
}

fn keep<T>(waiting: &mut VecDeque<Waiting<T>>, of: T) {
    waiting.push_back(Waiting { of, is_shown: false });
    if waiting.len() > WAITING_MAX {
        waiting.pop_front();
    }
}

/// What belongs into the segment of `span`: what reaches into it, and what should have been in one before and is late.
fn take<T>(
    waiting: &mut VecDeque<Waiting<T>>,
    span_of: impl Fn(&T) -> Span,
    span: Span,
) -> impl Iterator<Item = (&T, bool)> {
    waiting.iter_mut().filter_map(move |waiting| {
        let of = span_of(&waiting.of);
        let is_late = of.end <= span.start && !waiting.is_shown;
        let is_in = of.start < span.end && of.end > span.start || of.start == of.end && of.end <= span.end;
        let is_taken = is_late || is_in && !(of.start == of.end && waiting.is_shown);
        waiting.is_shown |= is_taken;
        is_taken.then_some((&waiting.of, is_late))
    })
}

/// `wall` at `from`, at `to` instead.
fn shift(wall: Timestamp, from: MediaTime, to: MediaTime) -> Option<Timestamp> {
    let nanos = (i128::from(to.flicks()) - i128::from(from.flicks())) * 1_000_000_000;
    let nanos = i64::try_from(nanos / i128::from(FLICKS_PER_SECOND)).ok()?;
    wall.checked_add(SignedDuration::from_nanos(nanos)).ok()
}

/// How many segments there were since 1970.
fn number_at(wall: Timestamp, segment: MediaTime) -> u64 {
    let millis = u64::try_from(wall.as_millisecond()).unwrap_or(0);
    millis / segment.as_millis().max(1)
}

//! Short losses: silence in their place, so that the analysis goes on, and one report of those that are close to each
//! other. Counts nothing itself: the frames are in gaps, whatever is done with them.
//!
//! Packets of 1 ms of which one in a hundred is lost are ten gaps a second. Were each an interruption, no utterance would
//! ever end by itself, and no silence would last.

use std::time::Instant;

use engine::audio::{Block, CHANNELS_MAX, Format};
use engine::event::{Body, Event, GapReason, GapReport};
use engine::time::{MediaTime, Span};

/// Longest loss that is bridged: five packets of 20 ms. Well below the silence that ends an utterance (300 ms).
const LONGEST: MediaTime = MediaTime::from_millis(100);
/// Time between two reports, at least. The first loss after a while without any is told at once.
const REPORT_EVERY: MediaTime = MediaTime::from_secs(1);

/// Longest piece of silence: no feed has shorter blocks.
const PIECE: MediaTime = MediaTime::from_millis(10);

/// Samples of silence that are copied at a time.
const ZEROS: usize = 480;

/// See the module.
pub(crate) struct Bridge {
    /// `None`: lent.
    spare: Option<Block>,
    format: Format,
    waiting: Option<Waiting>,
    /// Where the last report ended.
    told_at: Option<MediaTime>,
}

/// Losses that are not told yet.
struct Waiting {
    span: Span,
    frames: u64,
    n: u64,
}

/// Silence in pieces.
pub(crate) struct Silence {
    piece: Block,
    start: MediaTime,
    n_done: u64,
    n_left: u64,
    received_at: Instant,
}

impl Silence {
    /// The next piece.
    pub(crate) fn next(&mut self) -> Option<&Block> {
        self.n_left = self.n_left.checked_sub(self.piece.n_frames() as u64)?;
        self.n_done += self.piece.n_frames() as u64;
        self.piece.restart(self.start, self.n_done, self.received_at);
        let n_frames = usize::try_from(self.n_left).unwrap_or(0).min(self.piece.capacity());
        let zeros = [0.0; ZEROS];
        let n_channels = self.piece.format().n_channels();
        while self.piece.n_frames() < n_frames {
            let n = (n_frames - self.piece.n_frames()).min(ZEROS);
            let planes = [zeros.get(..n).unwrap_or(&[]); CHANNELS_MAX];
            self.piece.extend_planar(planes.get(..n_channels).unwrap_or(&[]));
        }
        (n_frames > 0).then_some(&self.piece)
    }
}

impl Bridge {
    pub(crate) fn new(format: Format) -> Self {
        let n_frames = usize::try_from(PIECE.to_frames(format.rate())).unwrap_or(0);
        Self { spare: Some(Block::spare(format, n_frames)), format, waiting: None, told_at: None }
    }

    /// Silence in place of `gap`, which is told later; it arrived with what follows it, at `received_at`. To be given
    /// back. `None`: it is not a short loss.
    pub(crate) fn take(&mut self, gap: &Event, received_at: Instant) -> Option<Silence> {
        let Body::Gap(report) = &gap.body else { return None };
        let frames = report.frames;
        let is_whole = gap.span.duration() == MediaTime::from_frames(frames, self.format.rate());
        if report.reason != GapReason::Loss || gap.span.duration() > LONGEST || !is_whole {
            return None;
        }
        let mut piece = self.spare.take()?;
        piece.restart(gap.span.start, 0, received_at);
        let waiting = self.waiting.get_or_insert(Waiting { span: gap.span, frames: 0, n: 0 });
        waiting.span.end = gap.span.end;
        waiting.frames += frames;
        waiting.n += 1;
        Some(Silence { piece, start: gap.span.start, n_done: 0, n_left: frames, received_at })
    }

    /// The silence was used.
    pub(crate) fn give_back(&mut self, silence: Silence) {
        self.spare = Some(silence.piece);
    }

    /// What is to be told when the feed has reached `now`; at its end, everything.
    pub(crate) fn report(&mut self, now: MediaTime) -> Option<Event> {
        let since = self.told_at.map(|told_at| now.saturating_sub(told_at));
        if since.is_some_and(|since| since < REPORT_EVERY) {
            return None;
        }
        let Waiting { span, frames, n } = self.waiting.take()?;
        self.told_at = Some(span.end);
        let proof = if now == MediaTime::MAX { span.end } else { now };
        Some(Event::new(span, proof, Body::Gap(GapReport::of_losses(frames, n))))
    }
}

#[cfg(test)]
mod tests {
    use engine::event::Gap;
    use engine::time::SampleRate;

    use super::*;

    fn gap(start_ms: u64, millis: u64, reason: GapReason) -> Event {
        let span = Span::new(MediaTime::from_millis(start_ms), MediaTime::from_millis(start_ms + millis));
        Event::new(span, span.end, Gap { frames: millis * 16, reason })
    }

    /// How long it is, and whether it is silence without a break.
    fn length(silence: &mut Silence) -> MediaTime {
        let start = silence.start;
        let mut end = start;
        while let Some(piece) = silence.next() {
            assert_eq!(piece.span().start, end);
            end = piece.span().end;
            assert!(piece.channels().all(|channel| channel.iter().all(|sample| *sample == 0.0)));
        }
        end.saturating_sub(start)
    }

    /// Losses as (start ms, length ms), each followed by 10 ms of audio; reports as (start ms, end ms, frames, losses).
    fn check(losses: &[(u64, u64)], expected: &[(u64, u64, u64, Option<u64>)]) {
        let mut bridge = Bridge::new(Format::SPEECH);
        let mut reports = Vec::new();
        let mut now_ms = 0;
        for &(start_ms, millis) in losses {
            // Blocks of 10 ms come between them.
            let between = (now_ms..start_ms).step_by(10).map(MediaTime::from_millis);
            reports.extend(between.filter_map(|now| bridge.report(now)));
            now_ms = start_ms + millis + 10;
            let silence = bridge.take(&gap(start_ms, millis, GapReason::Loss), Instant::now());
            if let Some(mut silence) = silence {
                assert_eq!(length(&mut silence), MediaTime::from_millis(millis));
                bridge.give_back(silence);
            }
            reports.extend(bridge.report(MediaTime::from_millis(now_ms)));
        }
        reports.extend(bridge.report(MediaTime::MAX));
        let told = reports.iter().map(|event| match &event.body {
            Body::Gap(report) => {
                (event.span.start.as_millis(), event.span.end.as_millis(), report.frames, report.losses)
            }
            _ => unreachable!("{event:?}"),
        });
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn losses_that_are_close_are_told_together() {
        check(&[(500, 20)], &[(500, 520, 320, None)]);
        check(
            &[(500, 1), (600, 1), (700, 2), (1_500, 1), (1_900, 100), (9_000, 5)],
            &[
                (500, 501, 16, None),
                (600, 1_501, 64, Some(3)),
                (1_900, 2_000, 1_600, None),
                (9_000, 9_005, 80, None),
            ],
        );
    }

    #[test]
    fn long_ones_and_others_are_not_bridged() {
        let mut bridge = Bridge::new(Format::SPEECH);
        let now = Instant::now();
        assert!(bridge.take(&gap(0, 101, GapReason::Loss), now).is_none());
        assert!(bridge.take(&gap(0, 10, GapReason::Overload), now).is_none());
        let mut unknown = gap(0, 10, GapReason::Loss);
        unknown.body = Gap { frames: 0, reason: GapReason::Loss }.into();
        assert!(bridge.take(&unknown, now).is_none());
        assert_eq!(bridge.report(MediaTime::MAX), None);
        let rate = SampleRate::new(44_100).map(|rate| Format::new(rate, 2));
        let Ok(Ok(stereo)) = rate else { unreachable!("a usual format") };
        let span = Span::new(MediaTime::ZERO, MediaTime::from_frames(4_410, stereo.rate()));
        let event = Event::new(span, span.end, Gap { frames: 4_410, reason: GapReason::Loss });
        let silence = Bridge::new(stereo).take(&event, now);
        assert_eq!(silence.map(|mut silence| length(&mut silence)), Some(MediaTime::from_millis(100)));
    }
}

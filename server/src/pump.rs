//! The pump: moves an input's audio into a run, and everything else that the input says, in its place.

use std::time::{Duration, Instant};

use crossbeam::sync::Parker;
use engine::audio::{Block, Format};
use engine::event::{Event, Feed, FeedState, Gap, GapReason};
use engine::time::Span;
use thiserror::Error;

use crate::ingest::{Audio, IngestError, Step, Stream};
use crate::run::{FeedRun, RunError};

/// When a block may go on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tempo {
    /// At once.
    Free,
    /// When its last sample would have been heard, had the input begun with the first block.
    RealTime,
    /// At once, while on average there is no more than this of it.
    AtMost(Rate),
}

/// How fast audio is taken that may be brought faster than it would be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Seconds of audio a second, in the long run; at least 1.
    pub speed: u32,
    /// Audio that may come at once.
    pub burst: Duration,
}

impl Rate {
    /// When the audio of `span`, which came at `received_at`, is taken. `heard`: when all of it so far would have been
    /// heard.
    fn due(&self, heard: &mut Option<Instant>, received_at: Instant, span: Span) -> Instant {
        let speed = self.speed.max(1);
        let length = span.duration().to_duration() / speed;
        let end = heard.unwrap_or(received_at).max(received_at) + length;
        *heard = Some(end);
        end.checked_sub(self.burst / speed).unwrap_or(received_at).max(received_at)
    }
}

/// Why pumping stopped before the end of the input.
#[derive(Debug, Error)]
pub enum PumpError {
    /// The input failed.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Moves everything from `audio` to `run` until its end; `progress` is called after each block.
pub fn pump(
    audio: &mut Audio,
    run: &mut FeedRun,
    tempo: Tempo,
    progress: &mut dyn FnMut(&Audio),
) -> Result<(), PumpError> {
    let mut pump = Pump { run, stream: None, tempo, began: None, due: None };
    let mut spare = Spare::Scratch(Block::spare(Format::SPEECH, 1));
    while pump.run.is_publishing() {
        let step = audio.next_block(spare.block())?;
        match step {
            Step::Block => {
                pump.block(spare);
                progress(audio);
                spare = pump.spare()?;
            }
            Step::Format(stream) => {
                pump.format(stream, audio);
                spare = pump.spare()?;
            }
            Step::Gap(span, gap) => pump.run.leave_out(span, gap),
            Step::Metadata(metadata) => pump.state(audio, metadata),
            Step::Marker(span, marker) => pump.run.state(Event::new(span, audio.position(), marker)),
            Step::Wall(wall) => pump.run.heard_at(audio.position(), wall),
            Step::Anchor(anchor) => pump.run.anchored(audio.position(), anchor),
            Step::Feed(feed) => pump.state(audio, feed),
            Step::Endpoint => {
                pump.endpoint(spare);
                spare = pump.spare()?;
            }
            Step::Note(note) => pump.note(note, audio),
            Step::End => break,
        }
    }
    Ok(())
}

/// A block to fill.
enum Spare {
    /// From the lane.
    Lane(Block),
    /// The lane is full: what is filled in here is shed.
    Scratch(Block),
}

impl Spare {
    fn block(&mut self) -> &mut Block {
        match self {
            Self::Lane(block) | Self::Scratch(block) => block,
        }
    }
}

struct Pump<'a> {
    run: &'a mut FeedRun,
    stream: Option<Stream>,
    tempo: Tempo,
    began: Option<Instant>,
    /// When what was taken would have been heard at the highest speed.
    due: Option<Instant>,
}

impl Pump<'_> {
    fn spare(&mut self) -> Result<Spare, RunError> {
        let Some(stream) = self.stream else { return Ok(Spare::Scratch(Block::spare(Format::SPEECH, 1))) };
        Ok(match self.run.take(stream.format)? {
            Some(block) => Spare::Lane(block),
            None => Spare::Scratch(Block::spare(stream.format, self.run.block_frames(stream.format))),
        })
    }

    fn block(&mut self, spare: Spare) {
        match spare {
            Spare::Lane(mut block) => {
                self.pace(&mut block);
                self.run.send(block);
            }
            Spare::Scratch(block) => {
                let gap = Gap { frames: block.n_frames() as u64, reason: GapReason::Overload };
                self.run.leave_out(block.span(), gap);
            }
        }
    }

    /// Where the lane is full there is no telling, and the endpoint comes by itself.
    fn endpoint(&mut self, spare: Spare) {
        if let Spare::Lane(block) = spare {
            self.run.endpoint(block);
        }
    }

    fn format(&mut self, stream: Stream, audio: &Audio) {
        if self.stream.replace(stream) == Some(stream) {
            return;
        }
        self.state(audio, about(stream, None));
    }

    /// The quality of what follows is not what it could be: said with its format.
    fn note(&self, note: String, audio: &Audio) {
        tracing::warn!("{note}");
        if let Some(stream) = self.stream {
            self.state(audio, about(stream, Some(note)));
        }
    }

    fn state(&self, audio: &Audio, body: impl Into<engine::event::Body>) {
        let here = audio.position();
        self.run.state(Event::new(Span::new(here, here), here, body));
    }

    /// Holds a block back until its last sample is due.
    fn pace(&mut self, block: &mut Block) {
        let received_at = block.received_at();
        let due = match self.tempo {
            Tempo::Free => return,
            Tempo::RealTime => {
                let span = block.span();
                let begin = || received_at.checked_sub(span.start.to_duration()).unwrap_or(received_at);
                *self.began.get_or_insert_with(begin) + span.end.to_duration()
            }
            Tempo::AtMost(rate) => rate.due(&mut self.due, received_at, block.span()),
        };
        let parker = Parker::new();
        while Instant::now() < due {
            parker.park_deadline(due);
        }
        block.arrived(due);
    }
}

/// What a feed's audio is, and what is to be known about it.
fn about(stream: Stream, reason: Option<String>) -> Feed {
    Feed {
        state: FeedState::Format,
        reason,
        codec: Some(stream.codec.to_owned()),
        rate_hz: Some(stream.format.rate().hz()),
        channels: Some(stream.format.n_channels()),
    }
}

#[cfg(test)]
mod tests {
    use engine::time::MediaTime;

    use super::*;

    #[test]
    fn what_comes_as_it_is_heard_is_not_held_back_and_a_flood_is_after_its_burst() {
        let rate = Rate { speed: 2, burst: Duration::from_secs(2) };
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let span = Span::new(MediaTime::ZERO, MediaTime::from_secs(1));
        let mut heard = None;
        let mut taken = |ms| rate.due(&mut heard, at(ms), span).duration_since(start).as_millis();
        assert_eq!([0, 1_000, 2_000].map(&mut taken), [0, 1_000, 2_000]);
        assert_eq!(
            [9_000; 4].map(&mut taken),
            [9_000, 9_000, 9_500, 10_000],
            "half a second each, two at once"
        );
        assert_eq!(taken(60_000), 60_000, "a pause saves up no more than the burst");
        assert_eq!([60_000; 2].map(&mut taken), [60_000, 60_500]);
    }
}

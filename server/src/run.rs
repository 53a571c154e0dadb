//! One feed's run: publisher, lane and analysis on a host's worker, put together and taken apart in the right order.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::sync::WaitGroup;
use engine::audio::{Block, Format};
use engine::budget::Budgets;
use engine::continuity::Conservation;
use engine::event::{Body, Engine, Event, Gap, GapReason};
use engine::lane::{LaneConfig, LaneSender, WhenFull};
use engine::time::{MediaTime, Span};
use jiff::Timestamp;
use operators::{Analysis, AnalysisConfig, BuildError};
use thiserror::Error;

use crate::feed::FeedConsumer;
use crate::host::Host;
use crate::ingest::Anchor;
use crate::publish::{FeedIdentity, Item, Passage, Post, Publisher, Recorder, Seen, Sink, Tally, WallClock};
use crate::recognise::{Entry, Listener, RecogniserPool, Refused, Seat};

/// Why a run could not go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// An operator refused its configuration.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// It does not fit; an `engine.refused` event says so, too.
    #[error("refused: {0}")]
    Refused(#[from] Refused),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// What was found out could not be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// Frames were lost without a word: a fault of ours.
    #[error(
        "{received} frames were counted as received, {analysed} as analysed and {in_gaps} in gaps, of {offered} that came"
    )]
    Unaccounted {
        /// Frames that the source gave.
        offered: u64,
        /// Frames that were counted.
        received: u64,
        /// Of them, analysed.
        analysed: u64,
        /// Of them, in gaps.
        in_gaps: u64,
    },
    /// The analysis panicked; a `gap` event says from where.
    #[error("the analysis failed at {0} s")]
    Analysis(MediaTime),
}

/// How a feed's blocks travel.
#[derive(Clone, Copy, Debug)]
pub struct Travel {
    /// Longest block.
    pub block: Duration,
    /// Longest wait in the lane.
    pub lane: Duration,
    /// What to do when the lane is full.
    pub when_full: WhenFull,
}

impl Travel {
    /// For files and pipes: large blocks, and the source waits.
    pub const BATCH: Self =
        Self { block: Duration::from_millis(100), lane: Duration::from_secs(2), when_full: WhenFull::Wait };
    /// For live feeds: small blocks. When 160 ms wait and none is taken for 1.84 s, audio is shed: a gap after 2 s in
    /// which nothing was analysed. Meanwhile the source's audio waits in its socket.
    pub const LIVE: Self = Self {
        block: Duration::from_millis(20),
        lane: Duration::from_millis(160),
        when_full: WhenFull::ShedAfter(Duration::from_millis(1_840)),
    };
}

/// What a run is made of.
pub struct Setup {
    /// Name and epoch of the feed.
    pub identity: FeedIdentity,
    /// Its wall clock.
    pub clock: WallClock,
    /// What it promises.
    pub budgets: Budgets,
    /// How its blocks travel.
    pub travel: Travel,
    /// What is analysed.
    pub analysis: AnalysisConfig,
    /// Transcripts and keywords.
    pub listener: Listener,
    /// How it comes in, where speech is recognised.
    pub entry: Entry,
    /// Where events go.
    pub sinks: Vec<Box<dyn Sink>>,
}

/// A run that takes blocks.
pub struct FeedRun {
    travel: Travel,
    config: AnalysisConfig,
    post: Post,
    publisher: Publisher,
    host: Arc<Host>,
    /// Its place among those that share the recognisers.
    seat: Option<Arc<Seat>>,
    open: Option<Open>,
    /// Frames that the source gave, left out or not.
    offered: u64,
}

/// A stretch of one format.
struct Open {
    format: Format,
    lane: LaneSender,
    /// Its worker has taken everything.
    done: WaitGroup,
    end: MediaTime,
    missing: Option<Missing>,
}

/// Frames that were left out since the last block that was sent.
struct Missing {
    span: Span,
    frames: u64,
    reason: GapReason,
}

impl FeedRun {
    /// Starts publishing; the rest happens on `host`, if it takes one more feed.
    pub fn start(setup: Setup, host: Arc<Host>) -> Result<Self, RunError> {
        let recorder = Recorder::new(setup.identity, setup.clock).promising(setup.budgets);
        let (publisher, post) =
            Publisher::spawn(recorder, setup.listener, setup.sinks).map_err(RunError::Thread)?;
        let speech = host.pool().zip(setup.analysis.utterances.as_ref());
        let seat = speech.map(|(pool, utterances)| pool.join(setup.entry, utterances.partial)).transpose();
        let (seat, refused) = match seat {
            Ok(seat) => (seat, None),
            Err(refused) => (None, Some(refused)),
        };
        let (travel, config) = (setup.travel, setup.analysis);
        let run = Self { travel, config, post, publisher, host, seat, open: None, offered: 0 };
        match refused {
            None => Ok(run),
            Some(refused) => {
                let here = Span::new(MediaTime::ZERO, MediaTime::ZERO);
                let why = Engine { step: 0, reason: refused.to_string() };
                run.state(Event::new(here, here.end, Body::Refused(why)));
                run.finish()?;
                Err(refused.into())
            }
        }
    }

    /// Publishes something that is known without analysis, such as a change of the feed's state.
    pub fn state(&self, event: Event) {
        self.post.send(Item::Fact(Box::new(event), Passage::direct(Instant::now())));
    }

    /// What follows `position` was heard at `wall`, says the source.
    pub fn heard_at(&self, position: MediaTime, wall: Timestamp) {
        self.post.see(Seen::HeardAt { position, wall });
    }

    /// A segment of the source follows at `position`.
    pub fn anchored(&self, position: MediaTime, anchor: Anchor) {
        self.post.see(Seen::Anchored { position, anchor });
    }

    /// Reports frames that are not analysed.
    fn gap(&self, span: Span, gap: Gap) {
        self.state(Event::new(span, span.end, gap));
        let conservation = Conservation { received: gap.frames, analysed: 0, in_gaps: gap.frames };
        self.post.see(Seen::Counted { conservation, end: span.end });
    }

    /// Whether anything can still be published. `false`: the output broke, see [`Self::finish`].
    #[must_use]
    pub fn is_publishing(&self) -> bool {
        !self.publisher.is_finished()
    }

    /// An empty block of `format` to fill. `None`: the lane is full; say so with [`Self::leave_out`].
    pub fn take(&mut self, format: Format) -> Result<Option<Block>, RunError> {
        if self.open.as_ref().is_none_or(|open| open.format != format) {
            self.close()?;
            self.open = Some(self.open(format)?);
        }
        let Some(open) = &self.open else { return Ok(None) };
        let block = open.lane.take();
        if block.is_none() && open.lane.is_abandoned() {
            return Err(RunError::Analysis(open.end));
        }
        Ok(block)
    }

    /// Sends a filled block on its way.
    pub fn send(&mut self, mut block: Block) {
        if let Some(open) = &mut self.open {
            if let Some(missing) = open.missing.take() {
                block.explain_missing(Gap { frames: missing.frames, reason: missing.reason });
            }
            open.end = block.span().end;
            self.offered += block.n_frames() as u64;
            open.lane.send(block);
        }
    }

    /// Ends the utterance that is open behind everything that was sent, on an empty block.
    pub fn endpoint(&self, mut block: Block) {
        if let Some(open) = &self.open {
            block.mark_endpoint();
            open.lane.send(block);
        }
    }

    /// Leaves out `gap` at `span`: lost by the source, or shed because there was no block for it. The worker reports it
    /// with the next block; one at the very end is reported when the run ends.
    pub fn leave_out(&mut self, span: Span, gap: Gap) {
        if let Some(open) = &mut self.open {
            let Gap { frames, reason } = gap;
            self.offered += frames;
            let missing = open.missing.get_or_insert(Missing { span, frames: 0, reason });
            missing.span.end = span.end;
            missing.frames += frames;
        }
    }

    /// A handle to post to this run's publisher.
    #[must_use]
    pub fn post(&self) -> Post {
        self.post.clone()
    }

    /// Ends the run: everything taken is analysed, recognised and published, and every frame accounted for.
    pub fn finish(mut self) -> Result<Tally, RunError> {
        let closed = self.close();
        // The recognisers post until everything asked for is answered.
        drop(self.post);
        let tally = self.publisher.join().map_err(RunError::Output)?;
        closed?;
        let Conservation { received, analysed, in_gaps } = tally.conservation;
        // A source that jumps ahead adds a gap of its own to what it gave.
        if !tally.conservation.holds() || received < self.offered {
            return Err(RunError::Unaccounted { offered: self.offered, received, analysed, in_gaps });
        }
        Ok(tally)
    }

    /// Frames that a block of `format` holds.
    #[must_use]
    pub fn block_frames(&self, format: Format) -> usize {
        frames_in(self.travel.block, format)
    }

    fn open(&self, format: Format) -> Result<Open, RunError> {
        let block_frames = self.block_frames(format);
        let config = LaneConfig {
            format,
            block_frames,
            n_blocks: frames_in(self.travel.lane, format).div_ceil(block_frames),
            when_full: self.travel.when_full,
        };
        let analysis = Analysis::new(format, block_frames, &self.config)?;
        let asker = |(pool, seat): (&RecogniserPool, &Arc<Seat>)| {
            pool.asker(Arc::clone(seat), format.rate(), self.post.clone())
        };
        let asker = self.host.pool().zip(self.seat.as_ref()).map(asker);
        let done = WaitGroup::new();
        let consumer = FeedConsumer::new(analysis, format, self.post.clone(), asker, done.clone());
        let no_worker = || RunError::Thread(io::Error::other("the worker takes no more feeds"));
        let worker = self.host.worker().ok_or_else(no_worker)?;
        let lane = worker.pin(config, Box::new(consumer)).map_err(|_| no_worker())?;
        Ok(Open { format, lane, done, end: MediaTime::ZERO, missing: None })
    }

    /// Ends the stretch: waits until the worker has taken everything.
    fn close(&mut self) -> Result<(), RunError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let abandoned = open.lane.is_abandoned();
        drop(open.lane);
        open.done.wait();
        if let Some(Missing { span, frames, reason }) = open.missing {
            self.gap(span, Gap { frames, reason });
        }
        if abandoned { Err(RunError::Analysis(open.end)) } else { Ok(()) }
    }
}

/// Frames of `format` in `time`, at least one.
fn frames_in(time: Duration, format: Format) -> usize {
    let frames = time.as_millis() * u128::from(format.rate().hz()) / 1_000;
    usize::try_from(frames).unwrap_or(usize::MAX).max(1)
}

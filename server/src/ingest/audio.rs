//! Any input as blocks on one media clock. What is not a block is a step of its own, at its place among them.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use engine::audio::Block;
use engine::event::{Feed, FeedState, Gap, GapReason, Marker, Metadata};
use engine::time::{FLICKS_PER_SECOND, MediaTime, Span};
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::decode::{Decoded, Hint, Lost, Origin, Planes, Stream};
use super::error::IngestError;
use super::exec::ExecSource;
use super::hls;
use super::http::Address;
use super::live::{Dock, Live, LiveConfig, Received};
use super::pcm::PcmSpec;
use super::reader::Reader;
use super::rtp::RtpSource;

/// What an input gives next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// What the next blocks are: comes before the first block, whenever it changes, and in place of a block when the
    /// one that was given has another format.
    Format(Stream),
    /// The block holds frames.
    Block,
    /// Frames are missing. `frames` is 0 where none arrived: the source was away for the length of the span, by the
    /// monotonic clock. The next block begins a new stretch at the end of the span.
    Gap(Span, Gap),
    /// What is playing from here on. May come before the first format.
    Metadata(Metadata),
    /// The source marked the span, which may lie before or after here.
    Marker(Span, Marker),
    /// What comes next was heard then, says the source.
    Wall(Timestamp),
    /// Which segment of the source comes next. Only HLS has them.
    Anchor(hls::Anchor),
    /// The connection changed its state. Only live streams have one.
    Feed(Feed),
    /// What was said up to here is an utterance, whatever follows. Only feeds whose bytes are brought have it.
    Endpoint,
    /// Something that the listener should know about the quality of what follows.
    Note(String),
    /// There is no more.
    End,
}

/// An input that is being read.
pub struct Audio {
    source: Source,
    stream: Option<Stream>,
    origin: MediaTime,
    frame: u64,
    /// Frames of the source's planes that are in no block yet.
    left: Range<usize>,
    /// What comes after a block that was cut short by it.
    held: Option<Received>,
    stopper: Stopper,
    /// What was not given when it was cut is told.
    is_cut: bool,
    ended: bool,
}

enum Source {
    Local(Reader),
    Live(Box<Live>),
}

/// Ends an input from another thread. What was received is still given.
#[derive(Clone, Debug)]
pub struct Stopper {
    told: Arc<Told>,
    receiving: Option<AbortHandle>,
}

/// What an input was told.
#[derive(Debug, Default)]
struct Told {
    stopped_at: OnceLock<Instant>,
    is_cut: AtomicBool,
}

impl Stopper {
    /// Ends it: a file before the next block, a stream after what has arrived.
    pub fn stop(&self) {
        // Whoever stopped it first.
        let _ = self.told.stopped_at.set(Instant::now());
        if let Some(receiving) = &self.receiving {
            receiving.abort();
        }
    }

    /// Ends a stream without what has arrived, which becomes a gap: there is no time for it. A file, of which nothing
    /// waits, is only stopped.
    pub fn cut(&self) {
        self.stop();
        self.told.is_cut.store(true, Relaxed);
    }

    fn stopped_at(&self) -> Option<Instant> {
        self.told.stopped_at.get().copied()
    }
}

impl Audio {
    /// Opens a file: of any known format, or of raw samples as described.
    pub fn from_file(path: &Path, pcm: Option<PcmSpec>) -> Result<Self, IngestError> {
        let place = path.display().to_string();
        let unreachable =
            |error: io::Error| IngestError::Unreachable { place: place.clone(), reason: error.to_string() };
        let file = File::open(path).map_err(unreachable)?;
        let kind = file.metadata().map_err(unreachable)?.file_type();
        if kind.is_dir() {
            return Err(IngestError::NotAudio {
                place,
                found: "a directory".into(),
                expected: "an audio file",
            });
        }
        let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
        let origin = if kind.is_file() { Origin::File(file) } else { Origin::Stream(Box::new(file)) };
        Self::from_origin(&place, origin, &Hint { extension, pcm, ..Hint::default() })
    }

    /// Reads standard input.
    pub fn from_stdin(pcm: Option<PcmSpec>) -> Result<Self, IngestError> {
        let hint = Hint { pcm, ..Hint::default() };
        Self::from_origin("standard input", Origin::Stream(Box::new(io::stdin())), &hint)
    }

    /// Receives a live stream on `runtime`. The first connection is made later: its failure is an error of the first
    /// [`Self::next_block`].
    pub fn from_stream(address: &Address, config: LiveConfig, runtime: &Handle) -> Result<Self, IngestError> {
        let live = Live::start(address.clone(), config, runtime)?;
        let receiving = Some(live.stopper());
        Ok(Self::new(Source::Live(Box::new(live)), receiving))
    }

    /// Receives packets on `runtime`.
    pub fn from_rtp(source: &RtpSource, config: LiveConfig, runtime: &Handle) -> Result<Self, IngestError> {
        let live = source.start(config, runtime)?;
        let receiving = Some(live.stopper());
        Ok(Self::new(Source::Live(Box::new(live)), receiving))
    }

    /// Runs a command on `runtime`; what it writes is raw samples as `pcm` says, or else what it looks like.
    pub fn from_exec(
        source: &ExecSource,
        pcm: Option<PcmSpec>,
        config: LiveConfig,
        runtime: &Handle,
    ) -> Result<Self, IngestError> {
        let live = Live::executing(source, pcm, config, runtime)?;
        let receiving = Some(live.stopper());
        Ok(Self::new(Source::Live(Box::new(live)), receiving))
    }

    /// A live feed whose bytes are brought to a dock; `place` names it in errors.
    pub fn from_dock(place: &str, config: LiveConfig, runtime: &Handle) -> Result<(Self, Dock), IngestError> {
        let (live, dock) = Live::docked(place.to_owned(), config, runtime)?;
        let receiving = Some(live.stopper());
        Ok((Self::new(Source::Live(Box::new(live)), receiving), dock))
    }

    /// Reads any source of bytes; `place` names it in errors.
    pub fn from_origin(place: &str, origin: Origin, hint: &Hint) -> Result<Self, IngestError> {
        Ok(Self::new(Source::Local(Reader::open(place, origin, hint)?), None))
    }

    fn new(source: Source, receiving: Option<AbortHandle>) -> Self {
        let stopper = Stopper { told: Arc::default(), receiving };
        let (stream, origin, frame, left, held) = (None, MediaTime::ZERO, 0, 0..0, None);
        Self { source, stream, origin, frame, left, held, stopper, is_cut: false, ended: false }
    }

    /// Ends it from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Whether blocks arrive at the pace of the world.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.source, Source::Live(_))
    }

    /// Media time at the end of what was given.
    #[must_use]
    pub fn position(&self) -> MediaTime {
        let frames = |stream: Stream| MediaTime::from_frames(self.frame, stream.format.rate());
        self.origin + self.stream.map_or(MediaTime::ZERO, frames)
    }

    /// How much of a file was read, 0..=1. `None`: nobody knows how long the input is.
    #[must_use]
    pub fn progress(&self) -> Option<f64> {
        match &self.source {
            Source::Local(reader) => reader.progress(),
            Source::Live(_) => None,
        }
    }

    /// What comes next; fills `block` when that is frames. A file fills it to its capacity, a live stream gives what
    /// arrived together: nothing waits for more. Waits for input. After an error or the end there is no more.
    pub fn next_block(&mut self, block: &mut Block) -> Result<Step, IngestError> {
        if let Some(gap) = self.cut() {
            return Ok(gap);
        }
        let mut filled = false;
        loop {
            if !self.left.is_empty() {
                let Some(stream) = self.stream else { return Ok(Step::End) };
                if block.format() != stream.format || block.capacity() == 0 {
                    return Ok(Step::Format(stream));
                }
                if !filled {
                    block.restart(self.origin, self.frame, self.received_at());
                    filled = true;
                }
                self.fill(block);
                if self.is_live() || block.n_frames() == block.capacity() {
                    return Ok(Step::Block);
                }
                continue;
            }
            let received = match self.held.take() {
                Some(held) => held,
                None => match self.pull()? {
                    Some(received) => received,
                    None if filled => return Ok(Step::Block),
                    None => return Ok(self.end()),
                },
            };
            if received == Received::Decoded(Decoded::Frames) {
                self.left = 0..self.planes().n_frames();
            } else if filled {
                self.held = Some(received);
                return Ok(Step::Block);
            } else if let Some(step) = self.step(received) {
                return Ok(step);
            }
        }
    }

    /// Takes a step that is no block. `None`: it says nothing new.
    fn step(&mut self, received: Received) -> Option<Step> {
        Some(match received {
            Received::Decoded(Decoded::Stream(stream)) => {
                if self.stream == Some(stream) {
                    return None;
                }
                self.begin(self.position());
                self.stream = Some(stream);
                Step::Format(stream)
            }
            Received::Decoded(Decoded::Lost(Lost { frames, reason })) => {
                let length = self.stream.map(|stream| MediaTime::from_frames(frames, stream.format.rate()));
                self.gap(length?, Gap { frames, reason })
            }
            Received::Away { elapsed, reason } => self.gap(media_time(elapsed), Gap { frames: 0, reason }),
            Received::Decoded(Decoded::Metadata(metadata)) => Step::Metadata(metadata),
            Received::Decoded(Decoded::Note(note)) => Step::Note(note),
            Received::Decoded(Decoded::Frames) => return None,
            Received::Mark(hls::Mark { after, marker }) => {
                let start = hls::place(self.position(), after);
                let length = marker.duration.or(marker.planned_duration).unwrap_or(MediaTime::ZERO);
                Step::Marker(Span::new(start, start + length), marker)
            }
            Received::Wall(wall) => Step::Wall(wall),
            Received::Anchor(anchor) => Step::Anchor(anchor),
            Received::Feed(feed) => Step::Feed(feed),
            Received::Endpoint => Step::Endpoint,
        })
    }

    fn gap(&mut self, length: MediaTime, gap: Gap) -> Step {
        let start = self.position();
        self.begin(start + length);
        Step::Gap(Span::new(start, start + length), gap)
    }

    /// A new stretch of unbroken audio.
    fn begin(&mut self, origin: MediaTime) {
        (self.origin, self.frame) = (origin, 0);
    }

    /// Leaves everything that waits, once, where that was asked for. How much that is only the clock tells: what is not
    /// decoded has no length.
    fn cut(&mut self) -> Option<Step> {
        if self.is_cut || !self.is_live() || !self.stopper.told.is_cut.load(Relaxed) {
            return None;
        }
        (self.is_cut, self.left, self.held) = (true, 0..0, None);
        let waited = self.stopper.stopped_at()?.saturating_duration_since(self.received_at());
        self.stream?;
        Some(self.gap(media_time(waited), Gap { frames: 0, reason: GapReason::Overload }))
    }

    fn end(&mut self) -> Step {
        let was_told = !std::mem::replace(&mut self.ended, true) && self.stopper.stopped_at().is_some();
        if !(was_told && self.is_live()) {
            return Step::End;
        }
        let reason = Some("told to end".into());
        Step::Feed(Feed { state: FeedState::Ended, reason, codec: None, rate_hz: None, channels: None })
    }

    fn fill(&mut self, block: &mut Block) {
        let n = self.planes().with(self.left.clone(), |planes| block.extend_planar(planes));
        self.left.start += n;
        self.frame += n as u64;
    }

    fn pull(&mut self) -> Result<Option<Received>, IngestError> {
        let is_over = if self.is_live() { self.is_cut } else { self.stopper.stopped_at().is_some() };
        if self.ended || is_over {
            return Ok(None);
        }
        let pulled = match &mut self.source {
            Source::Local(reader) => reader.next().map(|next| next.map(Received::Decoded)),
            Source::Live(live) => live.pull(),
        };
        self.ended |= pulled.is_err();
        pulled
    }

    fn planes(&self) -> &Planes {
        match &self.source {
            Source::Local(reader) => reader.planes(),
            Source::Live(live) => live.planes(),
        }
    }

    fn received_at(&self) -> Instant {
        match &self.source {
            Source::Live(live) => live.received_at(),
            Source::Local(_) => Instant::now(),
        }
    }
}

/// The length of a pause as media time.
fn media_time(elapsed: Duration) -> MediaTime {
    let flicks = elapsed.as_nanos() * u128::from(FLICKS_PER_SECOND) / 1_000_000_000;
    MediaTime::from_flicks(u64::try_from(flicks).unwrap_or(u64::MAX))
}

//! Bytes to planar f32 frames: containers and codecs of `symphonia`, Opus through `ropus`. Knows no sockets and no
//! media time; positions are for [`crate::ingest::Audio`].
//!
//! A decoder pulls: it reads as much as the next packet needs and never keeps a file in memory. Files are read as a
//! pipe would be, except MP4 and CAF, whose index may lie at the end. What is damaged is skipped and counted; what
//! cannot be decoded at all is an error in one line. A panic inside a decoder is caught and ends the feed.

mod boxes;
mod open;
mod opus;
mod planes;
mod sniff;
mod source;
mod tags;
mod timeline;
mod track;

use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use engine::audio::Format;
use engine::event::{GapReason, Metadata};
use engine::time::SampleRate;
use symphonia::core::errors::Error;
use symphonia::core::formats::FormatReader;
use symphonia::core::packet::Packet;

pub use open::Hint;
pub(super) use opus::OpusStream;
pub(super) use planes::Planes;
pub use source::Origin;
pub(super) use timeline::Lost;

use super::error::IngestError;
use source::{BudgetSpent, Meter};
use timeline::{Junk, Timeline, shortfall};
use track::{PacketError, Track};

/// Damage before the first good packet is no loss up to here, seconds: a stream is joined in the middle of one.
const JOIN_SECS: f64 = 0.5;
/// A decoder is made anew after this many corrupt packets in a row: symphonia's never changes rate or channels.
const RENEW_AFTER: u32 = 3;
/// Errors of a demuxer that are taken in a row while it reads nothing new. It has at most 32 KiB to stumble over.
const STUMBLES_MAX: u32 = 65_536;

/// What the frames of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Rate and channels.
    pub format: Format,
    /// Codec, such as `mp3`.
    pub codec: &'static str,
}

/// What comes out of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decoded {
    /// What the frames are: before the first ones, and before the first ones that differ.
    Stream(Stream),
    /// Frames lie in [`Decoder::planes`].
    Frames,
    /// Frames are missing here.
    Lost(Lost),
    /// What is playing.
    Metadata(Metadata),
    /// Something that the listener should know about the quality of what follows.
    Note(String),
}

/// Decodes one input.
pub(super) struct Decoder {
    place: String,
    reader: Box<dyn FormatReader>,
    track: Track,
    planes: Planes,
    meter: Arc<Meter>,
    /// Length of a file.
    byte_len: Option<u64>,
    /// Whether the header's length is to be believed.
    has_promise: bool,
    /// Most frames that are taken: what follows the data of an RF64 file is none.
    frames_max: Option<u64>,
    timeline: Timeline,
    junk: Option<Junk>,
    ready: VecDeque<Decoded>,
    stream: Option<Stream>,
    title: Option<Metadata>,
    corrupt_frames: u64,
    corrupt_run: u32,
    last_error: Option<String>,
    stumbles: (u32, u64),
    decoded_frames: u64,
    /// Frames before the first good ones, where it was joined.
    joined_frames: u64,
    lost_frames: u64,
    ended: bool,
}

impl Decoder {
    /// Recognises the format of `origin` and reads its header. Blocks until it is there. `place` names the input in
    /// errors.
    pub(super) fn open(place: &str, origin: Origin, hint: &Hint) -> Result<Self, IngestError> {
        let meter = Arc::new(Meter::default());
        let opened = catch_unwind(AssertUnwindSafe(|| open::open(place, origin, hint, &meter)));
        opened.unwrap_or_else(|panic| Err(panicked(place, &meter, panic.as_ref())))
    }

    /// What comes next; `None` at the end. After an error there is no more.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot fail")]
    pub(super) fn next(&mut self) -> Result<Option<Decoded>, IngestError> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Some(ready));
            }
            if self.ended {
                return Ok(None);
            }
            let advanced = catch_unwind(AssertUnwindSafe(|| self.advance()));
            let advanced =
                advanced.unwrap_or_else(|panic| Err(panicked(&self.place, &self.meter, panic.as_ref())));
            if advanced.is_err() {
                self.ended = true;
            }
            advanced?;
        }
    }

    /// The frames of the last [`Decoded::Frames`].
    #[must_use]
    pub(super) fn planes(&self) -> &Planes {
        &self.planes
    }

    /// The same decoder for what follows `before` without a break: the codec goes on where it is the same one.
    #[must_use]
    pub(super) fn after(mut self, mut before: Self) -> Self {
        self.track.go_on(&mut before.track);
        std::mem::swap(&mut self.planes, &mut before.planes);
        (self.stream, self.title) = (before.stream, before.title);
        self
    }

    /// Frames that were there before the first good ones and could not be decoded: it was joined in the middle.
    #[must_use]
    pub(super) fn joined_frames(&self) -> u64 {
        self.joined_frames
    }

    /// How much of a file was read, 0..=1. `None`: nobody knows how long it is.
    pub(super) fn progress(&self) -> Option<f64> {
        self.byte_len.map(|byte_len| (self.meter.pulled() as f64 / byte_len.max(1) as f64).min(1.0))
    }

    fn advance(&mut self) -> Result<(), IngestError> {
        match self.reader.next_packet() {
            Ok(Some(packet)) if packet.track_id == self.track.id => {
                self.tell_title();
                self.packet(&packet)
            }
            Ok(Some(_)) => Ok(()),
            Ok(None) => self.finish(),
            Err(Error::ResetRequired) => self.restart(),
            Err(Error::IoError(error)) => self.read_error(error),
            Err(error) => self.stumble(error.to_string()),
        }
    }

    fn packet(&mut self, packet: &Packet) -> Result<(), IngestError> {
        let rate_hz = self.rate_hz();
        let ticks = |ticks: u64| i64::try_from(ticks).unwrap_or(i64::MAX);
        let n_frames = self.track.frames(ticks(packet.block_dur().get()), rate_hz).unsigned_abs();
        let start =
            self.track.frames(packet.pts.get().saturating_sub(ticks(packet.trim_start.get())), rate_hz);
        match self.track.decode(packet, &mut self.planes) {
            Ok((rate_hz, n_channels)) => {
                let n_frames = if n_frames == 0 { self.planes.n_frames() as u64 } else { n_frames };
                self.account(packet.data.len() as u64, (start, n_frames), rate_hz);
                self.frames(rate_hz, n_channels)
            }
            Err(PacketError::Corrupt(what)) => {
                // Where bytes are counted, those of a corrupt packet are junk: its header may be wrong, too.
                let n_frames = if self.junk.is_some() { 0 } else { n_frames };
                if n_frames > 0 {
                    let lost = self.timeline.packet(start, n_frames, rate_hz);
                    self.lose(lost);
                }
                self.corrupt(what, n_frames)
            }
            Err(PacketError::Reset) => self.renew(),
        }
    }

    /// What is missing before a good packet: by its bytes where nothing else is known, else by its time.
    fn account(&mut self, n_bytes: u64, (start, n_frames): (i64, u64), rate_hz: u32) {
        let lost = match &mut self.junk {
            Some(junk) => {
                let packet = (n_bytes, self.planes.n_frames() as u64);
                junk.packet(packet, self.meter.settled(), self.meter.pulled())
            }
            None => self.timeline.packet(start, n_frames, rate_hz),
        };
        self.lose(lost);
    }

    fn frames(&mut self, rate_hz: u32, n_channels: usize) -> Result<(), IngestError> {
        self.corrupt_run = 0;
        if let Some(max) = self.frames_max {
            let excess = (self.decoded_frames + self.planes.n_frames() as u64).saturating_sub(max);
            self.planes.trim(0, usize::try_from(excess).unwrap_or(usize::MAX));
            self.ended = excess > 0;
        }
        if self.planes.n_frames() == 0 {
            return Ok(());
        }
        let stream = Stream { format: self.format(rate_hz, n_channels)?, codec: self.track.codec };
        let joined = self.decoded_frames == 0 && self.corrupt_frames as f64 <= JOIN_SECS * f64::from(rate_hz);
        if joined {
            self.joined_frames = std::mem::take(&mut self.corrupt_frames);
        }
        if self.stream != Some(stream) {
            // What is said so far waits until it is known at which rate: the first thing said is the stream.
            self.ready.push_front(Decoded::Stream(stream));
            self.stream = Some(stream);
            self.ready.extend(self.track.note.take().map(Decoded::Note));
        }
        self.tell_corrupt();
        self.decoded_frames += self.planes.n_frames() as u64;
        self.meter.audio();
        if self.byte_len.is_some() {
            // A file ends; from here on garbage is a gap, not an error.
            self.meter.allow(u64::MAX);
        }
        self.ready.push_back(Decoded::Frames);
        Ok(())
    }

    fn format(&self, rate_hz: u32, n_channels: usize) -> Result<Format, IngestError> {
        let place = || self.place.clone();
        let rate =
            SampleRate::new(rate_hz).map_err(|source| IngestError::SampleRate { place: place(), source })?;
        Format::new(rate, n_channels).map_err(|source| IngestError::Channels { place: place(), source })
    }

    fn corrupt(&mut self, what: String, n_frames: u64) -> Result<(), IngestError> {
        self.corrupt_frames = self.corrupt_frames.saturating_add(n_frames);
        self.corrupt_run += 1;
        self.last_error = Some(what);
        if self.corrupt_run.is_multiple_of(RENEW_AFTER) { self.renew() } else { Ok(()) }
    }

    fn renew(&mut self) -> Result<(), IngestError> {
        self.track.renew().map_err(|what| self.unsupported(what))
    }

    /// A new stream begins inside this one, as in chained Ogg.
    fn restart(&mut self) -> Result<(), IngestError> {
        self.track = Track::choose(self.reader.as_ref()).map_err(|what| self.unsupported(what))?;
        self.timeline.restart();
        Ok(())
    }

    fn tell_title(&mut self) {
        let metadata = tags::newest(self.reader.as_mut(), &mut self.title);
        self.ready.extend(metadata.map(Decoded::Metadata));
    }

    fn tell_corrupt(&mut self) {
        let frames = std::mem::take(&mut self.corrupt_frames);
        self.lose((frames > 0).then_some(Lost { frames, reason: GapReason::Undecodable }));
    }

    fn lose(&mut self, lost: Option<Lost>) {
        // Before the first frame nobody knows where it would be missing.
        let Some(lost) = lost.filter(|_| self.stream.is_some()) else { return };
        self.lost_frames = self.lost_frames.saturating_add(lost.frames);
        self.ready.push_back(Decoded::Lost(lost));
    }

    fn finish(&mut self) -> Result<(), IngestError> {
        self.ended = true;
        let rate_hz = self.rate_hz();
        let promised = self.track.promised(rate_hz).filter(|_| self.has_promise);
        if self.decoded_frames == 0 {
            let promise = promised.map(|frames| frames / u64::from(rate_hz.max(1)));
            let promise =
                promise.map(|secs| format!("the header promises {secs} s, and the input ends here"));
            let reason = self.last_error.take().or(promise).unwrap_or_else(|| "the input ends here".into());
            return Err(self.undecodable(reason));
        }
        let junk = self.junk.as_mut().and_then(|junk| junk.end(self.meter.pulled()));
        self.tell_corrupt();
        self.lose(junk);
        self.lose(shortfall(promised, self.decoded_frames.saturating_add(self.lost_frames), rate_hz));
        Ok(())
    }

    fn read_error(&mut self, error: io::Error) -> Result<(), IngestError> {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return self.finish();
        }
        if error.get_ref().is_some_and(|inner| inner.is::<BudgetSpent>()) {
            return Err(self.undecodable(error.to_string()));
        }
        Err(IngestError::Read { place: self.place.clone(), byte: self.meter.pulled(), source: error })
    }

    /// The demuxer met something that it does not understand. It may find its way again further on.
    fn stumble(&mut self, what: String) -> Result<(), IngestError> {
        let pulled = self.meter.pulled();
        let (count, at) = self.stumbles;
        self.stumbles = if at == pulled { (count + 1, at) } else { (0, pulled) };
        if count < STUMBLES_MAX {
            self.last_error = Some(what);
            return Ok(());
        }
        if self.decoded_frames > 0 && self.byte_len.is_some() {
            self.finish()
        } else {
            Err(self.undecodable(what))
        }
    }

    fn rate_hz(&self) -> u32 {
        let stated = || self.track.rate_hz().unwrap_or(SampleRate::MIN_HZ);
        self.stream.map_or_else(stated, |stream| stream.format.rate().hz())
    }

    fn undecodable(&self, reason: String) -> IngestError {
        IngestError::Undecodable { place: self.place.clone(), byte: self.meter.pulled(), reason }
    }

    fn unsupported(&self, what: String) -> IngestError {
        IngestError::Unsupported { place: self.place.clone(), what }
    }
}

fn panicked(place: &str, meter: &Meter, panic: &(dyn Any + Send)) -> IngestError {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    IngestError::DecoderPanicked { place: place.into(), byte: meter.pulled(), message: message.into() }
}

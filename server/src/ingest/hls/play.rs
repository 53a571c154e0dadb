//! Segments to frames, in order: each decoded whole, joined to the one before, and what is missing said at its place. Receives
//! nothing; runs on the thread that decodes.

use std::io::Cursor;
use std::time::Instant;

use engine::event::{Feed, FeedState, GapReason};
use engine::time::{FLICKS_PER_SECOND, MediaTime, SampleRate};
use jiff::{SignedDuration, Timestamp};

use super::clip::{Clip, clip};
use super::follow::Mark;
use super::joint::{Joint, Missing, Stamp};
use super::{Anchor, Part, Sent};
use crate::ingest::decode::{Decoded, Decoder, Lost, Origin, Planes, Stream};
use crate::ingest::error::IngestError;
use crate::ingest::live::{Deaf, Received};

/// Segments in a row that cannot be decoded until it is said. One may be damaged.
const BAD_MAX: u32 = 3;

/// What comes out of segments.
pub(in crate::ingest) enum Said<'a> {
    /// Anything but frames.
    Received(Received),
    /// Frames whose segment had arrived then.
    Frames(&'a Planes, Instant),
}

type Say<'a> = dyn FnMut(Said<'_>) -> Result<(), Deaf> + 'a;

/// Why there is no more to be played.
pub(in crate::ingest) enum Stop {
    /// Nobody listens.
    Deaf,
    /// There was never any audio, and it will not get better.
    Failed(IngestError),
}

impl From<Deaf> for Stop {
    fn from(Deaf: Deaf) -> Self {
        Self::Deaf
    }
}

/// Plays the segments of one feed.
pub(in crate::ingest) struct Player {
    place: String,
    /// Whether it waits for ever for the first audio.
    is_patient: bool,
    decoder: Option<Decoder>,
    joint: Joint,
    rate: Option<SampleRate>,
    is_live: bool,
    is_dated: bool,
    n_bad: u32,
}

/// What is said at the first frames of a segment.
struct Beginning<'a> {
    clip: &'a Clip,
    stream: Option<Stream>,
    wall: Option<Timestamp>,
    anchor: Anchor,
    marks: Vec<Mark>,
    /// Frames that came before the first ones and could not be decoded.
    skipped: u64,
}

impl Player {
    /// `place` names the feed in errors.
    pub(in crate::ingest) fn new(place: String, is_patient: bool) -> Self {
        let joint = Joint::default();
        Self {
            place,
            is_patient,
            decoder: None,
            joint,
            rate: None,
            is_live: false,
            is_dated: false,
            n_bad: 0,
        }
    }

    /// Whether audio came since the connection changed its state.
    pub(in crate::ingest) const fn is_live(&self) -> bool {
        self.is_live
    }

    /// The connection changed its state: the feed is not live until it gives audio again.
    pub(in crate::ingest) fn rest(&mut self) {
        self.is_live = false;
    }

    /// Plays what comes next.
    pub(in crate::ingest) fn take(&mut self, part: Part, say: &mut Say<'_>) -> Result<(), Stop> {
        match part {
            Part::Segment(sent) => self.segment(*sent, say),
            Part::Missing { length, is_cut, reason, marks } => {
                if is_cut {
                    self.joint.cut();
                }
                self.miss(length, reason, marks, say)
            }
            Part::End => self.end(say),
            Part::Quiet => {
                self.is_live = false;
                say(Said::Received(Received::Endpoint))?;
                Ok(say(Said::Received(state(FeedState::Stalled, None)))?)
            }
        }
    }

    /// What is missing at the end has nothing behind it that could say so.
    fn end(&mut self, say: &mut Say<'_>) -> Result<(), Stop> {
        let missing = self.joint.begin(None);
        self.lose(missing, say)
    }

    /// Says what is missing, in the format of what came before. Before the first audio nobody knows where it would be missing.
    fn lose(&self, missing: Option<Missing>, say: &mut Say<'_>) -> Result<(), Stop> {
        let Some((missing, rate)) = missing.zip(self.rate) else { return Ok(()) };
        let lost = Lost { frames: missing.length.to_frames(rate), reason: missing.reason };
        Ok(say(Said::Received(Received::Decoded(Decoded::Lost(lost))))?)
    }

    /// Nothing comes of a segment of `length`.
    fn miss(
        &mut self,
        length: MediaTime,
        reason: GapReason,
        marks: Vec<Mark>,
        say: &mut Say<'_>,
    ) -> Result<(), Stop> {
        let missed = i64::try_from(self.joint.missed().flicks()).unwrap_or(i64::MAX);
        self.decoder = None;
        self.joint.miss(length, reason);
        mark(marks, missed, say)
    }

    fn segment(&mut self, sent: Sent, say: &mut Say<'_>) -> Result<(), Stop> {
        let Sent { bytes, header, at, wall, number, era, target, length, is_cut, marks, .. } = sent;
        let (lead, ticks, began) = (0, None, wall.map(|wall| wall.at));
        let anchor = Anchor { number, era, target, length, lead, ticks, wall: began };
        if is_cut {
            self.joint.cut();
        }
        let unsupported = |what| IngestError::Unsupported { place: self.place.clone(), what };
        let opened = clip(&bytes, header.as_ref()).map_err(unsupported);
        let opened = opened.and_then(|clip| Ok((self.open(&clip)?, clip)));
        let (mut decoder, clip) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.bad(error, length, marks, say),
        };
        let wall = wall.filter(|wall| wall.is_stated || !self.is_dated).map(|wall| wall.at);
        let mut beginning = Beginning { clip: &clip, stream: None, wall, anchor, marks, skipped: 0 };
        match self.until_frames(&mut decoder, &mut beginning, say) {
            Ok(()) => {}
            Err(Stop::Failed(error)) => return self.bad(error, length, beginning.marks, say),
            Err(deaf) => return Err(deaf),
        }
        self.begin(beginning, say)?;
        self.frames(&decoder, at, say)?;
        loop {
            match decoder.next() {
                Ok(Some(Decoded::Frames)) => self.frames(&decoder, at, say)?,
                Ok(Some(decoded)) => {
                    match &decoded {
                        Decoded::Lost(lost) => self.joint.take(self.length(lost.frames)),
                        Decoded::Stream(stream) => self.rate = Some(stream.format.rate()),
                        _ => {}
                    }
                    say(Said::Received(Received::Decoded(decoded)))?;
                }
                Ok(None) => {
                    self.decoder = Some(decoder);
                    return Ok(());
                }
                Err(error) => {
                    // What it would have given is known to be missing at the next segment.
                    tracing::debug!("{error}");
                    return Ok(());
                }
            }
        }
    }

    /// A decoder for a segment: the one of the segment before where its audio goes on.
    fn open(&mut self, clip: &Clip) -> Result<Decoder, IngestError> {
        let origin = Origin::Memory(Cursor::new(clip.bytes.clone()));
        let decoder = Decoder::open(&self.place, origin, &clip.hint)?;
        Ok(match self.decoder.take().filter(|_| self.joint.goes_on(clip.start)) {
            Some(before) => decoder.after(before),
            None => decoder,
        })
    }

    /// Decodes until there are frames. The error that they do not come is the segment's.
    fn until_frames(
        &self,
        decoder: &mut Decoder,
        beginning: &mut Beginning<'_>,
        say: &mut Say<'_>,
    ) -> Result<(), Stop> {
        loop {
            match decoder.next().map_err(Stop::Failed)? {
                Some(Decoded::Frames) => {
                    beginning.skipped += decoder.joined_frames();
                    return Ok(());
                }
                Some(Decoded::Stream(stream)) => beginning.stream = Some(stream),
                // They begin later by what is not there.
                Some(Decoded::Lost(lost)) => beginning.skipped += lost.frames,
                Some(decoded) => say(Said::Received(Received::Decoded(decoded)))?,
                None => {
                    let (place, what) = (self.place.clone(), "a segment without audio".into());
                    return Err(Stop::Failed(IngestError::Unsupported { place, what }));
                }
            }
        }
    }

    /// The first frames of a segment are here: says what is to be said before them.
    fn begin(&mut self, beginning: Beginning<'_>, say: &mut Say<'_>) -> Result<(), Stop> {
        let Beginning { clip, stream, wall, anchor, marks, skipped } = beginning;
        let rate = stream.map(|stream| stream.format.rate()).or(self.rate);
        let skipped = rate.map_or(MediaTime::ZERO, |rate| MediaTime::from_frames(skipped, rate));
        let start = clip.start.map(|start| start.after(skipped));
        let missing = self.joint.begin(start);
        self.lose(missing, say)?;
        if let Some(stream) = stream {
            say(Said::Received(Received::Decoded(Decoded::Stream(stream))))?;
        }
        (self.rate, self.n_bad) = (rate, 0);
        if !std::mem::replace(&mut self.is_live, true) {
            say(Said::Received(state(FeedState::Live, None)))?;
        }
        let lead = clip.lead.saturating_add(i64::try_from(skipped.flicks()).unwrap_or(i64::MAX));
        let anchor = Anchor { lead, ticks: start.map(Stamp::ticks), ..anchor };
        say(Said::Received(Received::Anchor(anchor)))?;
        if let Some(wall) = wall {
            self.is_dated = true;
            say(Said::Received(Received::Wall(shift(wall, lead))))?;
        }
        mark(marks, lead.saturating_neg(), say)
    }

    fn frames(&mut self, decoder: &Decoder, at: Instant, say: &mut Say<'_>) -> Result<(), Stop> {
        self.joint.take(self.length(decoder.planes().n_frames() as u64));
        Ok(say(Said::Frames(decoder.planes(), at))?)
    }

    fn length(&self, frames: u64) -> MediaTime {
        self.rate.map_or(MediaTime::ZERO, |rate| MediaTime::from_frames(frames, rate))
    }

    /// A segment of `length` cannot be decoded.
    fn bad(
        &mut self,
        error: IngestError,
        length: MediaTime,
        marks: Vec<Mark>,
        say: &mut Say<'_>,
    ) -> Result<(), Stop> {
        self.n_bad = self.n_bad.saturating_add(1);
        let may_get_better = matches!(error, IngestError::Undecodable { .. } | IngestError::Read { .. });
        if self.rate.is_none() && !self.is_patient && (self.n_bad >= BAD_MAX || !may_get_better) {
            return Err(Stop::Failed(error));
        }
        self.miss(length, GapReason::Undecodable, marks, say)?;
        if self.n_bad == BAD_MAX {
            self.is_live = false;
            say(Said::Received(Received::Endpoint))?;
            say(Said::Received(state(FeedState::Undecodable, Some(error.to_string()))))?;
        }
        Ok(())
    }
}

/// Says marks of a segment that begins `from` flicks after what was said so far.
fn mark(marks: Vec<Mark>, from: i64, say: &mut Say<'_>) -> Result<(), Stop> {
    for Mark { after, marker } in marks {
        say(Said::Received(Received::Mark(Mark { after: from.saturating_add(after), marker })))?;
    }
    Ok(())
}

fn shift(wall: Timestamp, flicks: i64) -> Timestamp {
    let nanos = i128::from(flicks) * 1_000_000_000 / i128::from(FLICKS_PER_SECOND);
    let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
    wall.checked_add(SignedDuration::from_nanos(nanos)).unwrap_or(wall)
}

fn state(state: FeedState, reason: Option<String>) -> Received {
    Received::Feed(Feed { state, reason, codec: None, rate_hz: None, channels: None })
}

//! Outcomes as frames and states: payloads become planes, and what is said of them stands at its place among these.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::queue::ArrayQueue;
use engine::event::{FeedState, GapReason};
use engine::time::MediaTime;

use super::Terms;
use super::codec::Codec;
use super::order::Outcome;
use crate::ingest::decode::{Decoded, Lost, OpusStream, Planes, Stream};
use crate::ingest::live::{Received, state};

/// Longest pause of an Opus sender that is filled with silence: it sends none (discontinuous transmission), but says so
/// every 400 ms (RFC 6716, 2.1.9). A longer one is a sender that was away.
const SILENCE_MAX: MediaTime = MediaTime::from_secs(1);

/// Something for whoever pulls.
pub(super) enum Ready {
    Frames(Planes, Instant),
    Received(Received),
}

/// See the module.
pub(super) struct Desk {
    /// In order, to be taken from here.
    pub(super) ready: Vec<Ready>,
    terms: Arc<Terms>,
    spare: Arc<ArrayQueue<Planes>>,
    codec: Option<(u8, Codec)>,
    opus: Option<OpusStream>,
    /// Payloads of samples that follow each other, and when the last of them arrived.
    samples: Vec<u8>,
    samples_at: Instant,
    is_live: bool,
    /// Audio came out since this was last asked.
    was_heard: bool,
}

impl Desk {
    pub(super) fn new(terms: Arc<Terms>, spare: Arc<ArrayQueue<Planes>>, now: Instant) -> Self {
        Self {
            ready: Vec::new(),
            terms,
            spare,
            codec: None,
            opus: None,
            samples: Vec::new(),
            samples_at: now,
            is_live: false,
            was_heard: false,
        }
    }

    /// Whether audio came out since this was last asked.
    pub(super) fn was_heard(&mut self) -> bool {
        std::mem::take(&mut self.was_heard)
    }

    /// Takes what follows from a packet; `from` sent it.
    pub(super) fn take(&mut self, outcome: Outcome<'_>, from: impl FnOnce() -> String) {
        match outcome {
            Outcome::Audio { payload_type, payload, n_frames, at } => {
                self.audio(payload_type, payload, n_frames, at);
            }
            Outcome::Leg(change) => {
                let reason = format!("{}: {change} from {}", self.terms.place(), from());
                if self.codec.is_some() {
                    self.say(Received::Endpoint);
                }
                self.turn(FeedState::Connected, Some(reason));
                self.opus = None;
            }
            Outcome::Lost(lost) => self.say(Received::Decoded(Decoded::Lost(lost))),
            Outcome::Paused { frames, at } => self.pause(frames, at),
            Outcome::Away(elapsed) => self.away(elapsed),
        }
    }

    /// The connection is in another state.
    pub(super) fn turn(&mut self, to: FeedState, reason: Option<String>) {
        self.is_live = to == FeedState::Live;
        self.say(Received::Feed(state(to, reason)));
    }

    /// Something that stands behind all frames so far.
    pub(super) fn say(&mut self, received: Received) {
        self.close();
        self.ready.push(Ready::Received(received));
    }

    /// Makes frames of the samples that were gathered.
    pub(super) fn close(&mut self) {
        let Some((_, codec)) = self.codec.filter(|_| !self.samples.is_empty()) else { return };
        if let Some(sample) = codec.encoding.samples() {
            let mut planes = self.spare.pop().unwrap_or_default();
            sample.fill(&self.samples, codec.format.n_channels(), &mut planes);
            self.ready.push(Ready::Frames(planes, self.samples_at));
        }
        self.samples.clear();
    }

    fn away(&mut self, elapsed: Duration) {
        if !elapsed.is_zero() {
            self.say(Received::Away { elapsed, reason: GapReason::Disconnect });
        }
    }

    fn audio(&mut self, payload_type: u8, payload: &[u8], n_frames: u32, at: Instant) {
        if self.codec.is_none_or(|(number, _)| number != payload_type) {
            let Some(codec) = self.terms.codec(payload_type) else { return };
            self.close();
            self.codec = Some((payload_type, codec));
            self.opus = None;
            let stream = Stream { format: codec.format, codec: codec.encoding.name() };
            self.say(Received::Decoded(Decoded::Stream(stream)));
        }
        let Some((_, codec)) = self.codec else { return };
        if !self.is_live {
            self.turn(FeedState::Live, None);
        }
        if codec.encoding.samples().is_some() {
            self.was_heard = true;
            self.samples.extend_from_slice(payload);
            self.samples_at = at;
            return;
        }
        match self.opus(payload, codec) {
            Some(planes) => {
                self.was_heard = true;
                self.ready.push(Ready::Frames(planes, at));
            }
            None => {
                let lost = Lost { frames: u64::from(n_frames), reason: GapReason::Undecodable };
                self.say(Received::Decoded(Decoded::Lost(lost)));
            }
        }
    }

    /// A decoder that panics is given up; the feed lives.
    fn opus(&mut self, payload: &[u8], codec: Codec) -> Option<Planes> {
        let mut stream = match self.opus.take() {
            Some(stream) => stream,
            None => OpusStream::bare(codec.format.n_channels()).ok()?,
        };
        let mut planes = self.spare.pop().unwrap_or_default();
        let decoded = catch_unwind(AssertUnwindSafe(|| stream.decode(payload, &mut planes)));
        let is_right = decoded.ok()?.is_ok() && planes.n_frames() > 0;
        self.opus = Some(stream);
        is_right.then_some(planes)
    }

    /// Nothing was sent on purpose: of Opus, silence; else nobody knows.
    fn pause(&mut self, frames: u64, at: Instant) {
        let Some((_, codec)) = self.codec else { return };
        let is_silence =
            codec.encoding.samples().is_none() && frames <= SILENCE_MAX.to_frames(codec.format.rate());
        if !is_silence {
            let lost = Lost { frames, reason: GapReason::Disconnect };
            return self.say(Received::Decoded(Decoded::Lost(lost)));
        }
        let mut planes = self.spare.pop().unwrap_or_default();
        planes.fill_silence(usize::try_from(frames).unwrap_or(0), codec.format.n_channels());
        self.ready.push(Ready::Frames(planes, at));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::ingest::rtp::{RtpAddress, RtpSource};

    /// A packet of 20 ms of silence in stereo: CELT, one frame (RFC 6716, 3.1).
    const OPUS: &[u8] = &[31 << 3 | 4, 0xff, 0xfe];

    fn check(address: &str, outcomes: Vec<Outcome<'_>>, expected: &[&str]) {
        let address: RtpAddress = address.parse().unwrap();
        let terms = Arc::new(RtpSource::Address(address).terms().unwrap());
        let mut desk = Desk::new(terms, Arc::new(ArrayQueue::new(1)), Instant::now());
        outcomes.into_iter().for_each(|outcome| desk.take(outcome, || "somebody".into()));
        desk.close();
        let said = desk.ready.iter().map(|ready| match ready {
            Ready::Frames(planes, _) => format!("frames {}", planes.n_frames()),
            Ready::Received(Received::Decoded(Decoded::Stream(stream))) => stream.codec.to_owned(),
            Ready::Received(Received::Decoded(Decoded::Lost(lost))) => {
                format!("{:?} {}", lost.reason, lost.frames)
            }
            Ready::Received(Received::Feed(feed)) => format!("{:?}", feed.state),
            Ready::Received(received) => format!("{received:?}"),
        });
        assert_eq!(said.collect::<Vec<_>>(), expected);
    }

    fn audio(payload: &[u8], n_frames: u32) -> Outcome<'_> {
        Outcome::Audio { payload_type: 96, payload, n_frames, at: Instant::now() }
    }

    #[test]
    fn samples_that_follow_each_other_are_one_piece() {
        let lost = || Outcome::Lost(Lost { frames: 7, reason: GapReason::Loss });
        let paused = Outcome::Paused { frames: 9, at: Instant::now() };
        let (two, three) = ([0; 8], [0; 12]);
        let outcomes = vec![audio(&two, 2), audio(&three, 3), lost(), audio(&two, 2), paused];
        let expected = ["l16", "Live", "frames 5", "Loss 7", "frames 2", "Disconnect 9"];
        check("rtp://127.0.0.1:5004?encoding=L16", outcomes, &expected);
    }

    #[test]
    fn opus_that_is_not_sent_is_silence_and_what_is_none_is_lost() {
        let pause = |frames| Outcome::Paused { frames, at: Instant::now() };
        let outcomes =
            vec![audio(OPUS, 960), pause(19_200), pause(96_000), audio(&[0xff; 3], 960), audio(OPUS, 960)];
        let expected = [
            "opus",
            "Live",
            "frames 960",
            "frames 19200",
            "Disconnect 96000",
            "Undecodable 960",
            "frames 960",
        ];
        check("rtp://127.0.0.1:5004?encoding=opus", outcomes, &expected);
    }

    #[test]
    fn another_sender_ends_what_was_said() {
        let leg = || Outcome::Leg(super::super::leg::Change::Anew);
        let outcomes =
            vec![leg(), audio(&[0; 4], 1), leg(), Outcome::Away(Duration::ZERO), audio(&[0; 4], 1)];
        let expected = ["Connected", "l16", "Live", "frames 1", "Endpoint", "Connected", "Live", "frames 1"];
        check("rtp://127.0.0.1:5004?encoding=L16", outcomes, &expected);
    }
}

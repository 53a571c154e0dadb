//! Blocks of audio: planar f32 frames that arrived together. No decoding, no conversion of rates.

use std::time::Instant;

use thiserror::Error;

use crate::event::Gap;
use crate::time::{MediaTime, SampleRate, Span};

/// Most channels a feed may have.
pub const CHANNELS_MAX: usize = 8;

/// Rate and channel count of a feed, fixed while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    rate: SampleRate,
    n_channels: usize,
}

impl Format {
    /// Checks the channel count; channels are in WAVE order (L R C LFE Ls Rs ...).
    pub fn new(rate: SampleRate, n_channels: usize) -> Result<Self, FormatError> {
        if (1..=CHANNELS_MAX).contains(&n_channels) {
            Ok(Self { rate, n_channels })
        } else {
            Err(FormatError { actual: n_channels })
        }
    }

    /// 16 kHz mono: what speech is analysed at.
    pub const SPEECH: Self = Self { rate: SampleRate::HZ_16000, n_channels: 1 };

    /// Sample rate.
    #[must_use]
    pub const fn rate(self) -> SampleRate {
        self.rate
    }

    /// Channels, 1..=8.
    #[must_use]
    pub const fn n_channels(self) -> usize {
        self.n_channels
    }
}

/// A channel count outside the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{actual} channels, expected 1 to 8")]
pub struct FormatError {
    /// Channels given.
    pub actual: usize,
}

/// Planar frames with a fixed capacity. Storage is allocated once and circulates through a lane.
#[derive(Clone, Debug)]
pub struct Block {
    format: Format,
    start_frame: u64,
    origin: MediaTime,
    n_frames: usize,
    capacity: usize,
    samples: Vec<f32>,
    received_at: Instant,
    missing: Option<Gap>,
    is_endpoint: bool,
}

impl Block {
    /// An empty block that can hold `capacity` frames of `format`. `now` is a placeholder for its arrival.
    #[must_use]
    pub fn new(format: Format, capacity: usize, now: Instant) -> Self {
        Self {
            format,
            start_frame: 0,
            origin: MediaTime::ZERO,
            n_frames: 0,
            capacity,
            samples: vec![0.0; capacity * format.n_channels()],
            received_at: now,
            missing: None,
            is_endpoint: false,
        }
    }

    /// An empty block for whoever may not read the clock. Its arrival time is that of its making until it is stamped.
    #[must_use]
    pub fn spare(format: Format, capacity: usize) -> Self {
        Self::new(format, capacity, Instant::now())
    }

    /// Empties it and stamps it: its first frame is frame `start_frame` after `origin` (the media time at which
    /// this stretch of unbroken audio began), and its last sample arrived at `received_at`.
    pub fn restart(&mut self, origin: MediaTime, start_frame: u64, received_at: Instant) {
        self.n_frames = 0;
        self.origin = origin;
        self.start_frame = start_frame;
        self.received_at = received_at;
        self.missing = None;
        self.is_endpoint = false;
    }

    /// Restamps its arrival, for audio that is held back to be played at its own pace.
    pub fn arrived(&mut self, received_at: Instant) {
        self.received_at = received_at;
    }

    /// Says what is missing before this block, which begins a new stretch, where its receiver knows.
    pub fn explain_missing(&mut self, gap: Gap) {
        self.missing = Some(gap);
    }

    /// Makes it say that an utterance ends here, wherever the speaker is. Such a block holds no frames.
    pub fn mark_endpoint(&mut self) {
        self.n_frames = 0;
        self.is_endpoint = true;
    }

    /// Whether it holds no frames but says that an utterance ends here.
    #[must_use]
    pub const fn is_endpoint(&self) -> bool {
        self.is_endpoint
    }

    /// What is missing before this block, where its receiver knows.
    #[must_use]
    pub const fn missing(&self) -> Option<Gap> {
        self.missing
    }

    /// Appends frames from planes of equal length; returns how many fitted.
    pub fn extend_planar(&mut self, planes: &[&[f32]]) -> usize {
        let given = planes.iter().map(|p| p.len()).min().unwrap_or(0);
        if planes.len() != self.format.n_channels() {
            return 0;
        }
        let n = given.min(self.capacity - self.n_frames);
        for (plane, source) in self.samples.chunks_exact_mut(self.capacity.max(1)).zip(planes) {
            plane[self.n_frames..self.n_frames + n].copy_from_slice(&source[..n]);
        }
        self.n_frames += n;
        n
    }

    /// Appends interleaved frames; returns how many fitted.
    pub fn extend_interleaved(&mut self, samples: &[f32]) -> usize {
        let n_channels = self.format.n_channels();
        let n = (samples.len() / n_channels).min(self.capacity - self.n_frames);
        for (channel, plane) in self.samples.chunks_exact_mut(self.capacity.max(1)).enumerate() {
            let target = &mut plane[self.n_frames..self.n_frames + n];
            for (sample, frame) in target.iter_mut().zip(samples.chunks_exact(n_channels)) {
                *sample = frame[channel];
            }
        }
        self.n_frames += n;
        n
    }

    /// Rate and channels.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Frames held.
    #[must_use]
    pub const fn n_frames(&self) -> usize {
        self.n_frames
    }

    /// Frames it can hold.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Media time of frame `frame_idx` of this block.
    #[must_use]
    pub fn time_of(&self, frame_idx: usize) -> MediaTime {
        self.origin + MediaTime::from_frames(self.start_frame + frame_idx as u64, self.format.rate())
    }

    /// Media time it covers.
    #[must_use]
    pub fn span(&self) -> Span {
        Span::new(self.time_of(0), self.time_of(self.n_frames))
    }

    /// Where this stretch of unbroken audio began.
    #[must_use]
    pub const fn origin(&self) -> MediaTime {
        self.origin
    }

    /// Frames since [`Self::origin`].
    #[must_use]
    pub const fn start_frame(&self) -> u64 {
        self.start_frame
    }

    /// When its last sample arrived.
    #[must_use]
    pub const fn received_at(&self) -> Instant {
        self.received_at
    }

    /// Samples of a channel; empty when there is no such channel.
    #[must_use]
    pub fn channel(&self, channel: usize) -> &[f32] {
        let start = channel * self.capacity;
        self.samples.get(start..start + self.n_frames).unwrap_or(&[])
    }

    /// Samples of a channel; empty when there is no such channel.
    pub fn channel_mut(&mut self, channel: usize) -> &mut [f32] {
        let start = channel * self.capacity;
        self.samples.get_mut(start..start + self.n_frames).unwrap_or(&mut [])
    }

    /// All channels in order.
    pub fn channels(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        (0..self.format.n_channels()).map(|channel| self.channel(channel))
    }

    /// Copies stamp and frames of `other`, which has the same format and no more frames than this can hold.
    /// Returns whether it fitted; nothing is changed when not.
    pub fn copy_from(&mut self, other: &Block) -> bool {
        if other.format != self.format || other.n_frames > self.capacity {
            return false;
        }
        self.restart(other.origin, other.start_frame, other.received_at);
        self.n_frames = other.n_frames;
        for channel in 0..self.format.n_channels() {
            self.channel_mut(channel).copy_from_slice(other.channel(channel));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stereo() -> Format {
        Format::new(SampleRate::new(48_000).unwrap(), 2).unwrap()
    }

    #[test]
    fn interleaved_and_planar_frames_land_in_their_channels() {
        let mut block = Block::new(stereo(), 4, Instant::now());
        assert_eq!(block.extend_interleaved(&[1.0, 2.0, 3.0, 4.0, 5.0]), 2);
        assert_eq!(block.extend_planar(&[&[6.0, 7.0, 8.0], &[9.0, 10.0, 11.0]]), 2);
        assert_eq!(block.channel(0), [1.0, 3.0, 6.0, 7.0]);
        assert_eq!(block.channel(1), [2.0, 4.0, 9.0, 10.0]);
        assert_eq!(block.channel(2), [] as [f32; 0]);
        assert_eq!(block.extend_planar(&[&[1.0]]), 0, "wrong channel count");
    }

    #[test]
    fn span_counts_from_the_origin() {
        let mut block = Block::new(stereo(), 480, Instant::now());
        block.restart(MediaTime::from_secs(10), 48_000, Instant::now());
        block.extend_interleaved(&[0.0; 960]);
        assert_eq!(block.span(), Span::new(MediaTime::from_secs(11), MediaTime::from_millis(11_010)));
        let mut copy = Block::new(stereo(), 480, Instant::now());
        assert!(copy.copy_from(&block) && copy.span() == block.span());
        assert!(!Block::new(Format::SPEECH, 480, Instant::now()).copy_from(&block));
    }

    #[test]
    fn channel_counts_outside_the_range_are_named() {
        let rate = SampleRate::HZ_16000;
        assert_eq!(Format::new(rate, 9).unwrap_err().to_string(), "9 channels, expected 1 to 8");
        assert!(Format::new(rate, 0).is_err() && Format::new(rate, 8).is_ok());
    }
}

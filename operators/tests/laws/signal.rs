//! Signals made for the laws: audio that is cut at will, and hops. No files.

use std::f32::consts::TAU;

use engine::audio::{Block, CHANNELS_MAX, Format};
use engine::time::{MediaTime, SampleRate};
use operators::{Hop, hop_time};

/// Most frames in a block of a signal: build operators under test for at least as many.
pub(crate) const BLOCK_FRAMES: usize = 4_096;

const HOUR: MediaTime = MediaTime::from_secs(3_600);

/// Something that comes in pieces.
pub(crate) trait Signal: Sized {
    /// A piece.
    type Item;

    /// Gives the whole of it in pieces of at most `size()` frames, each with the media time of its end.
    fn each(&self, size: &mut dyn FnMut() -> usize, push: &mut dyn FnMut(&Self::Item, MediaTime));

    /// The same, an hour later.
    fn later(&self) -> Self;

    /// Media time of its end.
    fn end(&self) -> MediaTime;

    /// Length of the shortest piece.
    fn frame(&self) -> MediaTime;
}

/// Planar audio that begins 1 000 frames after an origin of 10 s.
pub(crate) struct Audio {
    format: Format,
    origin: MediaTime,
    planes: Vec<Vec<f32>>,
}

impl Audio {
    const START_FRAME: u64 = 1_000;

    /// Nothing yet.
    pub(crate) fn new(rate_hz: u32, n_channels: usize) -> Self {
        let format = Format::new(SampleRate::new(rate_hz).unwrap(), n_channels).unwrap();
        Self { format, origin: MediaTime::from_secs(10), planes: vec![Vec::new(); n_channels] }
    }

    /// Appends `secs` seconds of `sample(seconds since here, channel)`.
    pub(crate) fn then(mut self, secs: f64, mut sample: impl FnMut(f32, usize) -> f32) -> Self {
        let rate = self.format.rate().hz() as f32;
        let n_frames = (secs * f64::from(rate)) as usize;
        for frame_idx in 0..n_frames {
            for (channel, plane) in self.planes.iter_mut().enumerate() {
                plane.push(sample(frame_idx as f32 / rate, channel));
            }
        }
        self
    }

    /// A bit of everything that is judged: noise, silence, tones, clipping, opposite and missing channels.
    pub(crate) fn eventful(rate_hz: u32, n_channels: usize) -> Self {
        let mut random = Random::new(1);
        let mut noise = move || random.unit();
        let tone = |t: f32| (t * 440.0 * TAU).sin();
        Self::new(rate_hz, n_channels)
            .then(0.7, |_, _| 0.1 * noise())
            .then(1.31, |_, _| 0.0)
            .then(0.8, |t, _| (8.0 * tone(t)).clamp(-1.0, 1.0) * 0.999)
            .then(1.2, |t, channel| if channel == 0 { 0.2 * tone(t) } else { 0.0 })
            .then(1.1, |t, channel| if channel == 0 { 0.3 * tone(t) } else { -0.3 * tone(t) })
            .then(0.9, |t, _| 0.9 * tone(t * 2.0))
            .then(1.01, |_, _| 1e-4 * tone(0.3))
    }

    /// Rate and channels.
    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    fn n_frames(&self) -> usize {
        self.planes.first().map_or(0, Vec::len)
    }
}

impl Signal for Audio {
    type Item = Block;

    fn each(&self, size: &mut dyn FnMut() -> usize, push: &mut dyn FnMut(&Block, MediaTime)) {
        let mut block = Block::spare(self.format, BLOCK_FRAMES);
        let now = block.received_at();
        let mut planes: [&[f32]; CHANNELS_MAX] = [&[]; CHANNELS_MAX];
        let planes = &mut planes[..self.planes.len()];
        let mut at = 0;
        while at < self.n_frames() {
            let to = at.saturating_add(size().min(BLOCK_FRAMES)).min(self.n_frames());
            for (target, plane) in planes.iter_mut().zip(&self.planes) {
                *target = &plane[at..to];
            }
            block.restart(self.origin, Self::START_FRAME + at as u64, now);
            block.extend_planar(planes);
            push(&block, block.span().end);
            at = to;
        }
    }

    fn later(&self) -> Self {
        Self { format: self.format, origin: self.origin + HOUR, planes: self.planes.clone() }
    }

    fn end(&self) -> MediaTime {
        self.origin + MediaTime::from_frames(Self::START_FRAME + self.n_frames() as u64, self.format.rate())
    }

    fn frame(&self) -> MediaTime {
        MediaTime::from_frames(1, self.format.rate())
    }
}

/// Hops come as they are: there is nothing to cut.
impl Signal for Vec<Hop> {
    type Item = Hop;

    fn each(&self, _size: &mut dyn FnMut() -> usize, push: &mut dyn FnMut(&Hop, MediaTime)) {
        for hop in self {
            push(hop, hop.span().end);
        }
    }

    fn later(&self) -> Self {
        self.iter().map(|hop| Hop { start: hop.start + HOUR, ..hop.clone() }).collect()
    }

    fn end(&self) -> MediaTime {
        self.last().map_or(MediaTime::ZERO, |hop| hop.span().end)
    }

    fn frame(&self) -> MediaTime {
        hop_time()
    }
}

/// Pseudo-random numbers: the same for the same seed (splitmix64, <https://prng.di.unimi.it/splitmix64.c>).
pub(crate) struct Random(u64);

impl Random {
    /// A sequence of its own for each seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in -1..1.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Frames of a block: often tiny, sometimes none, sometimes as many as fit.
    pub(crate) const fn size(&mut self) -> usize {
        let bits = self.bits();
        let most = [1, 8, 600, BLOCK_FRAMES][(bits & 3) as usize];
        ((bits >> 2) % (most as u64 + 1)) as usize
    }
}

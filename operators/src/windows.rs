//! Cuts a feed into windows of 10 ms, however it came in blocks. No analysis.

use engine::audio::{Block, CHANNELS_MAX, Format};
use engine::time::{MediaTime, SampleRate, Span};

/// Windows a second.
pub(crate) const WINDOWS_PER_SECOND: u32 = 100;

/// 10 ms of a feed; the last one before the end may be shorter.
pub(crate) struct Window<'a> {
    /// Samples of each channel.
    pub(crate) planes: &'a [&'a [f32]],
    /// Where in the feed.
    pub(crate) span: Span,
}

/// The windows of a feed, counted from the first frame since the last reset.
#[derive(Debug)]
pub(crate) struct Windows {
    clock: Clock,
    held: Vec<Vec<f32>>,
    n_held: usize,
}

impl Windows {
    pub(crate) fn new(format: Format) -> Self {
        let frames_max = (format.rate().hz() / WINDOWS_PER_SECOND + 1) as usize;
        Self {
            clock: Clock { rate: format.rate(), origin: None, n_frames: 0, n_windows: 0 },
            held: vec![vec![0.0; frames_max]; format.n_channels()],
            n_held: 0,
        }
    }

    /// Gives each window that `block` completes.
    pub(crate) fn push(&mut self, block: &Block, each: &mut dyn FnMut(&Window)) {
        self.clock.origin.get_or_insert((block.origin(), block.start_frame()));
        let n_channels = self.held.len();
        let mut at = 0;
        while at < block.n_frames() {
            let missing = self.clock.window_frames().saturating_sub(self.n_held);
            let n_taken = missing.min(block.n_frames() - at);
            let taken = slices(block.channels(), at, n_taken);
            if self.n_held == 0 && n_taken == missing {
                let span = self.clock.advance(n_taken);
                each(&Window { planes: taken.get(..n_channels).unwrap_or(&[]), span });
            } else {
                self.hold(&taken, n_taken);
                if n_taken == missing {
                    self.flush(each);
                }
            }
            at += n_taken;
        }
    }

    /// Gives what is held as a window, if there is anything.
    pub(crate) fn flush(&mut self, each: &mut dyn FnMut(&Window)) {
        let n_frames = std::mem::take(&mut self.n_held);
        if n_frames > 0 {
            let held = slices(self.held.iter().map(Vec::as_slice), 0, n_frames);
            let span = self.clock.advance(n_frames);
            each(&Window { planes: held.get(..self.held.len()).unwrap_or(&[]), span });
        }
    }

    pub(crate) const fn reset(&mut self) {
        self.n_held = 0;
        self.clock = Clock { origin: None, n_frames: 0, n_windows: 0, ..self.clock };
    }

    /// End of the last window.
    pub(crate) fn now(&self) -> MediaTime {
        self.clock.now()
    }

    fn hold(&mut self, source: &[&[f32]], n_frames: usize) {
        for (plane, samples) in self.held.iter_mut().zip(source) {
            if let Some(target) = plane.get_mut(self.n_held..self.n_held + samples.len()) {
                target.copy_from_slice(samples);
            }
        }
        self.n_held += n_frames;
    }
}

#[derive(Clone, Copy, Debug)]
struct Clock {
    rate: SampleRate,
    /// Of the first block: its origin and first frame.
    origin: Option<(MediaTime, u64)>,
    n_frames: u64,
    n_windows: u64,
}

impl Clock {
    /// Window `k` ends at frame `floor((k + 1) * rate / 100)`: it keeps pace at rates that 100 does not divide.
    fn window_frames(&self) -> usize {
        let end = (self.n_windows + 1) * u64::from(self.rate.hz()) / u64::from(WINDOWS_PER_SECOND);
        usize::try_from(end.saturating_sub(self.n_frames)).unwrap_or(usize::MAX)
    }

    fn now(&self) -> MediaTime {
        let (origin, start_frame) = self.origin.unwrap_or_default();
        origin + MediaTime::from_frames(start_frame + self.n_frames, self.rate)
    }

    fn advance(&mut self, n_frames: usize) -> Span {
        let start = self.now();
        self.n_frames += n_frames as u64;
        self.n_windows += 1;
        Span::new(start, self.now())
    }
}

/// `n_frames` samples from `at` of each channel.
fn slices<'a>(
    channels: impl Iterator<Item = &'a [f32]>,
    at: usize,
    n_frames: usize,
) -> [&'a [f32]; CHANNELS_MAX] {
    let mut planes: [&[f32]; CHANNELS_MAX] = [&[]; CHANNELS_MAX];
    for (plane, samples) in planes.iter_mut().zip(channels) {
        *plane = samples.get(at..at + n_frames).unwrap_or(&[]);
    }
    planes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]
    use super::*;

    /// Pushes frames numbered from 0 in blocks of `sizes`; returns the frames of each window and its span in flicks.
    fn check(rate_hz: u32, sizes: &[usize], expected_lengths: &[usize]) {
        let rate = SampleRate::new(rate_hz).unwrap();
        let format = Format::new(rate, 2).unwrap();
        let mut windows = Windows::new(format);
        let mut block = Block::spare(format, 4_000);
        let (mut at, mut seen, mut lengths) = (0, 0, Vec::new());
        let origin = MediaTime::from_secs(3);
        let mut each = |window: &Window| {
            let expected: Vec<f32> = (seen..seen + window.planes[0].len()).map(|n| n as f32).collect();
            assert_eq!(window.planes, [expected.as_slice(), expected.as_slice()]);
            assert_eq!(window.span.start, origin + MediaTime::from_frames(50 + seen as u64, rate));
            seen += expected.len();
            assert_eq!(window.span.end, origin + MediaTime::from_frames(50 + seen as u64, rate));
            lengths.push(expected.len());
        };
        for size in sizes {
            let samples: Vec<f32> = (at..at + size).map(|n| n as f32).collect();
            let now = block.received_at();
            block.restart(origin, 50 + at as u64, now);
            block.extend_planar(&[&samples, &samples]);
            windows.push(&block, &mut each);
            at += size;
        }
        windows.flush(&mut each);
        assert_eq!(lengths, expected_lengths);
    }

    #[test]
    fn blocks_do_not_matter() {
        check(8_000, &[200], &[80, 80, 40]);
        check(8_000, &[1, 79, 0, 100, 20], &[80, 80, 40]);
        check(8_000, &[81, 79], &[80, 80]);
    }

    #[test]
    fn windows_keep_pace_with_odd_rates() {
        check(11_025, &[300, 141], &[110, 110, 110, 111]);
    }
}

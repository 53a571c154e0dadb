//! Planar f32 frames that are used again and again. No format, no time.

use std::ops::Range;

use engine::audio::CHANNELS_MAX;
use symphonia::core::audio::GenericAudioBufferRef;

/// Decoded frames, one plane a channel. Storage grows to the largest packet and stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planes {
    channels: Vec<Vec<f32>>,
    start: usize,
    end: usize,
}

impl Planes {
    /// Frames held.
    #[must_use]
    pub(crate) fn n_frames(&self) -> usize {
        self.end - self.start
    }

    /// Frames `range` of a channel, cut to what is there; empty when there is no such channel.
    #[must_use]
    pub(crate) fn channel(&self, channel: usize, range: Range<usize>) -> &[f32] {
        let held =
            self.channels.get(channel).and_then(|plane| plane.get(self.start..self.end)).unwrap_or(&[]);
        held.get(range.start.min(held.len())..range.end.min(held.len())).unwrap_or(&[])
    }

    /// Calls `take` with frames `range` of all channels in order.
    pub(crate) fn with<R>(&self, range: Range<usize>, take: impl FnOnce(&[&[f32]]) -> R) -> R {
        let mut slices: [&[f32]; CHANNELS_MAX] = [&[]; CHANNELS_MAX];
        for (channel, slice) in slices.iter_mut().enumerate().take(self.channels.len()) {
            *slice = self.channel(channel, range.clone());
        }
        take(&slices[..self.channels.len().min(CHANNELS_MAX)])
    }

    /// Forgets the frames, keeps the storage.
    pub(crate) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Copies the frames of `other`.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.channels.resize_with(other.channels.len(), Vec::new);
        for (channel, plane) in self.channels.iter_mut().enumerate() {
            plane.clear();
            plane.extend_from_slice(other.channel(channel, 0..usize::MAX));
        }
        (self.start, self.end) = (0, other.n_frames());
    }

    /// Drops frames at both ends.
    pub(crate) fn trim(&mut self, n_start: usize, n_end: usize) {
        self.start = (self.start + n_start).min(self.end);
        self.end = self.end.saturating_sub(n_end).max(self.start);
    }

    /// Copies symphonia's frames, converted to f32.
    pub(super) fn fill_from(&mut self, buffer: &GenericAudioBufferRef<'_>) {
        buffer.copy_to_vecs_planar(&mut self.channels);
        (self.start, self.end) = (0, self.channels.first().map_or(0, Vec::len));
    }

    /// Becomes `n_frames` of silence.
    pub(crate) fn fill_silence(&mut self, n_frames: usize, n_channels: usize) {
        self.channels.resize_with(n_channels, Vec::new);
        for plane in &mut self.channels {
            plane.clear();
            plane.resize(n_frames, 0.0);
        }
        (self.start, self.end) = (0, n_frames);
    }

    /// Takes interleaved samples apart: channel `i` gets the sample at `order[i]` of each frame, through `convert`.
    pub(crate) fn fill_interleaved<T: Copy>(
        &mut self,
        samples: &[T],
        order: &[usize],
        convert: impl Fn(T) -> f32,
    ) {
        let n_channels = order.len().max(1);
        self.channels.resize_with(order.len(), Vec::new);
        for (plane, &offset) in self.channels.iter_mut().zip(order) {
            plane.clear();
            plane.extend(
                samples.chunks_exact(n_channels).filter_map(|frame| frame.get(offset)).map(|&s| convert(s)),
            );
        }
        (self.start, self.end) = (0, samples.len() / n_channels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_samples_land_in_their_planes_and_are_trimmed() {
        let mut planes = Planes::default();
        planes.fill_interleaved(&[1_i16, 10, 2, 20, 3, 30, 4, 40], &[1, 0], f32::from);
        planes.trim(1, 1);
        assert_eq!(planes.n_frames(), 2);
        assert_eq!(planes.channel(0, 0..9), [20.0, 30.0]);
        assert_eq!(
            planes.with(1..2, |all| all.iter().map(|c| c.to_vec()).collect::<Vec<_>>()),
            [[30.0], [3.0]]
        );
        let mut copy = Planes::default();
        copy.copy_from(&planes);
        assert_eq!(
            (copy.n_frames(), copy.channel(1, 0..2), copy.channel(2, 0..2)),
            (2, &[2.0, 3.0][..], &[][..])
        );
        planes.trim(9, 9);
        assert!(
            planes.n_frames() == 0
                && planes.channel(0, 0..1).is_empty()
                && planes.channel(7, 0..1).is_empty()
        );
    }
}

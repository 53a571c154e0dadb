//! A client's audio in pieces for its feeds: as it came, or one channel each. Decodes nothing.

use bytes::{Bytes, BytesMut};

/// Longest piece: so that what waits on its way stays small, however long a message is.
const PIECE_BYTES: usize = 32 << 10;

/// Cuts messages into pieces.
pub(super) struct Pieces {
    n_streams: usize,
    /// Bytes of a sample, where samples have to be sorted by channel.
    sample_bytes: Option<usize>,
    /// Bytes of a frame whose rest has not come.
    rest: BytesMut,
}

impl Pieces {
    /// For `n_streams`, of samples of so many bytes where there are several.
    pub(super) fn new((n_streams, sample_bytes): (usize, Option<usize>)) -> Self {
        Self { n_streams, sample_bytes, rest: BytesMut::new() }
    }

    /// Pieces of a message, each with its stream.
    pub(super) fn cut(&mut self, message: Bytes) -> Vec<(usize, Bytes)> {
        match self.sample_bytes {
            Some(sample_bytes) if self.n_streams > 1 => self.sort(&message, sample_bytes),
            _ => slices(&message).map(|piece| (0, piece)).collect(),
        }
    }

    fn sort(&mut self, message: &[u8], sample_bytes: usize) -> Vec<(usize, Bytes)> {
        self.rest.extend_from_slice(message);
        let frame_bytes = (self.n_streams * sample_bytes).max(1);
        let frames = self.rest.split_to(self.rest.len() / frame_bytes * frame_bytes);
        let mut streams = vec![BytesMut::with_capacity(frames.len() / self.n_streams.max(1)); self.n_streams];
        for frame in frames.chunks_exact(frame_bytes) {
            for (stream, sample) in streams.iter_mut().zip(frame.chunks_exact(sample_bytes)) {
                stream.extend_from_slice(sample);
            }
        }
        let streams: Vec<Bytes> = streams.into_iter().map(BytesMut::freeze).collect();
        // All streams advance together: none waits for a piece that the feed of another does not take.
        let n_pieces = streams.first().map_or(0, |stream| stream.len().div_ceil(PIECE_BYTES));
        let of_piece = |piece_idx: usize| {
            streams
                .iter()
                .enumerate()
                .filter_map(move |(idx, stream)| Some((idx, slices(stream).nth(piece_idx)?)))
        };
        (0..n_pieces).flat_map(of_piece).collect()
    }
}

fn slices(bytes: &Bytes) -> impl Iterator<Item = Bytes> {
    let n_bytes = bytes.len();
    (0..n_bytes).step_by(PIECE_BYTES).map(move |start| bytes.slice(start..(start + PIECE_BYTES).min(n_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut() {
        let mut pieces = Pieces::new((1, None));
        let lengths: Vec<usize> =
            pieces.cut(vec![0; 70_000].into()).iter().map(|(_, piece)| piece.len()).collect();
        assert_eq!(lengths, [32_768, 32_768, 4_464]);
        assert!(pieces.cut(Bytes::new()).is_empty());
    }

    #[test]
    fn channels_are_taken_apart_however_messages_cut_them() {
        let bytes: Vec<u8> = (0..60).collect();
        for n in [1, 5, 7, 60] {
            let mut pieces = Pieces::new((3, Some(2)));
            let mut streams = vec![Vec::new(); 3];
            for message in bytes.chunks(n) {
                for (stream, piece) in pieces.cut(Bytes::copy_from_slice(message)) {
                    streams[stream].extend_from_slice(&piece);
                }
            }
            assert_eq!(
                streams[1],
                [2, 3, 8, 9, 14, 15, 20, 21, 26, 27, 32, 33, 38, 39, 44, 45, 50, 51, 56, 57]
            );
            assert_eq!(streams[2].len(), 20);
        }
    }
}

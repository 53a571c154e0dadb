//! The bytes a decoder reads: counted, with a limit on how many may go by without audio. Knows no formats.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use symphonia::core::io::MediaSource;

use super::boxes;

/// Where bytes come from.
pub enum Origin {
    /// A regular file: formats whose index may lie at the end are rewound.
    File(File),
    /// A pipe or a network stream: read once, forward. Short reads are welcome, they keep latency low.
    Stream(Box<dyn Read + Send + Sync>),
    /// One part of a longer stream, all of it. What its headers promise of the whole is not believed.
    Memory(Cursor<Bytes>),
}

/// Counts what was read. Shared between the source, which symphonia owns, and the decoder.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pulled: AtomicU64,
    settled: AtomicU64,
    audio_at: AtomicU64,
    budget: AtomicU64,
}

impl Meter {
    /// Bytes read so far.
    pub(super) fn pulled(&self) -> u64 {
        self.pulled.load(Relaxed)
    }

    /// Bytes that were surely used: symphonia reads on only when it has used what it had.
    pub(super) fn settled(&self) -> u64 {
        self.settled.load(Relaxed)
    }

    /// Audio came out: the count of bytes without audio begins anew.
    pub(super) fn audio(&self) {
        self.audio_at.store(self.pulled(), Relaxed);
    }

    /// Most bytes that may go by without audio.
    pub(super) fn allow(&self, budget: u64) {
        self.budget.store(budget, Relaxed);
    }

    fn spent(&self) -> bool {
        self.pulled().saturating_sub(self.audio_at.load(Relaxed)) > self.budget.load(Relaxed)
    }
}

/// Bytes read so far and the largest allowance without audio, as an error that symphonia hands through.
#[derive(Debug, thiserror::Error)]
#[error("more than {budget} bytes without audio")]
pub(super) struct BudgetSpent {
    budget: u64,
}

/// An origin whose first bytes were looked at and are served again.
pub(super) struct Source {
    origin: Origin,
    head: Vec<u8>,
    head_pos: usize,
    byte_len: Option<u64>,
    seekable: bool,
    meter: Arc<Meter>,
}

impl Source {
    /// Reads up to `n_head` bytes ahead.
    pub(super) fn new(mut origin: Origin, n_head: usize, meter: Arc<Meter>) -> io::Result<Self> {
        let mut head = vec![0; n_head];
        let mut filled = 0;
        while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match origin.read(rest) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        head.truncate(filled);
        let byte_len = match &origin {
            Origin::File(file) => Some(file.metadata()?.len()),
            Origin::Memory(bytes) => Some(bytes.get_ref().len() as u64),
            Origin::Stream(_) => None,
        };
        Ok(Self { origin, head, head_pos: 0, byte_len, seekable: false, meter })
    }

    /// The bytes that were read ahead.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The bytes that were read ahead, to be altered before they are served.
    pub(super) fn head_mut(&mut self) -> &mut [u8] {
        &mut self.head
    }

    /// Length of a file.
    pub(super) fn byte_len(&self) -> Option<u64> {
        self.byte_len
    }

    /// Lets a file be rewound: for formats that keep their index at the end. All others are read as a pipe would be,
    /// so that a file and a pipe give the same; so is an MP4 that was cut off after its index.
    pub(super) fn allow_seeking(&mut self) -> io::Result<()> {
        match &mut self.origin {
            Origin::File(file) => self.seekable = !boxes::is_cut_after_index(file)?,
            Origin::Memory(_) => self.seekable = true,
            Origin::Stream(_) => {}
        }
        Ok(())
    }

    fn head_left(&self) -> &[u8] {
        self.head.get(self.head_pos..).unwrap_or(&[])
    }
}

impl Read for Origin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Stream(stream) => stream.read(buffer),
            Self::Memory(bytes) => bytes.read(buffer),
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.meter.settled.store(self.meter.pulled(), Relaxed);
        if self.meter.spent() {
            return Err(io::Error::other(BudgetSpent { budget: self.meter.budget.load(Relaxed) }));
        }
        let n = if self.head_left().is_empty() {
            self.origin.read(buffer)?
        } else {
            let n = self.head_left().read(buffer)?;
            self.head_pos += n;
            n
        };
        self.meter.pulled.fetch_add(n as u64, Relaxed);
        Ok(n)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let origin: &mut dyn Seek = match &mut self.origin {
            Origin::File(file) => file,
            Origin::Memory(bytes) => bytes,
            Origin::Stream(_) => {
                return Err(io::Error::new(io::ErrorKind::Unsupported, "a pipe cannot be rewound"));
            }
        };
        let to = match to {
            // The origin stands after the head, the reader may still be in it.
            SeekFrom::Current(by) => SeekFrom::Current(by - (self.head.len() - self.head_pos) as i64),
            other => other,
        };
        self.head_pos = self.head.len();
        origin.seek(to)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        self.seekable
    }

    fn byte_len(&self) -> Option<u64> {
        self.byte_len.filter(|_| self.seekable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bytes: &[u8], budget: u64) -> (Source, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        meter.allow(budget);
        let origin = Origin::Stream(Box::new(io::Cursor::new(bytes.to_vec())));
        (Source::new(origin, 4, Arc::clone(&meter)).unwrap(), meter)
    }

    #[test]
    fn the_head_is_served_again_and_everything_is_counted() {
        let (mut source, meter) = source(b"abcdefgh", 100);
        assert_eq!(source.head(), b"abcd");
        source.head_mut()[0] = b'A';
        let mut all = Vec::new();
        source.read_to_end(&mut all).unwrap();
        assert_eq!((all.as_slice(), meter.pulled(), meter.settled()), (&b"Abcdefgh"[..], 8, 8));
        assert!(source.seek(SeekFrom::Start(0)).is_err() && !source.is_seekable());
    }

    #[test]
    fn bytes_without_audio_run_out() {
        let (mut source, meter) = source(&[0; 64], 10);
        let mut buffer = [0; 8];
        let mut read = |source: &mut Source| source.read(&mut buffer);
        assert_eq!((read(&mut source).unwrap(), read(&mut source).unwrap()), (4, 8));
        assert!(read(&mut source).unwrap_err().to_string().contains("more than 10 bytes without audio"));
        meter.audio();
        assert_eq!(read(&mut source).unwrap(), 8);
    }

    #[test]
    fn a_file_is_rewound_past_its_head() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"0123456789").unwrap();
        let origin = Origin::File(File::open(file.path()).unwrap());
        let mut source = Source::new(origin, 4, Arc::new(Meter::default())).unwrap();
        assert!(!source.is_seekable());
        source.allow_seeking().unwrap();
        assert_eq!((source.is_seekable(), MediaSource::byte_len(&source)), (true, Some(10)));
        let mut two = [0; 2];
        source.meter.allow(100);
        source.read_exact(&mut two).unwrap();
        assert_eq!(source.seek(SeekFrom::Current(1)).unwrap(), 3);
        source.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"34");
        source.seek(SeekFrom::Start(0)).unwrap();
        source.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"01");
    }
}

//! SHA-256 as a value, and of files, streams and what goes through a writer.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A SHA-256. Written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Of the regular file at `path`, read in pieces of 256 KiB. A device or a pipe is an error: it may never end.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = open_regular(path)?;
        let mut hashing = Hashing::new(io::sink());
        let mut bytes = vec![0; 256 << 10];
        loop {
            let n = file.read(&mut bytes)?;
            if n == 0 {
                return Ok(hashing.digest());
            }
            hashing.write_all(bytes.get(..n).unwrap_or_default())?;
        }
    }
}

/// Opens a file that is no directory, device, socket or pipe.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    if std::fs::metadata(path)?.is_file() {
        File::open(path)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no SHA-256, expected 64 hexadecimal digits");
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(wrong());
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(pairs) {
            let digits = pair.map(|digit| char::from(digit).to_digit(16));
            let [Some(high), Some(low)] = digits else { return Err(wrong()) };
            *byte = (high * 16 + low) as u8;
        }
        Ok(Self(digest))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Passes bytes on and hashes them on their way.
pub(super) struct Hashing<W> {
    inner: W,
    sha256: Sha256,
    n_bytes: u64,
}

impl<W: Write> Hashing<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, sha256: Sha256::new(), n_bytes: 0 }
    }

    /// Of what was written so far.
    pub(super) fn digest(&self) -> Digest {
        Digest(self.sha256.clone().finalize().into())
    }

    /// Bytes written so far.
    pub(super) fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    pub(super) fn into_inner(self) -> W {
        self.inner
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.sha256.update(bytes.get(..n).unwrap_or_default());
        self.n_bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn text_and_digest_are_the_same_thing() {
        assert_eq!(Digest::of(b"abc").to_string(), ABC);
        assert_eq!(ABC.parse(), Ok(Digest::of(b"abc")));
        assert_eq!(ABC.to_uppercase().parse(), Ok(Digest::of(b"abc")));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "abc", &ABC[1..], &format!("{ABC}0"), &ABC.replace('b', "g"), &ABC.replace('b', "é")]
        {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_hashes_like_its_bytes_and_a_device_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..700_000_u32).map(|i| i as u8).collect();
        std::fs::write(dir.path().join("f"), &bytes).unwrap();
        assert_eq!(Digest::of_file(&dir.path().join("f")).unwrap(), Digest::of(&bytes));
        assert!(Digest::of_file(dir.path()).is_err());
        assert!(Digest::of_file(Path::new("/dev/zero")).is_err());
    }
}

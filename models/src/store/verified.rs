//! A model file whose hash was right: the ticket without which nothing opens weights.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::digest::open_regular;
use super::{Digest, ModelError, Pin};

/// Longest file that is tried, bytes: larger than Whisper's largest model (3.1 GB).
const UNVERIFIED_BYTES_MAX: u64 = 4 << 30;

/// The bytes of a file that nobody has verified: for a process made to try them.
pub(crate) fn read_unverified(path: &Path) -> Result<Vec<u8>, ModelError> {
    let mut bytes = Vec::new();
    let file = open_regular(path).map_err(|e| ModelError::io(path, e))?;
    file.take(UNVERIFIED_BYTES_MAX).read_to_end(&mut bytes).map_err(|e| ModelError::io(path, e))?;
    Ok(bytes)
}

/// A model file whose SHA-256 is in a manifest. Only a [`super::Store`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    path: PathBuf,
    name: String,
    pin: Pin,
}

impl Verified {
    pub(super) fn new(path: PathBuf, name: String, pin: Pin) -> Self {
        Self { path, name, pin }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name in its manifest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Of its bytes.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        self.pin.sha256
    }

    /// Its bytes, hashed again as they are: a file that was changed meanwhile does not pass.
    pub(crate) fn read(&self) -> Result<Vec<u8>, ModelError> {
        let Pin { sha256: expected, size_bytes } = self.pin;
        let mut bytes = Vec::with_capacity(size_bytes as usize + 1);
        let file = open_regular(&self.path).map_err(|e| ModelError::io(&self.path, e))?;
        file.take(size_bytes + 1).read_to_end(&mut bytes).map_err(|e| ModelError::io(&self.path, e))?;
        let actual = Digest::of(&bytes);
        if actual == expected {
            return Ok(bytes);
        }
        Err(ModelError::Altered { path: self.path.clone(), name: self.name.clone(), expected, actual })
    }
}

//! What can go wrong with weights, one type for opening them and one for getting them.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Digest;
use crate::convert::ConvertError;

/// Why a model was not opened.
#[derive(Debug, Error)]
pub enum ModelError {
    /// Neither a model of the manifest nor a file.
    #[error("no model or file is called {name}, expected a path or one of {expected}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Names that there are.
        expected: String,
    },
    /// A model of the manifest whose file is not there.
    #[error("{}: model {name} is not installed", path.display())]
    NotInstalled {
        /// Its name.
        name: String,
        /// Where its file belongs.
        path: PathBuf,
    },
    /// Bytes that are not those of the manifest.
    #[error("{}: SHA-256 is {actual}, expected {expected} ({name})", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// The model it should be.
        name: String,
        /// Of the manifest.
        expected: Digest,
        /// Of the file.
        actual: Digest,
    },
    /// A file that no manifest lists.
    #[error("{}: SHA-256 is {actual}, expected that of a known model ({expected})", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Of the file.
        actual: Digest,
        /// Names and hashes that are known.
        expected: String,
    },
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// whisper.cpp refused it.
    #[error("{}: whisper.cpp cannot load it, expected a GGML Whisper model", path.display())]
    NotAModel {
        /// The file.
        path: PathBuf,
    },
    /// Every recogniser of this model is in use.
    #[error("all {expected} recognisers of {name} are in use")]
    AllLent {
        /// The model.
        name: String,
        /// How many there may be.
        expected: usize,
    },
    /// whisper.cpp made no state, or could not run it.
    #[error("model {name} does not run: {message}")]
    State {
        /// The model.
        name: String,
        /// What whisper.cpp said.
        message: String,
    },
}

impl ModelError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// Why the store could not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// No variable names a home for the weights.
    #[error("nowhere to keep weights: none of AIRCHECK_MODELS, XDG_CACHE_HOME, HOME is set")]
    NoHome,
    /// A file of the store could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A manifest is malformed.
    #[error("{}: {message}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong, with its line.
        message: String,
    },
    /// No model or sample of this name can be pulled.
    #[error("nothing to pull is called {name}, expected one of {expected}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Names that there are.
        expected: String,
    },
    /// Every source failed.
    #[error("{name} could not be pulled: {}", reasons.join("; "))]
    NoSource {
        /// What was asked for.
        name: String,
        /// One for each source, in order.
        reasons: Vec<String>,
    },
    /// The file does not work as a model.
    #[error("{}: does not work as a model: {message}", path.display())]
    Probe {
        /// The file.
        path: PathBuf,
        /// What the probe said.
        message: String,
    },
    /// A name that cannot be told from a path.
    #[error("model name {name:?}, expected letters, digits, dots, dashes and underscores")]
    Name {
        /// The name.
        name: String,
    },
    /// Another model has this name.
    #[error("model {name} exists with SHA-256 {actual}, expected a name that is free")]
    NameTaken {
        /// The name.
        name: String,
        /// Of the model that has it.
        actual: Digest,
    },
    /// The model could not be opened.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl StoreError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// Why one source did not give its file. The next one is tried.
#[derive(Debug, Error)]
pub enum FetchError {
    /// This fetcher does not know this kind of address.
    #[error("{address} cannot be fetched here")]
    Unsupported {
        /// The address.
        address: String,
    },
    /// It was tried and failed.
    #[error("{address}: {message}")]
    Failed {
        /// The address.
        address: String,
        /// Why, in one line.
        message: String,
    },
    /// The disk failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What came is something else.
    #[error("{}: {actual_bytes} bytes with SHA-256 {actual}, expected {expected_bytes} with {expected}", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// Of the manifest.
        expected: Digest,
        /// Of the manifest.
        expected_bytes: u64,
        /// Of the file.
        actual: Digest,
        /// Of the file.
        actual_bytes: u64,
    },
    /// The archive does not hold what the manifest says.
    #[error("{}: {message}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The weights could not be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
}

impl FetchError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

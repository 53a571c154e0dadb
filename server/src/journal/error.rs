//! What can go wrong with a journal. Every message names the file and the cause.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// See the module.
#[derive(Debug, Error)]
pub enum JournalError {
    /// SQLite could not do what it was asked for.
    #[error("journal {path}: {cause}")]
    Storage {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        cause: rusqlite::Error,
    },
    /// A file or folder could not be made, opened or moved.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Another process has it open.
    #[error("journal {path} is in use by process {pid}: stop that, or choose another path")]
    InUse {
        /// The file.
        path: PathBuf,
        /// The other process, as far as it says.
        pid: String,
    },
    /// A program newer than this one wrote it.
    #[error("journal {path} has schema {actual}, expected {expected}: it was written by a newer aircheck")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Schema that this program knows.
        expected: i64,
        /// Schema of the file.
        actual: i64,
    },
    /// What was read is not what was written. It is not served.
    #[error("journal {path}: {row} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which row.
        row: String,
        /// What is wrong with it.
        what: String,
    },
    /// There is nothing to search for.
    #[error("a search needs a word of letters or digits, and at most {max} characters")]
    Query {
        /// Longest query, characters.
        max: usize,
    },
    /// The writer's thread could not be started.
    #[error("thread `journal`: {0}")]
    Thread(io::Error),
}

impl JournalError {
    pub(super) fn storage(path: &Path) -> impl Fn(rusqlite::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Storage { path: path.clone(), cause }
    }

    pub(super) fn file(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File { path: path.clone(), cause }
    }

    pub(super) fn damaged(path: &Path, row: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), row: row.into(), what: what.into() }
    }
}

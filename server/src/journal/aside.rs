//! Files that cannot be trusted are moved aside, never removed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::error::JournalError;
use super::store::beside;

/// Files that lie beside a journal and belong to its contents.
const ENDINGS: [&str; 3] = ["-wal", "-shm", ".damaged"];

/// Moves the file and what belongs to it aside: `journal.db` becomes `journal.damaged-20261123T040506Z.db`.
pub(super) fn move_aside(path: &Path, now: Timestamp) -> Result<PathBuf, JournalError> {
    let aside = free_name(path, now);
    // The file goes last: until then a start that was cut off finds the damage again.
    for ending in ENDINGS {
        rename(&beside(path, ending), &beside(&aside, ending))?;
    }
    rename(path, &aside)?;
    Ok(aside)
}

fn free_name(path: &Path, now: Timestamp) -> PathBuf {
    let text = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let stem = text(path.file_stem()).unwrap_or_default();
    let ending = text(path.extension()).map(|ending| format!(".{ending}")).unwrap_or_default();
    let time = now.strftime("%Y%m%dT%H%M%SZ");
    let name = |suffix: String| path.with_file_name(format!("{stem}.damaged-{time}{suffix}{ending}"));
    let mut aside = name(String::new());
    let mut n = 1;
    while aside.exists() {
        n += 1;
        aside = name(format!("-{n}"));
    }
    aside
}

fn rename(from: &Path, to: &Path) -> Result<(), JournalError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(JournalError::file(from)),
    }
}

//! Files that are either complete or not there: written beside their place, checked, synced, renamed.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::digest::Hashing;
use super::{FetchError, Pin};

/// The file that is written.
pub(super) type Output = Hashing<BufWriter<File>>;

/// Where a file lies until it is whole.
pub(super) fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

/// Writes a file that must come out as `pin` says; it appears at `path` only then.
pub(super) fn write_pinned(
    path: &Path,
    pin: Pin,
    write: impl FnOnce(&mut Output) -> Result<(), FetchError>,
) -> Result<(), FetchError> {
    let part = part_of(path);
    let io = |e| FetchError::io(&part, e);
    let mut out = Hashing::new(BufWriter::new(File::create(&part).map_err(io)?));
    write(&mut out)?;
    let actual = Pin { sha256: out.digest(), size_bytes: out.n_bytes() };
    let file = out.into_inner().into_inner().map_err(|e| io(e.into_error()))?;
    file.sync_all().map_err(io)?;
    if actual != pin {
        fs::remove_file(&part).map_err(io)?;
        return Err(other(path, actual, pin));
    }
    put(&part, path).map_err(io)
}

/// Replaces the file at `path` by `bytes`, at once or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = part_of(path);
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    put(&part, path)
}

/// Renames, and makes the new name last.
pub(super) fn put(part: &Path, path: &Path) -> io::Result<()> {
    fs::rename(part, path)?;
    match path.parent() {
        Some(dir) if cfg!(unix) => File::open(dir)?.sync_all(),
        _ => Ok(()),
    }
}

pub(super) fn other(path: &Path, actual: Pin, expected: Pin) -> FetchError {
    FetchError::Other {
        path: path.to_owned(),
        expected: expected.sha256,
        expected_bytes: expected.size_bytes,
        actual: actual.sha256,
        actual_bytes: actual.size_bytes,
    }
}

/// Removes `path` if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Locks the store in `dir` against other processes until the file is dropped; the system unlocks it when a process
/// dies. `waiting` is called once if another process has it.
pub(super) fn lock(dir: &Path, waiting: impl FnOnce()) -> io::Result<File> {
    fs::create_dir_all(dir)?;
    let file = File::options().create(true).write(true).truncate(false).open(dir.join(".lock"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            waiting();
            file.lock()?;
        }
        Err(TryLockError::Error(e)) => return Err(e),
    }
    Ok(file)
}

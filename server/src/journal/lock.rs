//! One process at a time has a journal open: a lock on a file beside it, which ends with the process.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::JournalError;
use super::store::beside;

/// Held while a journal is open.
#[derive(Debug)]
pub(super) struct Lock(
    #[expect(dead_code, reason = "held, not used: the lock ends when the file is closed")] File,
);

impl Lock {
    /// Takes the lock of the journal at `path`, which lies in `{path}.lock` together with the number of the process.
    pub(super) fn take(path: &Path) -> Result<Self, JournalError> {
        let beside = beside(path, ".lock");
        let failed = JournalError::file(&beside);
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&beside);
        let mut file = opened.map_err(&failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                // Who has it is only said for people: an answer without it is still an answer.
                let _ = file.take(20).read_to_string(&mut pid);
                return Err(JournalError::InUse { path: path.to_owned(), pid: pid.trim().to_owned() });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        // A full disk does not keep the journal from being read.
        let _ = file.set_len(0).and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
        Ok(Self(file))
    }
}

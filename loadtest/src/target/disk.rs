//! A full disk: fills a small file system to its last byte, and frees it again.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use crate::failure::Failure;

/// Most free space that is filled, bytes: nobody fills the disk of a machine by accident.
pub const FREE_BYTES_MAX: u64 = 1 << 30;
/// What is written at once, bytes; a quarter of it whenever so much does not fit any more.
const PIECE_BYTES: usize = 1 << 20;
const NAME: &str = ".aircheck-loadtest-fill";

/// A file that leaves no room for others, until it is dropped.
#[derive(Debug)]
pub struct Filler {
    path: PathBuf,
    n_bytes: u64,
}

/// Fills the file system of the folder `dir`, blocking. Refuses one with more than [`FREE_BYTES_MAX`] free: mount a
/// small tmpfs.
pub fn fill_disk(dir: &Path) -> Result<Filler, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::runtime(&format!("filling {}", dir.display()), error);
    let stat = statvfs(dir).map_err(|error| failed(&error))?;
    allow(dir, stat.f_bfree.saturating_mul(stat.f_frsize))?;
    let path = dir.join(NAME);
    let open = OpenOptions::new().write(true).create(true).truncate(true).open(&path);
    let mut file = open.map_err(|error| failed(&error))?;
    // From here on it is removed, whatever happens.
    let mut filler = Filler { path, n_bytes: 0 };
    filler.n_bytes = fill(&mut file).map_err(|error| failed(&error))?;
    settle(&file).map_err(|error| failed(&error))?;
    Ok(filler)
}

impl Filler {
    /// Bytes that it took.
    #[must_use]
    pub const fn n_bytes(&self) -> u64 {
        self.n_bytes
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        // If it is gone there is room, too.
        let _gone = fs::remove_file(&self.path);
    }
}

/// Whether a file system with so many bytes free is small enough.
fn allow(dir: &Path, n_free: u64) -> Result<(), Failure> {
    if n_free <= FREE_BYTES_MAX {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{} has {} MiB free, at most {} MiB are filled: put the server's state on a small tmpfs",
        dir.display(),
        n_free >> 20,
        FREE_BYTES_MAX >> 20
    )))
}

/// Writes until not one byte fits; how many did.
fn fill(out: &mut impl Write) -> std::io::Result<u64> {
    let zeros = vec![0; PIECE_BYTES];
    let (mut piece, mut n_bytes) = (&zeros[..], 0);
    while !piece.is_empty() {
        match out.write(piece) {
            Ok(0) => piece = &piece[..piece.len() / 4],
            Ok(written) => n_bytes += written as u64,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => piece = &piece[..piece.len() / 4],
            Err(error) => return Err(error),
        }
    }
    Ok(n_bytes)
}

/// Some file systems take more than they have, and say so only when it is to be kept.
fn settle(file: &File) -> std::io::Result<()> {
    match file.sync_all() {
        Err(error) if error.kind() != ErrorKind::StorageFull => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Takes so many bytes, whole blocks or the rest.
    struct Disk(usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match bytes.len().min(self.0) {
                0 => Err(ErrorKind::StorageFull.into()),
                n if n < bytes.len() && n % 4_096 == 0 && n > 4_096 => Err(ErrorKind::StorageFull.into()),
                n => {
                    self.0 -= n;
                    Ok(n)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_is_filled_to_its_last_byte() {
        for size in [0, 1, 4_096, 3 * PIECE_BYTES + 5 * 4_096, 5 * PIECE_BYTES + 12_345] {
            let mut disk = Disk(size);
            assert_eq!((fill(&mut disk).unwrap(), disk.0), (size as u64, 0));
        }
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::PermissionDenied.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(fill(&mut Broken).is_err());
    }

    /// Nothing is filled here: who breaks the rule must not lose a disk by the test that finds it.
    #[test]
    fn a_large_disk_is_refused() {
        let dir = Path::new("/state");
        assert!(allow(dir, FREE_BYTES_MAX).is_ok());
        let error = allow(dir, FREE_BYTES_MAX + 1).unwrap_err();
        let why = "/state has 1024 MiB free, at most 1024 MiB are filled";
        assert!(matches!(&error, Failure::Usage(said) if said.starts_with(why)), "{error}");
        assert!(fill_disk(Path::new("/no/such/folder")).is_err());
    }

    #[test]
    fn the_file_goes_with_the_value() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        fs::write(&path, "x").unwrap();
        drop(Filler { path: path.clone(), n_bytes: 1 });
        assert!(!path.exists());
    }
}

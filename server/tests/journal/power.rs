//! G2: the power goes. A file system on a loop device is cut off, without what was not written yet.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::child::{Witness, check_kept};
use crate::support::{Random, count_of};

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: from now on nothing reaches the disk
/// (linux: fs/ext4/ext4.h). Safe Rust has no ioctl of its own.
const CUT: &str = "import fcntl, os, struct, sys; \
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

/// A disk whose power can go.
struct Disk {
    folder: TempDir,
    mount: PathBuf,
}

impl Disk {
    /// `None`: not possible here.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = folder.path().join("mount");
        std::fs::create_dir(&mount).unwrap();
        let image = folder.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        let disk = Self { folder, mount };
        (run("mkfs.ext4", &["-q", "-F", text(&image)]) && disk.plug()).then_some(disk)
    }

    fn plug(&self) -> bool {
        run("mount", &["-o", "loop", text(&self.folder.path().join("image")), text(&self.mount)])
    }

    fn unplug(&self) -> bool {
        run("umount", &[text(&self.mount)])
    }

    /// The power goes while `witness` writes, and comes back. What it has shown.
    fn cut(&self, witness: Witness) -> Vec<server::journal::Stored> {
        // Otherwise it could go on showing what it believes to be on disk.
        witness.signal(Signal::STOP);
        assert!(run("python3", &["-c", CUT, text(&self.mount)]));
        let seen = witness.kill();
        assert!(self.unplug() && self.plug());
        seen
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unplug();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).stderr(std::process::Stdio::null()).status().is_ok_and(|s| s.success())
}

#[test]
fn nothing_that_was_shown_is_lost_when_the_power_goes() {
    let mut random = Random(std::process::id().into());
    let n_cuts = count_of("AIRCHECK_CUTS", 4, 30);
    let mut has_lost_without_waiting = 0;
    for n in 0..n_cuts {
        let Some(disk) = Disk::new() else {
            println!("not checked: no loop device can be mounted here (root, and the kernel's loop driver)");
            return;
        };
        let path = disk.mount.join("journal.db");
        let n_events = 1 + usize::try_from(random.below(400)).unwrap();
        for _ in 0..2 {
            let mut witness = Witness::start(&path, false);
            witness.see(n_events, Duration::from_micros(random.below(20_000)));
            check_kept(&path, &disk.cut(witness));
        }
        if n % 2 == 0 {
            has_lost_without_waiting += u64::from(loses_without_waiting(&disk, 50 * n_events));
        }
    }
    // The method can tell: who does not wait for the disk is found out.
    assert!(has_lost_without_waiting > 0, "of {n_cuts} cuts none took anything");
}

/// Whether a plain table loses numbers that were said to be in it.
fn loses_without_waiting(disk: &Disk, n: usize) -> bool {
    let path = disk.mount.join("plain.db");
    let mut witness = Witness::start(&path, true);
    witness.see(n, Duration::ZERO);
    let seen = disk.cut(witness);
    let kept = rusqlite::Connection::open(&path)
        .and_then(|conn| conn.query_row("SELECT max(n) FROM t", [], |row| row.get::<_, Option<i64>>(0)));
    let kept = kept.ok().flatten().and_then(|n| u64::try_from(n).ok());
    kept.unwrap_or(0) < seen.last().map_or(0, |last| last.cursor)
}

//! The folder of a report: made by exactly one run.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Where folders are made unless somebody says otherwise.
const PARENT: &str = "loadtest-report";
/// Runs that may begin in the same second.
const N_SAME_MAX: usize = 100;

/// A folder that this run made, and nobody else writes to.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// `out`, which must not exist; or a new folder named `name` in `parent`. Making a folder is atomic: of two runs that try
    /// at once, one gets it.
    pub(super) fn claim(out: Option<&Path>, name: &str) -> Result<Self, Failure> {
        match out {
            Some(out) => Self::exactly(out),
            None => Self::within(Path::new(PARENT), name),
        }
    }

    fn exactly(out: &Path) -> Result<Self, Failure> {
        make_parents(out.parent().unwrap_or(Path::new("")))?;
        match fs::create_dir(out) {
            Ok(()) => Ok(Self(out.to_owned())),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Failure::Usage(format!(
                "{} exists, and may be of another run: remove it or name another",
                out.display()
            ))),
            Err(error) => Err(Failure::runtime(&out.display().to_string(), error)),
        }
    }

    fn within(parent: &Path, name: &str) -> Result<Self, Failure> {
        make_parents(parent)?;
        let name = file_name(name);
        for idx in 1..=N_SAME_MAX {
            let name = if idx == 1 { name.clone() } else { format!("{name}-{idx}") };
            let path = parent.join(name);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Failure::runtime(&path.display().to_string(), error)),
            }
        }
        Err(Failure::Runtime(format!("{}: {N_SAME_MAX} folders of the same second", parent.display())))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A folder within it.
    pub(super) fn inner(&self, name: &str) -> PathBuf {
        self.0.join(file_name(name))
    }
}

/// Leaves no empty folder behind.
impl Drop for Folder {
    fn drop(&mut self) {
        // It fails where something is in it, as it should.
        let _ = fs::remove_dir(&self.0);
    }
}

fn make_parents(parent: &Path) -> Result<(), Failure> {
    if parent.as_os_str().is_empty() {
        return Ok(());
    }
    fs::create_dir_all(parent).map_err(|error| Failure::runtime(&parent.display().to_string(), error))
}

/// Letters, digits, `.`, `_` and `-`; others become `_`. Never hidden, never empty.
fn file_name(name: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = name.chars().map(kept).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "_".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn of_two_runs_each_gets_a_folder_of_its_own() {
        let parent = tempfile::tempdir().unwrap();
        let held: Vec<Folder> = std::thread::scope(|scope| {
            let claim = || Folder::within(&parent.path().join("new"), "smoke run").unwrap();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(claim)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut names: Vec<_> =
            held.iter().map(|folder| folder.path().file_name().unwrap().to_owned()).collect();
        names.sort();
        names.dedup();
        assert!(names.len() == 8 && names[0] == "smoke_run" && names[1] == "smoke_run-2", "{names:?}");
    }

    #[test]
    fn a_folder_that_exists_is_refused_and_an_empty_one_is_taken_back() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("a/b");
        let folder = Folder::claim(Some(&out), "x").unwrap();
        let error = Folder::claim(Some(&out), "x").unwrap_err();
        assert!(matches!(&error, Failure::Usage(why) if why.contains("exists")), "{error}");
        drop(folder);
        assert!(!out.exists());
        let folder = Folder::claim(Some(&out), "x").unwrap();
        fs::write(folder.inner("../x"), "kept").unwrap();
        drop(folder);
        assert_eq!(fs::read_to_string(out.join("_x")).unwrap(), "kept");
    }

    #[test]
    fn names_stay_in_their_folder() {
        let names = ["../..", "a b/c", "", ".hidden", "tiny.en-q8_0"].map(file_name);
        assert_eq!(names, ["_..", "a_b_c", "_", "hidden", "tiny.en-q8_0"]);
    }
}

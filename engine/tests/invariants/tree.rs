//! The files of the repository, as text. Not git's list: a new file counts before it is added.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 6] = ["target", ".git", ".cache", ".venv", "__pycache__", "node_modules"];
/// Longest file that is read as text, bytes.
const TEXT_BYTES_MAX: u64 = 4 << 20;

/// Hosts of package registries: packages are named, never addresses. In pieces, so that this file names none.
const REGISTRY_HOSTS: [&str; 9] = [
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("//", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
    concat!("npm", "js.org"),
    concat!("deb.", "debian.org"),
    concat!("snapshot.", "debian.org"),
    concat!("security.", "debian.org"),
];

/// Root of the workspace. Asked at run time: two work trees that share a target directory share this binary.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var("CARGO_MANIFEST_DIR").expect("run by cargo");
    Path::new(&manifest).parent().expect("the crate lies in the workspace").to_path_buf()
}

/// Text of the file at `path`, relative to the root.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Path (relative, with `/`) and text of every text file.
pub(crate) fn texts() -> Vec<(String, String)> {
    let (root, mut found) = (root(), Vec::new());
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("readable folder").map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                folders.push(entry.path());
            } else if kind.is_file() && entry.metadata().unwrap().len() <= TEXT_BYTES_MAX {
                let Ok(text) = fs::read_to_string(entry.path()) else { continue };
                let path = entry.path().strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// Path and text of every Rust file.
pub(crate) fn rust_sources() -> Vec<(String, String)> {
    texts().into_iter().filter(|(path, _)| path.ends_with(".rs")).collect()
}

/// Lines that name the host of a package registry.
pub(crate) fn registry_hosts(path: &str, text: &str) -> Vec<String> {
    let named = |line: &str| REGISTRY_HOSTS.iter().find(|host| line.contains(**host)).copied();
    text.lines()
        .enumerate()
        .filter_map(|(i, line)| named(line).map(|host| format!("{path}:{}: names {host}", i + 1)))
        .collect()
}

#[test]
fn a_host_is_found_with_its_line() {
    let text = format!("fine\nsee https://{}/p\n", concat!("pypi", ".org"));
    assert_eq!(registry_hosts("a.md", &text), [format!("a.md:2: names {}", concat!("pypi", ".org"))]);
    assert!(registry_hosts("a.md", "the package six, from the usual registry").is_empty());
}

//! How a file gets here. The store knows addresses and hashes; a [`Fetch`] knows a protocol.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{fs, io};

use super::FetchError;
use super::manifest::{Address, Download, Wheel};

/// Gets one file.
pub trait Fetch {
    /// Puts the file of `download` at `into`, which may hold the first bytes of it from an earlier try: go on after
    /// them, or start anew. On an error what came stays there for the next try. The caller checks what came.
    ///
    /// `progress` takes the bytes that are there and, where known, how many there will be.
    fn fetch(
        &mut self,
        download: &Download,
        into: &Path,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(), FetchError>;
}

/// Sends each address to the fetcher for its kind.
#[derive(Debug, Default)]
pub struct Fetchers<H> {
    /// For [`Address::Url`].
    pub http: H,
    /// For [`Address::Pip`].
    pub pip: Pip,
}

impl<H: Fetch> Fetch for Fetchers<H> {
    fn fetch(
        &mut self,
        download: &Download,
        into: &Path,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(), FetchError> {
        match download.from {
            Address::Url(_) => self.http.fetch(download, into, progress),
            Address::Pip(_) => self.pip.fetch(download, into, progress),
        }
    }
}

/// Fetches nothing: for machines that must not reach the public hub.
#[derive(Debug, Default)]
pub struct NoHttp;

impl Fetch for NoHttp {
    fn fetch(
        &mut self,
        download: &Download,
        _: &Path,
        _: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(), FetchError> {
        Err(FetchError::Unsupported { address: download.from.to_string() })
    }
}

/// Fetches wheels with the machine's own `pip`, from whatever index it is configured for. Names no host, runs no code
/// of the package, installs nothing.
#[derive(Debug)]
pub struct Pip {
    /// Commands that may be `pip`, tried in order.
    pub commands: Vec<Vec<String>>,
}

impl Default for Pip {
    fn default() -> Self {
        let commands = ["python3 -m pip", "pip3", "python -m pip"];
        Self { commands: commands.map(|c| c.split(' ').map(str::to_owned).collect()).to_vec() }
    }
}

impl Fetch for Pip {
    fn fetch(
        &mut self,
        download: &Download,
        into: &Path,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(), FetchError> {
        let Address::Pip(wheel) = &download.from else {
            return Err(FetchError::Unsupported { address: download.from.to_string() });
        };
        let total = Some(download.pin.size_bytes);
        progress(0, total);
        let dir = into.with_extension("pip");
        fresh_dir(&dir)?;
        let fetched = self.download(wheel, &dir).and_then(|()| only_file(&dir));
        let moved = fetched.and_then(|file| fs::rename(&file, into).map_err(|e| FetchError::io(into, e)));
        fs::remove_dir_all(&dir).map_err(|e| FetchError::io(&dir, e))?;
        moved.inspect(|()| progress(download.pin.size_bytes, total))
    }
}

impl Pip {
    fn download(&self, wheel: &Wheel, dir: &Path) -> Result<(), FetchError> {
        let address = format!("{}=={}", wheel.package, wheel.version);
        let failed = |message: String| FetchError::Failed { address: address.clone(), message };
        let mut reasons = Vec::new();
        for command in &self.commands {
            let Some((program, args)) = command.split_first() else { continue };
            let mut pip = Command::new(program);
            pip.args(args).args(["download", "--quiet", "--disable-pip-version-check", "--no-input"]);
            // Wheels only: a source package would run its build
            pip.args(["--no-deps", "--only-binary", ":all:", "-d"]).arg(dir);
            pip.args(wheel.platform.iter().flat_map(|platform| ["--platform", platform.as_str()]));
            match pip.arg(&address).stdin(Stdio::null()).output() {
                Ok(output) if output.status.success() => return Ok(()),
                Ok(output) if has_no_pip(&output) => {
                    reasons.push(format!("{} has no pip", command.join(" ")))
                }
                Ok(output) => return Err(failed(last_line(&output))),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    reasons.push(format!("{program} is not installed"));
                }
                Err(e) => reasons.push(format!("{program}: {e}")),
            }
        }
        Err(failed(reasons.join(", ")))
    }
}

fn has_no_pip(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stderr).contains("No module named pip")
}

/// The error that pip ends with, on one line.
fn last_line(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let mut errors = stderr.lines().map(str::trim).filter(|line| line.starts_with("ERROR"));
    let line = errors.next_back().or_else(|| stderr.lines().rfind(|line| !line.trim().is_empty()));
    line.map_or_else(|| output.status.to_string(), str::to_owned)
}

fn fresh_dir(dir: &Path) -> Result<(), FetchError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(FetchError::io(dir, e)),
        _ => fs::create_dir_all(dir).map_err(|e| FetchError::io(dir, e)),
    }
}

fn only_file(dir: &Path) -> Result<PathBuf, FetchError> {
    let mut entries = fs::read_dir(dir).map_err(|e| FetchError::io(dir, e))?;
    match (entries.next(), entries.next()) {
        (Some(Ok(entry)), None) => Ok(entry.path()),
        _ => Err(FetchError::Archive {
            path: dir.to_owned(),
            message: "expected one file from pip".to_owned(),
        }),
    }
}

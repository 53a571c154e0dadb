//! The measuring material beside the project: `../shared/data`, described by its `manifest.tsv`. Reads no audio.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// One recording with what is known of it.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Where it is.
    pub path: PathBuf,
    /// Folder within the corpus, for example `ljspeech`.
    pub set: String,
    /// Language code, or empty.
    pub language: String,
    /// Normalised transcript, or empty.
    pub transcript: String,
}

/// The clips of the manifest, or one line that says what is missing. `$AIRCHECK_DATA` is looked at first.
pub fn clips() -> Result<Vec<Clip>, String> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = env::var_os("AIRCHECK_DATA").map_or_else(beside, PathBuf::from);
    let manifest = folder.join("manifest.tsv");
    let text = fs::read_to_string(&manifest).map_err(|e| format!("{}: {e}", manifest.display()))?;
    let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next().unwrap_or_default();
    let column = |name: &str| {
        let at = header.iter().position(|column| *column == name);
        at.ok_or_else(|| format!("{}: no column {name}", manifest.display()))
    };
    let (file, language, transcript) = (column("file")?, column("lang")?, column("transcript_norm")?);
    let clip = |row: Vec<&str>| {
        let cell = |at: usize| row.get(at).copied().unwrap_or("").to_owned();
        let set = cell(file).split('/').next().unwrap_or("").to_owned();
        Clip { path: folder.join(cell(file)), set, language: cell(language), transcript: cell(transcript) }
    };
    Ok(lines.map(clip).collect())
}

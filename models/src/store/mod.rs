//! The weights store: a folder of GGML files, each opened only when its SHA-256 is the one of a manifest.
//! Knows no network (a [`Fetch`] does) and no terminal.

mod digest;
mod error;
mod fetch;
mod manifest;
mod pull;
mod sync;
mod verified;

use std::path::{Path, PathBuf};
use std::{env, fs, io};

pub use digest::Digest;
pub use error::{FetchError, ModelError, StoreError};
pub use fetch::{Fetch, Fetchers, NoHttp, Pip};
pub use manifest::{Address, Download, MANIFEST, Pin, Wheel};
pub use pull::Progress;
pub use verified::Verified;
pub(crate) use verified::read_unverified;

use manifest::{Manifest, Sample, UserManifest, UserModel};
use pull::Pull;

/// The model that is used when none is named.
pub const DEFAULT_MODEL: &str = "tiny.en-q8_0";

/// A store in a folder: the models of [`MANIFEST`], and those that the user added.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    manifest: Manifest,
    user: UserManifest,
}

/// One model, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Licence of the weights; for a user's own model `unknown`.
    pub licence: String,
    /// What its file must be.
    pub pin: Pin,
    /// Where its file is or belongs.
    pub path: PathBuf,
    /// Whether it is there.
    pub state: State,
}

/// What a look at a model's file shows, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is no file.
    Missing,
    /// A file of the right length.
    Installed,
    /// A file of another length.
    WrongSize {
        /// Bytes that it has.
        actual: u64,
    },
}

impl Store {
    /// `$AIRCHECK_MODELS`, else `$XDG_CACHE_HOME/aircheck/models`, else `~/.cache/aircheck/models`.
    pub fn default_dir() -> Result<PathBuf, StoreError> {
        let folder = |variable: &str| env::var_os(variable).filter(|v| !v.is_empty()).map(PathBuf::from);
        let cache = || folder("XDG_CACHE_HOME").filter(|dir| dir.is_absolute());
        folder("AIRCHECK_MODELS")
            .or_else(|| cache().map(|dir| dir.join("aircheck/models")))
            .or_else(|| folder("HOME").map(|dir| dir.join(".cache/aircheck/models")))
            .ok_or(StoreError::NoHome)
    }

    /// Opens the store in `dir`, which need not be there yet.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::with_manifest(dir, MANIFEST)
    }

    /// Opens a store whose models are those of `manifest` instead of [`MANIFEST`].
    pub fn with_manifest(dir: impl Into<PathBuf>, manifest: &str) -> Result<Self, StoreError> {
        let dir = dir.into();
        let manifest = parsed(Path::new("manifest.toml"), manifest)?;
        let user = read_user(&dir)?;
        Ok(Self { dir, manifest, user })
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Every model, the user's own last.
    #[must_use]
    pub fn list(&self) -> Vec<Entry> {
        let known = self.manifest.models.iter().map(|model| {
            self.entry(&model.name, &model.licence, model.pin, self.dir.join(format!("{}.bin", model.name)))
        });
        let own = self.user.models.iter().map(|m| self.entry(&m.name, "unknown", m.pin, m.path.clone()));
        known.chain(own).collect()
    }

    fn entry(&self, name: &str, licence: &str, pin: Pin, path: PathBuf) -> Entry {
        let state = match fs::metadata(&path) {
            Ok(file) if file.len() == pin.size_bytes => State::Installed,
            Ok(file) => State::WrongSize { actual: file.len() },
            Err(_) => State::Missing,
        };
        Entry { name: name.to_owned(), licence: licence.to_owned(), pin, path, state }
    }

    fn find(&self, name: &str) -> Result<Entry, ModelError> {
        let entries = self.list();
        let expected = || entries.iter().map(|e| e.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = entries.iter().find(|e| e.name == name).cloned();
        found.ok_or_else(|| ModelError::Unknown { name: name.to_owned(), expected: expected() })
    }

    /// Where the file of model `name` is or belongs. Says nothing about what is in it.
    pub fn path(&self, name: &str) -> Result<PathBuf, ModelError> {
        Ok(self.find(name)?.path)
    }

    /// Reads the file of model `name` and compares its SHA-256.
    pub fn verify(&self, name: &str) -> Result<Verified, ModelError> {
        let Entry { name, pin, path, .. } = self.find(name)?;
        match Digest::of_file(&path) {
            Ok(actual) if actual == pin.sha256 => Ok(Verified::new(path, name, pin)),
            Ok(actual) => Err(ModelError::Altered { path, name, expected: pin.sha256, actual }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(ModelError::NotInstalled { name, path }),
            Err(e) => Err(ModelError::io(&path, e)),
        }
    }

    /// The model called `name_or_path`, or the file there if its SHA-256 is in a manifest. The only way to a
    /// [`Verified`], without which nothing opens weights.
    pub fn resolve(&self, name_or_path: &str) -> Result<Verified, ModelError> {
        let path = Path::new(name_or_path);
        match self.verify(name_or_path) {
            Err(ModelError::Unknown { .. }) if path.exists() => self.resolve_file(path),
            verified => verified,
        }
    }

    fn resolve_file(&self, path: &Path) -> Result<Verified, ModelError> {
        let actual = Digest::of_file(path).map_err(|e| ModelError::io(path, e))?;
        let entries = self.list();
        match entries.iter().find(|e| e.pin.sha256 == actual) {
            Some(entry) => Ok(Verified::new(path.to_owned(), entry.name.clone(), entry.pin)),
            None => {
                let expected = entries.iter().map(|e| format!("{} {}", e.name, e.pin.sha256));
                let expected = expected.collect::<Vec<_>>().join(", ");
                Err(ModelError::Foreign { path: path.to_owned(), actual, expected })
            }
        }
    }

    /// Makes model `name` be there and right, and returns its file. Another process that pulls into the same store is
    /// waited for; an interrupted pull is gone on with.
    pub fn pull(
        &self,
        name: &str,
        fetch: &mut dyn Fetch,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Verified, StoreError> {
        let model = self.manifest.models.iter().find(|m| m.name == name);
        let weights = model.and_then(|m| self.manifest.weights.iter().find(|w| w.name == m.weights));
        let (Some(model), Some(weights)) = (model, weights) else {
            return Err(unknown(name, self.manifest.models.iter().map(|m| m.name.as_str())));
        };
        let _lock = self.lock(&mut || progress(Progress::Waiting))?;
        if let Ok(verified) = self.verify(name) {
            return Ok(verified);
        }
        let no_source = |reasons| StoreError::NoSource { name: name.to_owned(), reasons };
        let mut pull = Pull::new(&self.dir, fetch, progress).map_err(|e| no_source(vec![e.to_string()]))?;
        pull.model(model, weights, &self.path(name)?).map_err(no_source)?;
        Ok(self.verify(name)?)
    }

    /// Name and licence of every sample recording.
    pub fn samples(&self) -> impl Iterator<Item = (&str, &str)> {
        self.manifest.samples.iter().map(|s| (s.name.as_str(), s.licence.as_str()))
    }

    /// Makes the sample recording `name` be there and right, and returns its file. Brings the others of the same
    /// archive with it.
    pub fn sample(
        &self,
        name: &str,
        fetch: &mut dyn Fetch,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PathBuf, StoreError> {
        let Some(sample) = self.manifest.samples.iter().find(|s| s.name == name) else {
            return Err(unknown(name, self.samples().map(|(name, _)| name)));
        };
        let _lock = self.lock(&mut || progress(Progress::Waiting))?;
        let path = self.sample_path(sample);
        if Digest::of_file(&path).is_ok_and(|actual| actual == sample.pin.sha256) {
            return Ok(path);
        }
        let folder = self.dir.join("samples");
        fs::create_dir_all(&folder).map_err(|e| StoreError::io(&folder, e))?;
        let archive = sample.download.pin;
        let together = self.manifest.samples.iter().filter(|s| s.download.pin == archive);
        let pulled = Pull::new(&self.dir, fetch, progress).and_then(|mut pull| {
            together.into_iter().try_for_each(|s| pull.sample(s, &self.sample_path(s)))?;
            pull.clean()
        });
        let failed =
            |e: FetchError| StoreError::NoSource { name: name.to_owned(), reasons: vec![e.to_string()] };
        pulled.map(|()| path).map_err(failed)
    }

    fn sample_path(&self, sample: &Sample) -> PathBuf {
        self.dir.join("samples").join(&sample.name)
    }

    /// Adds the user's own model file under `name`; the file stays where it is. `probe` loads it in a throwaway
    /// process (see [`crate::whisper::probe`]): a bad file can kill the process that loads it.
    pub fn add(
        &mut self,
        file: &Path,
        name: &str,
        probe: &mut dyn FnMut(&Path) -> Result<(), String>,
    ) -> Result<Verified, StoreError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(allowed) {
            return Err(StoreError::Name { name: name.to_owned() });
        }
        let path = fs::canonicalize(file).map_err(|e| StoreError::io(file, e))?;
        let _lock = self.lock(&mut || {})?;
        self.user = read_user(&self.dir)?;
        let sha256 = Digest::of_file(&path).map_err(|e| StoreError::io(&path, e))?;
        let size_bytes = fs::metadata(&path).map_err(|e| StoreError::io(&path, e))?.len();
        match self.find(name) {
            Ok(entry) if entry.pin.sha256 == sha256 && entry.path == path => return Ok(self.verify(name)?),
            Ok(entry) => {
                return Err(StoreError::NameTaken { name: name.to_owned(), actual: entry.pin.sha256 });
            }
            Err(_) => {}
        }
        probe(&path).map_err(|message| StoreError::Probe { path: path.clone(), message })?;
        self.user.models.push(UserModel { name: name.to_owned(), path, pin: Pin { sha256, size_bytes } });
        let manifest = user_manifest(&self.dir);
        let text = toml::to_string(&self.user).map_err(|e| malformed(&manifest, &e))?;
        sync::write_whole(&manifest, text.as_bytes()).map_err(|e| StoreError::io(&manifest, e))?;
        Ok(self.verify(name)?)
    }

    fn lock(&self, waiting: &mut dyn FnMut()) -> Result<fs::File, StoreError> {
        sync::lock(&self.dir, waiting).map_err(|e| StoreError::io(&self.dir, e))
    }
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> StoreError {
    StoreError::Unknown { name: name.to_owned(), expected: known.collect::<Vec<_>>().join(", ") }
}

fn user_manifest(dir: &Path) -> PathBuf {
    dir.join("models.toml")
}

fn read_user(dir: &Path) -> Result<UserManifest, StoreError> {
    let path = user_manifest(dir);
    match fs::read_to_string(&path) {
        Ok(text) => parsed(&path, &text),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(UserManifest::default()),
        Err(e) => Err(StoreError::io(&path, e)),
    }
}

fn parsed<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, StoreError> {
    toml::from_str(text).map_err(|e| malformed(path, &e))
}

fn malformed(path: &Path, e: &dyn std::fmt::Display) -> StoreError {
    let message = e.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ");
    StoreError::Manifest { path: path.to_owned(), message }
}

#[cfg(test)]
mod tests;

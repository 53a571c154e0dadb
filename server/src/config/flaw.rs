//! What is wrong with a configuration, and where. Finds nothing itself.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

/// A value that cannot be used, by its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct Flaw {
    /// Where it is, with dots: `feeds[2].priority`. Empty: nowhere in particular.
    pub key: String,
    /// What is there, and what may be there. Holds no secret.
    pub message: String,
    /// What may have been meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl Flaw {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), suggestion: None }
    }

    pub(super) fn suggesting(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }

    /// The same flaw of a value that lies in the table `table`.
    pub(super) fn within(mut self, table: &str) -> Self {
        self.key = if self.key.is_empty() { table.to_owned() } else { format!("{table}.{}", self.key) };
        self
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, message, suggestion } = self;
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        f.write_str(message)?;
        match suggestion {
            Some(suggestion) => write!(f, "; did you mean \"{suggestion}\"?"),
            None => Ok(()),
        }
    }
}

/// Something in a configuration file that cannot be used, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigError {
    /// Line, from 1.
    pub line: usize,
    /// Character of the line, from 1.
    pub column: usize,
    /// Key with dots: `feeds[2].priority`. Empty: this is no TOML.
    pub key: String,
    /// What is there, and what may be there. Holds no secret.
    pub message: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

impl ConfigError {
    pub(super) fn new((line, column): (usize, usize), flaw: Flaw) -> Self {
        let Flaw { key, message, suggestion } = flaw;
        Self { line, column, key, message, suggestion }
    }
}

/// `12:1: feeds[2].priority: 12, expected 0 to 9`.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, key, message, suggestion } = self;
        let flaw = Flaw { key: key.clone(), message: message.clone(), suggestion: suggestion.clone() };
        write!(f, "{line}:{column}: {flaw}")
    }
}

/// A configuration file that cannot be used.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It says what cannot be.
    #[error("{}", lines(path, errors))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong with it, from its beginning to its end; at least one.
        errors: Vec<ConfigError>,
    },
}

/// One line for each error.
fn lines(path: &std::path::Path, errors: &[ConfigError]) -> String {
    let lines: Vec<String> = errors.iter().map(|error| format!("{}:{error}", path.display())).collect();
    lines.join("\n")
}

//! How a command can fail, and the exit status that says so.

use std::fmt::Display;
use std::process::ExitCode;

/// A failure in one line, by its exit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It failed while running: status 1.
    Runtime(String),
    /// It was asked for wrongly: status 2.
    Usage(String),
    /// The input cannot be reached: status 4.
    Unreachable(String),
}

impl Failure {
    /// A failure while running, from any error.
    pub fn runtime(error: impl Display) -> Self {
        Self::Runtime(error.to_string())
    }

    /// Wrong usage, from any error.
    pub fn usage(error: impl Display) -> Self {
        Self::Usage(error.to_string())
    }

    /// The one line.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Runtime(message) | Self::Usage(message) | Self::Unreachable(message) => message,
        }
    }

    /// The exit status.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Runtime(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 4,
        })
    }
}

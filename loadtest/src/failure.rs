//! Why a run ended without being met, and the exit code that says so.

use std::process::ExitCode;
use std::time::Duration;

use thiserror::Error;

/// See the module. Met is exit code 0.
#[derive(Debug, Error)]
pub enum Failure {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The objectives were not met: which.
    #[error("objectives missed: {}", .0.join("; "))]
    Missed(Vec<String>),
    /// The generator was late: the numbers would be about this program.
    #[error("generator saturated: lateness p99.9 is {} ms, {} ms allowed", .lateness.as_secs_f64() * 1e3, .allowed.as_secs_f64() * 1e3)]
    Saturated {
        /// Of 99.9 % of all pieces of audio.
        lateness: Duration,
        /// Bar.
        allowed: Duration,
    },
    /// The server did not take the load: it refused a feed, or gave one up. It is not carried, whatever was measured.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// Something outside failed: a file, a socket, the server.
    #[error("{0}")]
    Runtime(String),
}

impl Failure {
    /// From an error of the outside, with what was tried.
    pub fn runtime(tried: &str, error: impl std::fmt::Display) -> Self {
        Self::Runtime(format!("{tried}: {error}"))
    }

    /// 1 runtime, 2 usage, 3 objectives missed or load refused, 4 generator saturated.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Runtime(_) => 1,
            Self::Usage(_) => 2,
            Self::Missed(_) | Self::Refused(_) => 3,
            Self::Saturated { .. } => 4,
        })
    }
}

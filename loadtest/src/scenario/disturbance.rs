//! What is done to feeds and to the server while they run.

use std::time::Duration;

/// One disturbance of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Disturbance {
    /// Since the measured time began.
    pub at: Duration,
    /// What.
    pub trouble: Trouble,
    /// Share of the feeds that it is done to, 0..=1, evenly spread; troubles of the server concern all.
    pub share: f64,
}

/// Kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    /// Nothing is sent for so long; what was due meanwhile is lost.
    Stall(Duration),
    /// Nothing is sent for so long; then all of it at once.
    Burst(Duration),
    /// The connection is closed; feeds that push come back at once.
    Disconnect,
    /// Each piece is sent up to so much before or after it is due, for so long.
    Jitter {
        /// Most.
        by: Duration,
        /// How long.
        length: Duration,
    },
    /// Pieces are lost, sent twice, or swapped with their successor, each with this probability, for so long.
    Scramble {
        /// Of each of the three, 0..=1.
        probability: f64,
        /// How long.
        length: Duration,
    },
    /// Random bytes in place of audio for so long.
    Garbage(Duration),
    /// From here on audio of another sample rate or codec.
    Change,
    /// From here on the sender's clock is off, parts per million.
    Drift(i32),
    /// Answers of the server are not read for so long.
    SlowSink(Duration),
    /// The disk that holds the server's state is full for so long.
    FullDisk(Duration),
    /// The server's processes are stopped (SIGSTOP) for so long.
    Freeze(Duration),
    /// The server is killed (SIGKILL) and started again.
    Kill,
}

impl Trouble {
    /// How long it lasts; zero where it is a moment.
    #[must_use]
    pub const fn length(self) -> Duration {
        match self {
            Self::Stall(length)
            | Self::Burst(length)
            | Self::Jitter { length, .. }
            | Self::Scramble { length, .. }
            | Self::Garbage(length)
            | Self::SlowSink(length)
            | Self::FullDisk(length)
            | Self::Freeze(length) => length,
            Self::Disconnect | Self::Change | Self::Drift(_) | Self::Kill => Duration::ZERO,
        }
    }
}

//! One run, as modes judge it and reports show it.

use std::time::Duration;

use super::{Latencies, Score};

/// One run of N feeds.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// How many feeds played.
    pub n_feeds: usize,
    /// For how long.
    pub length: Duration,
    /// What they were told, judged; all of them merged.
    pub score: Score,
    /// The same, second by second of what was due then: for the heat map.
    pub series: Vec<Sample>,
    /// How punctual this program was.
    pub generator: Generator,
    /// What was done to the server and the feeds, in order.
    pub marks: Vec<Mark>,
    /// What the server took, in order; empty if its process is not known.
    pub machine: Vec<Machine>,
    /// Stages that the server itself states, mean ms by name: for the waterfall.
    pub stages: Vec<(String, f64)>,
}

/// Latencies of what was due in one slice of the run.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Start of the slice, since the run began.
    pub at: Duration,
    /// By name of their figure.
    pub latencies: Vec<(String, Latencies)>,
}

/// How punctual the generator was.
#[derive(Clone, Debug)]
pub struct Generator {
    /// From when a piece was due until it was handed to the kernel, of feeds that the server did not hold back.
    pub lateness: Latencies,
    /// Pieces sent.
    pub n_pieces: u64,
    /// Pieces whose predecessor was still waiting for the server when they were due.
    pub n_held_back: u64,
    /// Processor time of the generator.
    pub cpu: Duration,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Since the run began.
    pub at: Duration,
    /// For how long; zero is at once.
    pub length: Duration,
    /// What: `stall 5 s on 3 feeds` ...
    pub what: String,
}

/// What the server's processes took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    /// Since the run began.
    pub at: Duration,
    /// Resident memory, bytes.
    pub memory: u64,
    /// Open files and sockets.
    pub n_files: u64,
    /// Processor time since the run began.
    pub cpu: Duration,
}

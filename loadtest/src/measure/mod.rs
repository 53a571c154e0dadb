//! What is measured: histograms (HdrHistogram, merged and never averaged), counts and scores of a run.

mod latencies;
mod measurement;
mod score;

pub use latencies::Latencies;
pub use measurement::{Generator, Machine, Mark, Measurement, Sample};
pub use score::{Counts, Coverage, Figure, Score, WordScore};

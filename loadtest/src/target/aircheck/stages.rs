//! Where the time of events went, as Aircheck states it.

use std::collections::BTreeMap;

use engine::event::EventKind;
use serde::Deserialize;

/// Stages in their order: the wait that no machine can shorten, then those of `data.latency.stages_ms`.
const NAMES: [&str; 7] = ["algorithmic", "lane", "operators", "queue", "recognise", "publish", "journal"];

/// Sums by type of event.
#[derive(Clone, Debug, Default)]
pub struct Stages(BTreeMap<EventKind, Sum>);

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    n_events: u64,
    millis: [u64; NAMES.len()],
}

/// As it is on the wire, ms.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Latency {
    pub(super) total_ms: u64,
    algorithmic_ms: u64,
    stages_ms: Wire,
}

/// What an event did not pass is 0.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    lane: u64,
    operators: u64,
    queue: u64,
    recognise: u64,
    publish: u64,
    journal: u64,
}

impl Stages {
    pub(super) fn add(&mut self, kind: EventKind, latency: Latency) {
        let Wire { lane, operators, queue, recognise, publish, journal } = latency.stages_ms;
        let sum = self.0.entry(kind).or_default();
        sum.n_events += 1;
        let millis = [latency.algorithmic_ms, lane, operators, queue, recognise, publish, journal];
        for (sum, millis) in sum.millis.iter_mut().zip(millis) {
            *sum = sum.saturating_add(millis);
        }
    }

    /// Mean of each stage over all events of `kind`, ms, in order; a stage that an event did not pass is 0 there.
    /// Empty if there were none. A recogniser may begin before the fact is proven, so they may sum to more than the
    /// latency.
    #[must_use]
    pub fn mean(&self, kind: EventKind) -> Vec<(String, f64)> {
        let Some(sum) = self.0.get(&kind) else { return Vec::new() };
        let mean = |millis: u64| millis as f64 / sum.n_events as f64;
        NAMES.iter().zip(sum.millis).map(|(name, millis)| ((*name).to_owned(), mean(millis))).collect()
    }
}

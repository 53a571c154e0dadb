//! From what was asked for to what a feed is run with.

use super::player::Plan;
use crate::config::{Config, FeedSpec};
use crate::ingest::LiveConfig;
use crate::recognise::{Admission, Entry};

/// The plan of a feed whose specification was checked.
pub(super) fn plan(spec: &FeedSpec, config: &Config) -> Plan {
    let profile = config.profile(spec);
    let admission = if config.recognition.admit_all { Admission::Always } else { Admission::IfItFits };
    Plan {
        name: spec.name.clone(),
        source: spec.source.clone(),
        pace: spec.pace,
        pcm: spec.pcm(),
        entry: Entry { priority: spec.priority, admission },
        budgets: spec.budgets(),
        analysis: profile.analysis(),
        keywords: Some(spec.keyword_rules()).filter(|rules| !rules.is_empty()),
        note: None,
        live: LiveConfig { first_attempts: None, ..LiveConfig::default() },
    }
}

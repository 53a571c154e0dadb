//! What the parts of a configuration want of each other. Looks at values that have their shape.

use std::collections::{BTreeMap, BTreeSet};

use super::Config;
use super::feed::FeedSpec;
use super::flaw::Flaw;

/// All that does not go together in `config`. Of what is `replaced` nothing is said.
pub(super) fn flaws(config: &Config, replaced: &BTreeSet<String>) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if !replaced.iter().any(|key| key.starts_with("server") || key == "tokens") {
        flaws.extend(config.exposure());
    }
    for (idx, token) in config.tokens.iter().enumerate() {
        let table = format!("tokens[{idx}]");
        let secrets = ["", ".sha256", ".env", ".file"].map(|key| format!("{table}{key}"));
        if !secrets.iter().any(|key| replaced.contains(key)) {
            flaws.extend(token.check().map(|flaw| flaw.within(&table)));
        }
    }
    let names = config.tokens.iter().map(|token| Some(token.name.clone()));
    flaws.extend(twice("tokens", "name", names, replaced));
    for (idx, feed) in config.feeds.iter().enumerate() {
        let table = format!("feeds[{idx}]");
        flaws.extend(feed.flaws(config).into_iter().map(|flaw| flaw.within(&table)));
    }
    let names = config.feeds.iter().map(|feed| Some(feed.name.to_string()));
    flaws.extend(twice("feeds", "name", names, replaced));
    let sources = config.feeds.iter().map(|feed| Some(&feed.source).filter(|source| source.is_exclusive()));
    let sources = sources.map(|source| source.map(ToString::to_string));
    flaws.extend(twice("feeds", "source", sources, replaced));
    let (n_feeds, most) = (config.feeds.len(), config.limits.feeds);
    if n_feeds > most {
        flaws.push(Flaw::new(
            "feeds",
            format!("{n_feeds} feeds, expected at most {most}, as limits.feeds says"),
        ));
    }
    flaws.retain(|flaw| !replaced.contains(&flaw.key));
    flaws
}

/// Values that may be there once, and are there again.
fn twice(
    list: &str,
    key: &str,
    values: impl Iterator<Item = Option<String>>,
    replaced: &BTreeSet<String>,
) -> Vec<Flaw> {
    let mut first_idx = BTreeMap::new();
    let mut flaws = Vec::new();
    for (idx, value) in values.enumerate() {
        let at = format!("{list}[{idx}].{key}");
        let Some(value) = value else { continue };
        if replaced.contains(&at) || replaced.contains(&format!("{list}[{idx}]")) {
            continue;
        }
        match first_idx.get(&value) {
            Some(first) => {
                let message = format!("{value:?} again, which is the {key} of {list}[{first}]");
                flaws.push(Flaw::new(at, message));
            }
            None => {
                first_idx.insert(value, idx);
            }
        }
    }
    flaws
}

/// What is allowed, but may be meant otherwise: feeds that cannot be told apart by their source.
pub(super) fn doubts(config: &Config) -> Vec<Flaw> {
    let mut seen: BTreeMap<String, &FeedSpec> = BTreeMap::new();
    let mut doubts = Vec::new();
    for (idx, feed) in config.feeds.iter().enumerate() {
        match seen.get(&feed.source.with_secrets()) {
            Some(other) => {
                let message = format!("{} is the source of feed {} too", feed.source, other.name);
                doubts.push(Flaw::new(format!("feeds[{idx}].source"), message));
            }
            None => {
                seen.insert(feed.source.with_secrets(), feed);
            }
        }
    }
    doubts
}

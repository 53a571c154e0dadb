//! Grids: every combination of some values, each a variant. What a grid calls `beam` stands as `{beam}` wherever a server is
//! told something: in its command, environment, configuration, and in the keys of its feeds.

use serde_json::{Map, Value};

use super::section::Flaw;
use super::spec::{CONFIG, LISTEN};
use super::{Scenario, Target, Variant};

/// Most variants of a grid: each is a run of its own.
const N_VARIANTS_MAX: usize = 512;

/// An axis: its name, and what it may be.
pub(super) type Axis = (String, Vec<Value>);

/// Every combination, the last axis first. None where there would be too many, or an axis is empty.
pub(super) fn variants(grid: &[Axis]) -> Vec<Variant> {
    let n_all = grid.iter().try_fold(1_usize, |n, (_, values)| n.checked_mul(values.len()));
    if grid.is_empty() || n_all.is_none_or(|n| n > N_VARIANTS_MAX) {
        return Vec::new();
    }
    let combine = |all: Vec<Vec<(String, Value)>>, (name, values): &Axis| {
        let with = |before: Vec<(String, Value)>| {
            let name = name.clone();
            values.iter().map(move |value| [before.clone(), vec![(name.clone(), value.clone())]].concat())
        };
        all.into_iter().flat_map(with).collect()
    };
    let combinations: Vec<Vec<(String, Value)>> = grid.iter().fold(vec![Vec::new()], combine);
    combinations.into_iter().map(|values| variant(grid, values)).collect()
}

/// Named after what is not the same in all.
fn variant(grid: &[Axis], values: Vec<(String, Value)>) -> Variant {
    let differs = |(_, (_, all)): &(&(String, Value), &Axis)| all.len() > 1;
    let said = values.iter().zip(grid).filter(differs).map(|((name, value), _)| match value {
        Value::String(text) => text.clone(),
        other => format!("{name} {other}"),
    });
    let name = said.collect::<Vec<_>>().join(", ");
    let name = if name.is_empty() { "only".to_owned() } else { name };
    Variant { name, values, ..Variant::default() }
}

/// The server with `values` in place of their names.
pub(super) fn put(target: &mut Target, values: &[(String, Value)]) {
    let put = |text: &str| {
        values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&held(name), &shown(value)))
    };
    target.command.iter_mut().for_each(|word| *word = put(word));
    target.env.values_mut().for_each(|value| *value = put(value));
    target.config = target.config.as_deref().map(put);
    put_feed(&mut target.feed, values);
}

/// What is nothing but a name becomes the value, be it a number or a text.
fn put_feed(feed: &mut Map<String, Value>, values: &[(String, Value)]) {
    for value in feed.values_mut() {
        let Value::String(text) = value else { continue };
        let whole = values.iter().find(|(name, _)| held(name) == *text);
        *value = match whole {
            Some((_, whole)) => whole.clone(),
            None => Value::String(
                values
                    .iter()
                    .fold(text.clone(), |text, (name, value)| text.replace(&held(name), &shown(value))),
            ),
        };
    }
}

fn held(name: &str) -> String {
    format!("{{{name}}}")
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What is wrong with a grid by itself.
pub(super) fn flaws_of(grid: &[Axis]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for (name, values) in grid {
        let key = format!("grid.{name}");
        if [LISTEN, CONFIG].contains(&held(name).as_str()) {
            flaws.push(Flaw::new(key, format!("{} stands for something else already", held(name))));
        } else if values.is_empty() {
            flaws.push(Flaw::new(key, "nothing to be, expected values in brackets"));
        }
    }
    let n_all = grid.iter().fold(1_usize, |n, (_, values)| n.saturating_mul(values.len()));
    if n_all > N_VARIANTS_MAX {
        flaws.push(Flaw::new("grid", format!("{n_all} variants, expected at most {N_VARIANTS_MAX}")));
    }
    flaws
}

/// What of a configuration and of a grid does not reach the server.
pub(super) fn flaws(scenario: &Scenario, flaws: &mut Vec<Flaw>) {
    let target = &scenario.target;
    let commands = scenario.variants.iter().filter_map(|variant| variant.command.as_ref());
    let names_it = |command: &Vec<String>| command.iter().any(|word| word.contains(CONFIG));
    let is_named = commands.chain([&target.command]).any(names_it);
    match &target.config {
        Some(_) if !is_named => {
            flaws.push(Flaw::new("target.config", "nobody reads it, expected {config} in target.command"));
        }
        None if is_named => {
            flaws.push(Flaw::new(
                "target.command",
                "{config} without target.config, which is what lies there",
            ));
        }
        _ => {}
    }
    let mut told: Vec<&str> = target.command.iter().chain(target.env.values()).map(String::as_str).collect();
    told.extend(target.config.as_deref());
    told.extend(target.feed.values().filter_map(Value::as_str));
    // All variants of a grid have the same names.
    let names = scenario.variants.iter().map(|variant| &variant.values).find(|values| !values.is_empty());
    for (name, _) in names.into_iter().flatten() {
        if !told.iter().any(|text| text.contains(&held(name))) {
            let message = format!(
                "{} is nowhere in command, env, config and feed of target: it changes nothing",
                held(name)
            );
            flaws.push(Flaw::new(format!("grid.{name}"), message));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;
    use crate::scenario::Draft;

    const TARGET: &str = "[target]\ncommand = [\"x\", \"{listen}\", \"-c\", \"{config}\", \"--log={z}\"]\nenv = { A = \"{z}\" }\n\
        config = \"model = \\\"{model}\\\"\\nbeam = {beam}\"\nfeed = { priority = \"{beam}\", profile = \"of {model}\" }\n";

    fn read(text: &str) -> Result<Scenario, String> {
        let draft = Draft::parse(Path::new("x"), text).and_then(Draft::finish);
        draft.map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_grid_is_every_combination_in_the_order_of_the_file() {
        let grid = "[grid]\nz = [\"info\"]\nmodel = [\"tiny\", \"base\"]\nbeam = [1, 5]\n";
        let scenario = read(&format!("{TARGET}{grid}")).unwrap();
        let names: Vec<&str> = scenario.variants.iter().map(|variant| variant.name.as_str()).collect();
        assert_eq!(names, ["tiny, beam 1", "tiny, beam 5", "base, beam 1", "base, beam 5"]);
        let last = scenario.with(&scenario.variants[3]).target;
        assert_eq!(last.command, ["x", "{listen}", "-c", "{config}", "--log=info"]);
        assert_eq!(
            (last.env["A"].as_str(), last.config.as_deref()),
            ("info", Some("model = \"base\"\nbeam = 5"))
        );
        assert_eq!((&last.feed["priority"], &last.feed["profile"]), (&5.into(), &"of base".into()));
    }

    #[test]
    fn what_a_grid_does_not_reach_is_told() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(read(text).unwrap_err().lines().collect::<Vec<_>>(), expected, "{text}");
        };
        let all = "[grid]\nz = [1]\nmodel = [1]\nbeam = [1]\n";
        let nowhere =
            "x:10:1: grid.q: {q} is nowhere in command, env, config and feed of target: it changes nothing";
        check(&format!("{TARGET}{all}q = [1, 2]"), &[nowhere]);
        check(
            "[grid]\nlisten = [1]\nb = []\nc = 3\nd = [[1]]",
            &[
                "x:2:1: grid.listen: {listen} stands for something else already",
                "x:3:1: grid.b: nothing to be, expected values in brackets",
                "x:4:1: grid.c: 3, expected an array of texts, numbers, true and false",
                "x:5:1: grid.d: an array, expected a text, a number, true or false",
            ],
        );
        let many = (0..100).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        check(
            &format!("[grid]\na = [{many}]\nb = [{many}]"),
            &["x:1:2: grid: 10000 variants, expected at most 512"],
        );
    }

    #[test]
    fn a_configuration_is_read_by_somebody() {
        let told = |text: &str| read(text).unwrap_err();
        let nobody = "[target]\nconfig = \"\"\ncommand = [\"x\", \"{listen}\"]";
        assert!(told(nobody).contains("2:1: target.config: nobody reads it"));
        let nothing = "[target]\ncommand = [\"x\", \"{listen}\", \"{config}\"]";
        assert!(told(nothing).contains("2:1: target.command: {config} without target.config"));
    }
}

//! The invariants of the house (ARCHITECTURE.md), checked over the source tree and the dependency graph.
//! It lives in `engine` because that crate builds in seconds: `make check` need not wait for the program.
//! Each rule is a function that returns what breaks it, tested beside its definition with input that does.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod graph;
mod licences;
mod rooms;
mod rust_text;
mod shape;
mod tree;

use engine::event::EventKind;
use serde_json::Value;

/// Fails with every offence, one a line.
fn check(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

#[test]
fn crates_depend_only_in_the_drawn_directions() {
    check(&graph::wrong_directions(&graph::metadata()));
}

#[test]
fn only_the_server_depends_on_runtimes_sockets_and_stores() {
    check(&graph::runtimes_outside_server(&graph::metadata()));
}

#[test]
fn every_crate_forbids_unsafe_and_takes_the_workspace_lints() {
    let offences: Vec<String> =
        graph::roots(&graph::metadata()).iter().flat_map(graph::missing_promises).collect();
    check(&offences);
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let deny: Value = parse_toml(&tree::read("deny.toml"));
    let allowed = licences::allowed(&deny);
    assert!(allowed.len() > 5, "deny.toml lists {} licences", allowed.len());
    check(&licences::refused(&graph::metadata(), &allowed));
}

#[test]
fn the_rooms_keep_to_their_trade() {
    let sources = tree::rust_sources();
    assert!(sources.len() > 10, "only {} source files found", sources.len());
    let offences: Vec<String> = sources.iter().flat_map(|(path, text)| rooms::offences(path, text)).collect();
    check(&offences);
}

#[test]
fn files_are_short_documented_and_run_all_their_tests() {
    let sources = tree::rust_sources();
    let offences: Vec<String> = sources.iter().flat_map(|(path, text)| shape::offences(path, text)).collect();
    check(&offences);
}

#[test]
fn no_file_names_the_host_of_a_registry() {
    let offences: Vec<String> =
        tree::texts().iter().flat_map(|(path, text)| tree::registry_hosts(path, text)).collect();
    check(&offences);
}

#[test]
fn operators_repeat_the_bans_of_the_workspace_and_add_the_clocks() {
    let (all, own) =
        (parse_toml(&tree::read("clippy.toml")), parse_toml(&tree::read("operators/clippy.toml")));
    check(&rooms::missing_bans(&all, &own));
    check(&rooms::missing_clock_bans(&own));
}

#[test]
fn the_documentation_lists_every_event_with_its_budget() {
    let kinds: Vec<(&str, Option<u128>)> = EventKind::ALL
        .iter()
        .map(|kind| (kind.name(), kind.budget().map(|budget| budget.duration().as_millis())))
        .collect();
    check(&shape::undocumented_events(&kinds, &tree::read("docs/events.md")));
}

fn parse_toml(text: &str) -> Value {
    toml::from_str(text).expect("valid TOML")
}

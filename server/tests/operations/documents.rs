//! Files of the repository as these tests read them, names of metrics in them, and the unit beside the configuration.

use std::fs;
use std::path::PathBuf;

use server::config::Config;
use server::telemetry::Metric;

/// A file or folder of the repository.
pub(crate) fn path(relative: &str) -> PathBuf {
    PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..").join(relative)
}

/// Its text.
pub(crate) fn read(relative: &str) -> String {
    fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// Names in a PromQL expression that look like ours.
pub(crate) fn names(expr: &str) -> Vec<&str> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = expr.split(|c| !is_of_name(c));
    words.filter(|word| word.starts_with("aircheck_") || word.starts_with("aircheck:")).collect()
}

/// Whether the program tells of it, or the rules that it exports record it.
pub(crate) fn is_known(name: &str, rules: &str) -> bool {
    let of_program = Metric::ALL.into_iter().any(|metric| {
        let rest = name.strip_prefix(metric.name());
        rest.is_some_and(|rest| ["", "_bucket", "_count", "_sum"].contains(&rest))
    });
    of_program || rules.lines().any(|line| line.trim() == format!("- record: {name}"))
}

#[test]
fn names_are_found_and_unknown_ones_are_seen() {
    let expr = "rate(aircheck_lag_seconds{feed=\"a\"}[5m]) > aircheck:stale:bool and up == 1";
    assert_eq!(names(expr), ["aircheck_lag_seconds", "aircheck:stale:bool"]);
    assert!(is_known("aircheck_event_latency_seconds_bucket", ""));
    assert!(is_known("aircheck:stale:bool", "      - record: aircheck:stale:bool\n"));
    assert!(
        !is_known("aircheck_lag_minutes", "")
            && !is_known("aircheck:fresh:bool", "- record: aircheck:stale:bool")
    );
}

#[test]
fn the_page_on_operators_points_at_what_is_there() {
    let page = read("docs/writing-an-operator.md");
    let sources = read("operators/examples/pilot_tone/tone.rs") + &read("operators/tests/laws/pilot_tone.rs");
    let marks: Vec<&str> =
        page.split("`[").skip(1).filter_map(|rest| Some(rest.split_once("]`")?.0)).collect();
    assert!(marks.len() > 5, "{marks:?}");
    for mark in marks {
        assert!(sources.contains(&format!("// [{mark}]\n")), "{mark}");
        assert!(sources.contains(&format!("// [/{mark}]\n")), "{mark} has no end");
    }
}

#[test]
fn unit_container_and_example_configuration_agree() {
    let config = Config::load(&path("deploy/aircheck.toml")).unwrap();
    let (unit, container) = (read("deploy/systemd/aircheck.service"), read("deploy/container/Containerfile"));
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(&format!("{key}="))).unwrap();
    assert_eq!(value("Type"), "notify");
    assert!(value("TimeoutStopSec").parse::<u64>().unwrap() > config.server.drain_secs);
    assert!(
        value("LimitNOFILE").parse::<usize>().unwrap() > config.limits.connections + 2 * config.limits.feeds
    );
    let state = config.state_dir().unwrap();
    assert_eq!(state.to_str().unwrap(), format!("/var/lib/{}", value("StateDirectory")));
    assert!(container.contains(&format!("VOLUME [\"{}\"", state.display())), "{container}");
    assert!(container.contains("\nUSER 10001:10001\n") && container.contains("\"health\"]"), "{container}");
}

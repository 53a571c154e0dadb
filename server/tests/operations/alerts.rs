//! The alerts that are shipped: they are what the program exports, Prometheus takes them, they tell of trouble and of nothing
//! else, and each has a page that says what to do.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use server::config::Config;
use server::slo;

use crate::documents::{is_known, names, path, read};

const PROMISES: &str = "deploy/prometheus/aircheck.rules.yml";
const OPERATIONS: &str = "deploy/prometheus/aircheck-operations.rules.yml";

fn promtool(args: &[&str]) {
    let output = Command::new("promtool")
        .args(args)
        .current_dir(path("deploy/prometheus"))
        .output()
        .expect("promtool is installed (make setup)");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// Alerts of a file, each with what stands between it and the next one.
fn alerts(text: &str) -> Vec<(&str, &str)> {
    let pieces = text.split("- alert: ").skip(1);
    pieces.map(|piece| (piece.lines().next().unwrap(), piece)).collect()
}

#[test]
fn the_promises_are_those_of_the_example_configuration() {
    let config = Config::load(&path("deploy/aircheck.toml")).unwrap();
    assert_eq!(
        read(PROMISES),
        slo::rules(&config),
        "aircheck slo export -c deploy/aircheck.toml > {PROMISES}"
    );
}

#[test]
fn prometheus_takes_them_and_they_open_when_they_should() {
    promtool(&["check", "rules", "aircheck.rules.yml", "aircheck-operations.rules.yml"]);
    promtool(&["test", "rules", "aircheck-operations.test.yml"]);
    let tests = read("deploy/prometheus/aircheck-operations.test.yml");
    for (alert, _) in alerts(&read(OPERATIONS)) {
        assert!(
            tests.contains(&format!("alertname: {alert}\n        exp_alerts:")),
            "{alert} has no test that opens it"
        );
    }
}

#[test]
fn they_ask_for_what_the_program_tells() {
    let (promises, operations) = (read(PROMISES), read(OPERATIONS));
    for line in promises.lines().chain(operations.lines()) {
        let Some((_, expr)) = line.split_once("expr: ") else { continue };
        for name in names(expr) {
            assert!(is_known(name, &promises), "{name} in {line}");
        }
    }
}

#[test]
fn each_alert_has_its_page_and_each_page_its_alert() {
    let (promises, operations) = (read(PROMISES), read(OPERATIONS));
    let mut with_alert = BTreeSet::new();
    for (alert, text) in alerts(&promises).into_iter().chain(alerts(&operations)) {
        assert!(text.contains(&format!("runbook: docs/runbooks/{alert}.md\n")), "{alert}: {text}");
        with_alert.insert(format!("{alert}.md"));
    }
    assert!(with_alert.len() > 10, "{with_alert:?}");
    let entries = fs::read_dir(path("docs/runbooks")).unwrap();
    let pages: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(with_alert, pages);
    for page in &pages {
        let text = read(&format!("docs/runbooks/{page}"));
        let parts = [
            "# Aircheck",
            "## What it means",
            "## What users notice",
            "## How to look",
            "## What to do",
            "## How it ends",
        ];
        for part in parts {
            assert!(text.contains(part), "{page} lacks {part:?}");
        }
    }
}

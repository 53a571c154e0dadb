//! The dashboard: what it draws is there, and Prometheus understands how it asks.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::process::Command;

use engine::event::EventKind;
use serde_json::Value;
use server::telemetry::Metric;

use crate::documents::{is_known, names, read};

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/grafana/aircheck.json")).unwrap()
}

/// Title of each panel with each of its expressions.
fn expressions(dashboard: &Value) -> Vec<(&str, &str)> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels
        .flat_map(|panel| {
            let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
            targets.iter().map(|target| (panel["title"].as_str().unwrap(), target["expr"].as_str().unwrap()))
        })
        .collect()
}

#[test]
fn every_series_is_one_that_the_program_tells_or_a_rule_records() {
    let (dashboard, rules) = (dashboard(), read("deploy/prometheus/aircheck.rules.yml"));
    let expressions = expressions(&dashboard);
    assert!(expressions.len() > 30, "{expressions:?}");
    for (title, expr) in &expressions {
        let names = names(expr);
        assert!(!names.is_empty(), "{title}: {expr}");
        for name in names {
            assert!(is_known(name, &rules), "{title}: {name}");
        }
    }
}

#[test]
fn nothing_that_is_measured_is_left_out() {
    let dashboard = dashboard();
    let drawn: BTreeSet<&str> = expressions(&dashboard).iter().flat_map(|(_, expr)| names(expr)).collect();
    // Others may come before they are drawn; what a station looks at first may not go.
    for metric in [
        Metric::State,
        Metric::Coverage,
        Metric::Lag,
        Metric::GapReason,
        Metric::RecogniserState,
        Metric::VitalState,
    ] {
        assert!(drawn.contains(metric.name()), "{metric:?}");
    }
    let of_latency = format!("{}_bucket", Metric::EventLatency.name());
    assert!(drawn.contains(of_latency.as_str()) && drawn.contains("aircheck:event_budget_seconds"));
}

#[test]
fn prometheus_understands_every_expression() {
    let dashboard = dashboard();
    let kind = EventKind::ALL[0].name();
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for (idx, (_, expr)) in expressions(&dashboard).iter().enumerate() {
        let expr = expr.replace("$__rate_interval", "1m").replace("$feed", ".*").replace("$event", kind);
        assert!(!expr.contains('$'), "{expr}");
        let _ = write!(rules, "      - record: panel:{idx}\n        expr: {}\n", Value::from(expr));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yml");
    fs::write(&file, rules).unwrap();
    let mut checking = Command::new("promtool");
    let output =
        checking.args(["check", "rules"]).arg(&file).output().expect("promtool is installed (make setup)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn panels_have_a_place_and_a_number_of_their_own() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    let places: BTreeSet<String> = panels.iter().map(|panel| panel["gridPos"].to_string()).collect();
    assert_eq!((ids.len(), places.len()), (panels.len(), panels.len()));
}

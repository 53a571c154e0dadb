//! The rules for Prometheus as `promtool` sees them: they are valid, tell of what breaks a promise, and of nothing else.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use server::config::Config;
use server::slo;

const CONFIG: &str = r#"
[slo]
freshness_budget_ms = 2500

[[feeds]]
name = "well"
source = "mount:/well"

[[feeds]]
name = "late"
source = "mount:/late"
budgets_ms = { "transcript.final" = 4321 }
"#;

const BURNS: [(&str, &str, &str); 4] =
    [("page", "1h", "14.4"), ("page", "6h", "6"), ("ticket", "1d", "3"), ("ticket", "3d", "1")];

fn promtool(args: &[&str], folder: &Path) -> String {
    let output = Command::new("promtool")
        .args(args)
        .current_dir(folder)
        .output()
        .expect("promtool is installed (make setup)");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// What `alert` has to be at `minute`: open for the burns at `idxs` with these labels, and for nobody else.
fn expect(out: &mut String, minute: u32, alert: &str, labels: &str, summary: &str, idxs: &[usize]) {
    let _ = write!(out, "      - eval_time: {minute}m\n        alertname: {alert}\n");
    if idxs.is_empty() {
        return;
    }
    out.push_str("        exp_alerts:\n");
    for idx in idxs {
        let (severity, window, rate) = BURNS[*idx];
        let labels = format!("severity: {severity}, window: {window}, {labels}");
        let summary = summary.replace("RATE", rate).replace("WINDOW", window);
        let _ = write!(
            out,
            "          - exp_labels: {{{labels}}}\n            exp_annotations: {{summary: \"{summary}\", runbook: docs/runbooks/{alert}.md}}\n"
        );
    }
}

/// Series of one sample a minute; half an hour of trouble begins after two hours.
const SERIES: [(&str, &str); 12] = [
    // Finals, six a minute. Half of those of one feed are late.
    (r#"aircheck_event_latency_seconds_count{feed="well",event="transcript.final"}"#, "0+6x600"),
    (r#"aircheck_deadlines_missed_total{feed="well",event="transcript.final"}"#, "0x600"),
    (r#"aircheck_event_latency_seconds_count{feed="late",event="transcript.final"}"#, "0+6x600"),
    (r#"aircheck_deadlines_missed_total{feed="late",event="transcript.final"}"#, "0x120 3+3x29 90x450"),
    // So many meters that what happens to finals would not be seen among them.
    (r#"aircheck_event_latency_seconds_count{feed="late",event="meter"}"#, "0+600x600"),
    (r#"aircheck_deadlines_missed_total{feed="late",event="meter"}"#, "0x600"),
    // Two alerts in ten hours, one of them late: half of all, and no reason to get up.
    (r#"aircheck_event_latency_seconds_count{feed="well",event="alert.dead_air"}"#, "0x100 1x25 2x475"),
    (r#"aircheck_deadlines_missed_total{feed="well",event="alert.dead_air"}"#, "0x100 0x25 1x475"),
    // Audio: a feed that started anew with its counts, with a second on its way; and one that lost half of it.
    (r#"aircheck_audio_received_seconds{feed="well"}"#, "1+60x130 1+60x470"),
    (r#"aircheck_audio_analysed_seconds{feed="well"}"#, "0+60x130 0+60x470"),
    (r#"aircheck_audio_received_seconds{feed="late"}"#, "0+60x600"),
    (r#"aircheck_audio_analysed_seconds{feed="late"}"#, "0+60x120 7230+30x29 8130+60x450"),
];

const LAGS: [(&str, &str); 2] = [
    (r#"aircheck_lag_seconds{feed="well"}"#, "2.4x600"),
    (r#"aircheck_lag_seconds{feed="late"}"#, "0.4x120 30x30 0.4x450"),
];

const LATE: (&str, &str) = (
    "feed: late, event: transcript.final",
    "transcript.final events of feed late are later than promised: RATE times what 0.99 allows over WINDOW",
);
const THIN: (&str, &str) = (
    "feed: late",
    "audio of feed late arrives and is not analysed: RATE times what 0.999 allows over WINDOW",
);
const STALE: (&str, &str) = (
    "feed: late",
    "the newest audio of feed late is older than 2500 ms: RATE times what 0.99 allows over WINDOW",
);

fn expectations() -> String {
    let mut text = String::new();
    let of =
        [("AircheckLatencyBurn", LATE), ("AircheckCoverageBurn", THIN), ("AircheckFreshnessBurn", STALE)];
    for (alert, (labels, summary)) in of {
        // Before, in the middle of it, half an hour after its end, and a night later.
        expect(&mut text, 115, alert, labels, summary, &[]);
        expect(&mut text, 145, alert, labels, summary, &[0, 1, 2, 3]);
        expect(&mut text, 185, alert, labels, summary, &[2, 3]);
        expect(&mut text, 590, alert, labels, summary, &[]);
    }
    text
}

#[test]
fn trouble_is_told_while_it_lasts_and_a_feed_that_is_well_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::parse(CONFIG).unwrap();
    fs::write(folder.path().join("rules.yml"), slo::rules(&config)).unwrap();
    promtool(&["check", "rules", "rules.yml"], folder.path());

    let mut tests = String::from(
        "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n",
    );
    for (series, values) in SERIES.iter().chain(&LAGS) {
        let _ = write!(tests, "      - series: '{series}'\n        values: '{values}'\n");
    }
    let _ = write!(tests, "    alert_rule_test:\n{}", expectations());
    tests.push_str(
        "    promql_expr_test:\n      - expr: aircheck:event_budget_seconds{event=\"transcript.final\"}\n        \
         eval_time: 1m\n        exp_samples:\n          \
         - {labels: 'aircheck:event_budget_seconds{event=\"transcript.final\"}', value: 3}\n          \
         - {labels: 'aircheck:event_budget_seconds{event=\"transcript.final\",feed=\"late\"}', value: 4.321}\n",
    );
    fs::write(folder.path().join("tests.yml"), tests).unwrap();
    promtool(&["test", "rules", "tests.yml"], folder.path());
}

#[test]
fn rules_are_exported_from_a_file_or_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("aircheck.toml"), CONFIG).unwrap();
    let export = |args: &[&str]| {
        let output = super::support::aircheck().current_dir(folder.path()).args(args).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let config = Config::parse(CONFIG).unwrap();
    assert_eq!(export(&["slo", "export", "-c", "aircheck.toml"]), (Some(0), slo::rules(&config)));
    assert_eq!(export(&["slo", "export"]), (Some(0), slo::rules(&Config::default())));
    assert_eq!(export(&["slo", "export", "-c", "absent.toml"]), (Some(2), String::new()));
}

//! `aircheck doctor` with the real model, and without one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::Value;
use support::{aircheck, expect, scratch};

#[test]
fn it_checks_the_model_and_says_how_many_feeds_fit() {
    let report: Value = serde_json::from_slice(&expect(0, &["doctor", "--json"]).stdout).unwrap();
    assert_eq!(report["model"]["state"], "ok");
    let number = |name: &str| report["capacity"][name].as_f64().unwrap_or_else(|| panic!("{name}: {report}"));
    assert!(number("watch_no_transcript") > number("watch"), "{report}");
    assert!(number("analyze_times_real_time") > 0.0, "{report}");
    assert!(report["transcript_mb"].as_u64() > report["operators_mb"].as_u64(), "{report}");
    let table = String::from_utf8(expect(0, &["doctor"]).stdout).unwrap();
    assert!(table.contains("feeds of `watch`") && table.contains("/ffmpeg"), "{table}");
}

#[test]
fn without_a_model_it_says_how_to_get_one() {
    let cache = scratch();
    let output = aircheck().arg("doctor").env("XDG_CACHE_HOME", cache.path()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("aircheck models pull tiny.en-q8_0"), "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("not installed") && !stdout.contains("capacity"), "{stdout}");
}

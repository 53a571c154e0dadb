//! `aircheck watch` with several inputs: they share a machine, and what does not fit is refused or told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::Value;
use support::{aircheck, children, events, ffmpeg, of_kind, sample, scratch, words};

/// The events by feed.
fn by_feed(ndjson: &[u8]) -> BTreeMap<String, Vec<Value>> {
    let mut feeds: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in events(ndjson) {
        feeds.entry(event["data"]["feed"].as_str().unwrap().to_owned()).or_default().push(event);
    }
    feeds
}

#[test]
fn feeds_that_share_a_process_hear_what_each_hears_alone() {
    let inputs = ["beckett.wav", "endgame_nagg_nell.wav"].map(sample);
    let output = aircheck().arg("watch").args(&inputs).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr.matches("coverage    100.000 %, 0 gaps").count(), 2, "{stderr}");
    let feeds = by_feed(&output.stdout);
    for input in &inputs {
        let name = input.rsplit('/').next().unwrap();
        let alone = aircheck().args(["watch", input]).output().unwrap();
        assert_eq!(words(&feeds[name]), words(&events(&alone.stdout)), "{name}");
    }
}

#[test]
fn what_does_not_fit_is_refused_with_the_figures_and_the_rest_goes_on() {
    let dir = scratch();
    let silence = dir.path().join("silence.wav");
    ffmpeg(&["-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-t", "2"], &silence);
    let names: Vec<String> = (0..60).map(|idx| format!("f{idx}")).collect();
    let watch = |more: &[&str]| {
        let mut command = aircheck();
        command.args(["watch", "--threads", "1"]).args(more);
        for name in &names {
            command.arg("--feed").arg(name).arg(&silence);
        }
        command.output().unwrap()
    };

    // The last one is important: it comes in although all places are taken.
    let output = watch(&["--important", "f59"]);
    assert_eq!(output.status.code(), Some(1));
    let feeds = by_feed(&output.stdout);
    assert_eq!(feeds.len(), 60);
    let refused: Vec<&String> = feeds
        .iter()
        .filter(|(_, all)| !of_kind(all, "engine.refused").is_empty())
        .map(|(name, _)| name)
        .collect();
    assert!(!refused.is_empty() && refused.len() < 59, "{refused:?}");
    assert!(refused.iter().all(|name| !["f0", "f59"].contains(&name.as_str())), "{refused:?}");
    let reason = of_kind(&feeds[refused[0]], "engine.refused")[0]["data"]["reason"].as_str().unwrap();
    assert!(reason.contains("of a recogniser") && reason.contains("feeds"), "{reason}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(&format!("{} of 60 feeds failed", refused.len())), "{stderr}");
    assert_eq!(stderr.matches("coverage    100.000 %").count(), 60 - refused.len(), "{stderr}");

    let output = watch(&["--admit-all"]);
    assert!(output.status.success());
    assert!(by_feed(&output.stdout).values().all(|all| of_kind(all, "engine.refused").is_empty()));
}

#[test]
fn what_makes_no_sense_is_said_before_anything_starts() {
    let check = |args: &[&str], expected: &str| {
        let output = aircheck().arg("watch").args(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(expected) && stderr.lines().count() == 1, "{args:?}: {stderr}");
    };
    check(&["a.wav", "b.wav", "--feed", "a"], "--feed was given 1 times for 2 inputs");
    check(&["x/a.wav", "y/a.wav"], "x/a.wav and y/a.wav would both be feed a.wav: use --feed");
    check(&["-", "-", "--feed", "a", "--feed", "b"], "there is one stdin");
    check(&["a.wav", "--important", "b"], "--important b: no such feed, expected one of a.wav");
    check(&["a.wav", "b.wav", "--vtt", "c.vtt"], "--vtt is for one feed, 2 were given");
}

#[test]
fn the_death_of_all_recognisers_costs_no_feed_a_word() {
    let input = sample("beckett.wav");
    let mut watching = aircheck()
        .args(["watch", &input, &input, "--feed", "a", "--feed", "b"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(watching.stdout.take().unwrap());
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("aircheck.transcript.final.v1") {
        assert!(stdout.read_until(b'\n', &mut seen).unwrap() > 0, "it ended by itself");
    }
    let recognisers = children(watching.id());
    assert!(!recognisers.is_empty());
    for recogniser in recognisers {
        rustix::process::kill_process(recogniser, rustix::process::Signal::KILL).unwrap();
    }
    stdout.read_to_end(&mut seen).unwrap();
    assert!(watching.wait().unwrap().success());
    let feeds = by_feed(&seen);
    let alone = aircheck().args(["watch", &input]).output().unwrap();
    for name in ["a", "b"] {
        assert_eq!(words(&feeds[name]), words(&events(&alone.stdout)), "{name}");
    }
}

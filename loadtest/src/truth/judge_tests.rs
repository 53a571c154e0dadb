//! Small programmes, what a server told of them, and the exact score. All times in the texts are milliseconds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::testing::{Case, WORD};
use crate::measure::Figure;

/// One round of 20 s, from its start.
fn check(facts: &str, lines: &[&str], expected: &[&str]) {
    Case { round: 20_000, facts, position: 0, from: 0, length: 20_000 }.check(lines, expected);
}

const BRIDGE: &str = "S@1000..3400 the@1000 bridge@1500 is@2000 open@3000";

#[test]
fn told_in_time() {
    let lines = [
        "1900 i1 The@1000 bridge@1500",
        "2900 i1 The@1000 bridge@1500 is@2000",
        "4000 f1 The@1000 bridge@1500 is@2000 open.@3000",
    ];
    let expected = [
        "word.first_seen: 500 0 500 600",
        "word.final: 2600 2100 1600 600",
        "transcript.final: 600",
        "4 said, 3 shown",
    ];
    check(BRIDGE, &lines, &expected);
}

#[test]
fn without_times_it_is_the_same() {
    let lines = ["1900 i1 The bridge", "2900 i1 The bridge is", "4000 f1 The bridge is open."];
    let expected = [
        "word.first_seen: 500 0 500 600",
        "word.final: 2600 2100 1600 600",
        "transcript.final: 600",
        "4 said, 3 shown",
    ];
    check(BRIDGE, &lines, &expected);
    let lines = [
        "1900 i1[1000..1900] The bridge",
        "2900 i1 The bridge is",
        "4000 f1[1000..3500] The bridge is open.",
    ];
    check(BRIDGE, &lines, &[expected[0], expected[1], "transcript.final: 500", expected[3]]);
}

#[test]
fn told_late() {
    let lines = ["7000 f1 The@1000 bridge@1500 is@2000 open.@3000"];
    let expected = [
        "word.first_seen: 5600 5100 4600 3600, 4 late",
        "word.final: 5600 5100 4600 3600",
        "transcript.final: 3600, 1 late",
        "4 said",
    ];
    check(BRIDGE, &lines, &expected);
}

#[test]
fn never_told() {
    let expected = [
        "word.first_seen: never never never never, 4 missing",
        "word.final: never never never never, 4 missing",
        "transcript.final: never, 1 missing",
        "4 said, 4 deleted",
    ];
    check(BRIDGE, &[], &expected);
    let lines = ["1900 i1 The@1000 bridge@1500"];
    let expected = [
        "word.first_seen: 500 0 never never, 2 missing",
        "word.final: never never never never, 4 missing",
        "transcript.final: never, 1 missing",
        "4 said, 4 deleted, 2 shown",
    ];
    check(BRIDGE, &lines, &expected);
}

#[test]
fn wrong_words_are_told_all_the_same() {
    let lines = ["1950 i1 The@1000 fridge@1500", "4000 f1 The@1000 fridge@1500 is@2000 not@2500 open.@3000"];
    let expected = [
        "word.first_seen: 550 50 1600 600",
        "word.final: 2600 2100 1600 600",
        "transcript.final: 600",
        "4 said, 1 substituted, 1 inserted, 2 shown",
    ];
    check(BRIDGE, &lines, &expected);
}

#[test]
fn told_too_early() {
    let lines = ["1350 i1 The@1000 bridge@1500", "4000 f1 The@1000 bridge@1500 is@2000 open.@3000"];
    let expected = [
        "word.first_seen: 0 0 1600 600, 1 early",
        "word.final: 2600 2100 1600 600",
        "transcript.final: 600",
        "4 said, 2 shown",
    ];
    check(BRIDGE, &lines, &expected);
}

#[test]
fn what_is_taken_back_is_seen_again_when_it_is_right() {
    let lines = [
        "1900 i1 The@1000 fridge@1500",
        "2900 i1 The@1000 bridge@1500 is@2000",
        "4000 f1 The@1000 bridge@1500 is@2000 open.@3000",
    ];
    let expected = [
        "word.first_seen: 500 1000 500 600",
        "word.final: 2600 2100 1600 600",
        "transcript.final: 600",
        "4 said, 1 retracted, 4 shown",
    ];
    check(BRIDGE, &lines, &expected);
}

#[test]
fn a_gap_withdraws_the_promise() {
    let lines = [
        "2000 gap overload 1450..2100",
        "2050 gap overload 1450..2100",
        "2100 gap loss 1900..2300",
        "4000 f1 The@1000 open.@3000",
    ];
    let expected = [
        "word.first_seen: 2600 600",
        "word.final: 2600 600",
        "transcript.final: 600",
        "4 said, 2 deleted, 2 in gaps, 850 ms in gaps, 1 x loss, 1 x overload",
    ];
    check(BRIDGE, &lines, &expected);
    check(BRIDGE, &["9000 gap loss 900..3500"], &["4 said, 4 deleted, 4 in gaps, 2600 ms in gaps, 1 x loss"]);
}

#[test]
fn finals_may_come_in_any_order_and_twice() {
    let lines = [
        "4000 f2 is@2000 open.@3000",
        "4100 f1 The@1000 bridge@1500",
        "4200 f1 The@1000 bridge@1500",
        "4300 f2 is@2000 shut.@3000",
    ];
    let expected = [
        "word.first_seen: 2700 2200 1600 900",
        "word.final: 2700 2200 1900 900",
        "transcript.final: 2200 600, 2 duplicate",
        "4 said, 1 substituted",
    ];
    check(BRIDGE, &lines, &expected);
    let untimed = ["2000 i1 The bridge", "3500 i2 is open", "4000 f2 is open.", "4100 f1 The bridge"];
    let expected = [
        "word.first_seen: 600 100 1100 100",
        "word.final: 2700 2200 1600 600",
        "transcript.final: 2200 600",
        "4 said, 4 shown",
    ];
    check(BRIDGE, &untimed, &expected);
}

#[test]
fn words_without_known_times_count_as_words() {
    let facts = "S@1000..3400=the,bridge,is,open";
    let expected = ["transcript.final: 600", "4 said, 1 substituted, 1 deleted"];
    check(facts, &["4000 f1 The@1000 fridge@1500 open.@3000"], &expected);
    check(facts, &["4000 f1[1000..3400] The fridge open"], &expected);
    check(facts, &[], &["transcript.final: never, 1 missing", "4 said, 4 deleted"]);
}

#[test]
fn rounds_follow_one_another() {
    let case = Case { round: 5_000, facts: BRIDGE, position: 1_200, from: 0, length: 11_000 };
    let lines = [
        "300 f1 the@0",
        "3000 f2 bridge@300 is@800 open@1800",
        "8000 f3 the@4800 bridge@5300 is@5800 open@6800",
        "11000 f4 the@9800 bridge@10300",
    ];
    let expected = [
        "word.first_seen: 2300 1800 800 2800 2300 1800 800 800 300",
        "word.final: 2300 1800 800 2800 2300 1800 800 800 300",
        "transcript.final: 0 800 800 300",
        "9 said",
    ];
    case.check(&lines, &expected);
}

#[test]
fn what_begins_before_is_not_expected() {
    let case = Case { round: 5_000, facts: BRIDGE, position: 0, from: 5_000, length: 9_000 };
    let lines = [
        "1000 gap loss 0..4000",
        "3000 f1 nonsense@1000 bridge@1500 more@1900 nonsense@2000",
        "9000 f2 the@6000 bridge@6500 is@7000 open@8000",
    ];
    let expected = [
        "word.first_seen: 2600 2100 1600 600",
        "word.final: 2600 2100 1600 600",
        "transcript.final: 600",
        "4 said",
    ];
    case.check(&lines, &expected);
}

const DEAD: &str = "dead_air@2000..14000";

#[test]
fn alerts_are_told_once_and_in_time() {
    let told = ["12100 open dead_air 2010", "15200 close dead_air 2010..13990"];
    check(DEAD, &told, &["alert.dead_air: 100 200"]);
    check(DEAD, &["12300 open dead_air 2000"], &["alert.dead_air: 300 never, 1 late, 1 missing"]);
    check(DEAD, &["11000 open dead_air 2000", told[1]], &["alert.dead_air: 0 200, 1 early"]);
    check(DEAD, &[told[0], "12200 open dead_air 2000", told[1]], &["alert.dead_air: 100 200, 1 duplicate"]);
    check(DEAD, &[told[0], told[1], "5000 open dead_air 2300"], &["alert.dead_air: 100 200, 1 wrong"]);
    check("", &["5000 open clipping 3000"], &["alert.clipping: , 1 wrong"]);
}

#[test]
fn clipping_may_reach_to_the_pauses_around_it() {
    let told = ["5200 open clipping 4000", "8600 close clipping 4000..8000"];
    check("clipping@5000..7000", &told, &["alert.clipping: 100 100"]);
}

#[test]
fn a_gap_in_what_proves_an_alert_excuses_it() {
    let gap = "9000 gap loss 5000..6000";
    let later = ["16200 open dead_air 6000", "15200 close dead_air 6000..14000"];
    let counts = "1000 ms in gaps, 1 x loss";
    check(DEAD, &[gap], &[counts]);
    check(DEAD, &[gap, later[0], later[1]], &["alert.dead_air: 200", counts]);
    let words_only = "9000 gap recogniser_failed 5000..6000";
    let counts = "1000 ms in gaps, 1 x recogniser_failed";
    check(DEAD, &[words_only], &["alert.dead_air: never never, 2 missing", counts]);
}

#[test]
fn a_gap_told_late_counts_against_coverage() {
    let case = Case { round: 60_000, facts: "", position: 0, from: 0, length: 60_000 };
    let lines = ["50000 gap loss 4000..6000", "51000 gap loss 5000..7000"];
    case.check(&lines, &["3000 ms in gaps, 2 x loss"]);
}

#[test]
fn an_end_closes_what_is_open() {
    let case = Case { round: 60_000, facts: "dead_air@2000..40000", position: 0, from: 0, length: 20_000 };
    let lines = ["12100 open dead_air 2000", "20100 close dead_air 2000..20000"];
    case.check(&lines, &["alert.dead_air: 100"]);
    case.check(
        &["12100 open dead_air 2000", "17100 close dead_air 2000..17000"],
        &["alert.dead_air: 100, 1 wrong"],
    );
    let cut = Case { position: 5_000, ..case };
    let late = Case { from: 4_000, ..cut };
    late.check(&["3000 open clipping 3900"], &[]);
    cut.check(&["10100 open dead_air 0", "20100 close dead_air 0..20000"], &[]);
}

/// A thousand words, each told with a delay of its own: the delays come out as they went in.
#[test]
fn injected_delays_are_measured_exactly() {
    let mut seed = 7_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let n_words = 50;
    let facts: Vec<String> = (0..n_words).map(|n| format!("w{}@{}", n % 23, 500 * n)).collect();
    let (mut lines, mut seen, mut final_) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..1_000 {
        let (start, first, last) = (500 * n, random(3_000), 3_000 + random(5_000));
        let word = format!("w{}@{start}", n % n_words % 23);
        lines.push(format!("{} i{n} {word}", start + WORD + first));
        lines.push(format!("{} f{n} {word}", start + WORD + last));
        seen.push(first);
        final_.push(last);
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let case = Case { round: 500 * n_words, facts: &facts.join(" "), position: 0, from: 0, length: 500_000 };
    for step in [1_000, 60_000, 10_000_000] {
        let verdict = case.verdict(&lines, step);
        for (figure, delays) in [(Figure::WordFirstSeen, &seen), (Figure::WordFinal, &final_)] {
            let measured = verdict.points.iter().filter(|point| point.figure == figure);
            let measured: Vec<u64> =
                measured.map(|point| point.latency.unwrap().as_millis() as u64).collect();
            assert_eq!(&measured, delays, "{figure:?} in steps of {step} ms");
            // The histogram keeps three digits.
            let mut sorted = delays.clone();
            sorted.sort_unstable();
            let (p99, exact) = (verdict.score.figures[&figure].0.quantile(0.99).unwrap(), sorted[989]);
            assert!(p99.as_millis().abs_diff(u128::from(exact)) <= u128::from(exact / 1_000 + 1));
        }
        assert_eq!(verdict.score.words.error_rate(), 0.0);
    }
}

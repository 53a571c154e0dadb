//! Feeds in trouble: audio that is cut, lost, late or noise. All times in the texts are milliseconds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::budget::Budgets;
use engine::time::{MediaTime, Span};

use super::Judge;
use super::testing::{Case, ms, programme};
use crate::pace::Anchor;

/// One round of 20 s, from its start.
fn check(facts: &str, lines: &[&str], expected: &[&str]) {
    Case { round: 20_000, facts, position: 0, from: 0, length: 20_000 }.check(lines, expected);
}

/// Played to 6 s, and after a stall from 10 s on: without 7 s, with halves of the words at 5.8 s and 9.8 s.
const CUT: &str = "S@1000..3400 a@1000 b@2000 c@3000 S@5800..7400 d@5800 e@7000 f@9800 g@11000 S@9800..11400";
const COUNTED: &str = "10000 leg 6000 4000 4000";

#[test]
fn what_a_counted_stall_cuts_is_not_expected() {
    let lines = [
        "3500 f1 a@1000 b@2000 c@3000",
        COUNTED,
        "10500 f2 dort@5800 nonsense@6200",
        "11600 f3 g@7000",
        "23500 f4 a@17000 b@18000 c@19000",
    ];
    let expected = [
        "word.first_seen: 2100 1100 100 200 2100 1100 100",
        "word.final: 2100 1100 100 200 2100 1100 100",
        "transcript.final: 100 200 100",
        "7 said",
    ];
    check(CUT, &lines, &expected);
    let expected = [
        "word.first_seen: never never never never never never never, 7 missing",
        "word.final: never never never never never never never, 7 missing",
        "transcript.final: never never, 2 missing",
        "7 said, 7 deleted",
    ];
    check(CUT, &[COUNTED], &expected);
}

#[test]
fn far_from_a_cut_wrong_words_are_wrong() {
    let lines = [COUNTED, "12000 f1 g@7000 nonsense@7500", "12500 f2 nonsense@8000"];
    let expected =
        ["word.first_seen: 600", "word.final: 600", "transcript.final: 100 100", "1 said, 2 inserted"];
    check("g@11000", &lines, &expected);
}

#[test]
fn silence_on_both_sides_of_a_cut_is_one() {
    let facts = "dead_air@2000..12500 dead_air@16000..31000";
    let case = Case { round: 60_000, facts, position: 0, from: 0, length: 25_000 };
    let stall = "18000 leg 8000 10000 10000";
    case.check(&[stall, "22100 open dead_air 2000", "32200 close dead_air 2000..21000"], &[]);
    let again = ["22200 open dead_air 2000", "22300 open dead_air 2000", "30500 open clipping 20000"];
    case.check(&[stall, again[0], again[1], again[2]], &["alert.clipping: , 1 wrong"]);
    let short = Case { facts: "", ..case };
    short.check(&[stall, "24100 open dead_air 4000", "28000 close dead_air 4000..17000"], &[]);
}

#[test]
fn an_alert_that_a_stall_skips_is_not_expected() {
    let facts = "clipping@9000..9500 dead_air@25000..40000";
    let case = Case { round: 60_000, facts, position: 0, from: 0, length: 14_000 };
    case.check(&["16000 leg 6000 10000 10000"], &[]);
    case.check(&[], &["alert.clipping: never never, 2 missing"]);
}

#[test]
fn an_alert_that_is_proven_before_a_cut_is_expected() {
    let case = Case { round: 60_000, facts: "dead_air@2000..14000", position: 0, from: 0, length: 25_000 };
    let stall = "20500 leg 13500 7000 7000";
    let told = "12100 open dead_air 2000";
    case.check(&[told, stall, "20600 close dead_air 2000..13500"], &["alert.dead_air: 100"]);
    case.check(&[stall], &["alert.dead_air: never, 1 missing"]);
}

#[test]
fn what_a_stitched_stall_loses_is_not_expected() {
    let facts = "a@1000 d@5800 e@7000 f@17900 g@19000";
    let case = Case { round: 30_000, facts, position: 0, from: 0, length: 30_000 };
    let lines = [
        "1500 f1 a@1000",
        "16100 open dead_air 6000",
        "18000 lost 6000..18000",
        "18500 gap loss 5900..18000",
        "18600 f2 hiss@17500",
        "19100 close dead_air 6000..18050",
        "19600 f3 g@19000",
    ];
    let expected = [
        "word.first_seen: 100 200",
        "word.final: 100 200",
        "transcript.final: 100 200",
        "2 said, 100 ms in gaps, 1 x loss",
    ];
    case.check(&lines, &expected);
    case.check(
        &["18000 lost 6000..18000", "25000 open dead_air 21000"],
        &[
            "word.first_seen: never never, 2 missing",
            "word.final: never never, 2 missing",
            "alert.dead_air: , 1 wrong",
            "2 said, 2 deleted",
        ],
    );
}

#[test]
fn garbage_is_no_audio() {
    let lines = ["1500 f1 a", "6000 lost 6000..8000", "8100 f2 hiss hiss", "12600 f3 g"];
    let expected = ["word.first_seen: 100 200", "word.final: 100 200", "transcript.final: 100 200"];
    let with = |words| [expected[0], expected[1], expected[2], words];
    check("a@1000 e@7000 g@12000", &lines, &with("2 said"));
    check("a@1000 g@12000", &[lines[0], lines[2], lines[3]], &with("2 said, 2 inserted"));
}

#[test]
fn a_burst_counts_from_when_it_was_let_go() {
    let lines = [
        "1500 f1 a@1000",
        "4000 i2 b@3000",
        "5000 leg 2000 0 0 5000",
        "5000 leg 5000 0 0",
        "5300 f2 b@3000",
        "6500 f3 c@6000",
    ];
    let expected = [
        "word.first_seen: 100 0 100, 1 early",
        "word.final: 100 300 100",
        "transcript.final: 100 300 100",
        "3 said, 1 shown",
    ];
    check("a@1000 b@3000 c@6000", &lines, &expected);
}

/// A thousand legs, each a millisecond later than the one before.
#[test]
fn drift_cuts_nothing_and_is_no_latency() {
    let facts: Vec<String> = (0..40).map(|n| format!("w{n}@{}", 500 * n)).collect();
    let mut lines: Vec<(u64, String)> =
        (1..1_000).map(|n| (101 * n, format!("{} leg {} 0 {n}", 101 * n, 100 * n))).collect();
    for n in 0..200 {
        // The word ends in leg 5 n + 3.
        let told = 500 * n + 400 + 5 * n + 3 + 77;
        lines.push((told, format!("{told} f{n} w{}@{}", n % 40, 500 * n)));
    }
    lines.sort();
    let lines: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
    let case = Case { round: 20_000, facts: &facts.join(" "), position: 0, from: 0, length: 100_000 };
    let each = vec!["77"; 200].join(" ");
    let figure = |name| format!("{name}: {each}");
    let [seen, finals, transcript] = ["word.first_seen", "word.final", "transcript.final"].map(figure);
    case.check(&lines, &[&seen, &finals, &transcript, "200 said"]);
}

#[test]
fn a_leg_that_is_told_too_late_changes_nothing_that_was_judged() {
    let facts: Vec<String> = (0..20).map(|n| format!("w{n}@{}", 1_000 * n)).collect();
    let case = Case { round: 20_000, facts: &facts.join(" "), position: 0, from: 0, length: 60_000 };
    // By then 24 s are judged, which had 24 words; of the second behind nothing is expected.
    let verdict = case.verdict(&["40000 leg 6000 500 0"], 1_000);
    assert_eq!(verdict.score.words.n_said, 24 + 35);
    assert_eq!(verdict.score.coverage.sent, Duration::from_secs(60));
}

#[test]
fn nothing_is_expected_before_the_first_leg() {
    let zero = Instant::now();
    let mut judge = Judge::new(Arc::new(programme(20_000, "a@1000 b@3000 c@5000")), Budgets::default());
    assert_eq!(judge.judge(judge.due_by(zero)).score.words.n_said, 0);
    judge.lost(Span::new(MediaTime::ZERO, ms(2_500)));
    judge.leg(ms(2_500), Anchor::new(zero, MediaTime::ZERO));
    let verdict = judge.finish(ms(10_000));
    assert_eq!((verdict.score.words.n_said, verdict.points[0].due), (1, zero + Duration::from_millis(5_400)));
    assert_eq!(verdict.score.coverage.sent, Duration::from_millis(7_500));
}

/// Each tenth of a second something is left out and something is lost.
#[test]
fn memory_is_bounded() {
    let zero = Instant::now();
    let mut judge = Judge::new(Arc::new(programme(20_000, CUT)), Budgets::default());
    let mut sizes = Vec::new();
    for n in 0..20_000 {
        judge.leg(ms(100 * n), Anchor::new(zero, ms(50 * n % 20_000)));
        judge.lost(Span::new(ms(100 * n), ms(100 * n + 20)));
        if n % 100 == 0 {
            let _verdict = judge.judge(ms((100 * n).saturating_sub(15_000)));
        }
        if n % 5_000 == 4_999 {
            sizes.push(format!("{judge:?}").len() as f64);
        }
    }
    assert!(sizes[3] < 1.01 * sizes[1], "{sizes:?}");
}

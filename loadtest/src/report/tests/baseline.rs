//! Comparing reports: what is a regression and what is noise.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::synthetic;
use crate::measure::{Latencies, Sample};
use crate::report::baseline::{Change, compare, parse_allowed, ranks};
use crate::report::{Distribution, Report};

fn find(changes: &[Change], name: &str) -> Change {
    changes.iter().find(|change| change.name == name).unwrap().clone()
}

/// A report whose `word.final` took what `ms` says of second and number, 100 a second for 60 s.
fn report(ms: impl Fn(u64, u64) -> f64) -> Report {
    let mut run = synthetic::measurement(1, 2, 60);
    let mut all = Latencies::new();
    run.series = (0..60)
        .map(|second| {
            let mut latencies = Latencies::new();
            (0..100).for_each(|n| latencies.record(Duration::from_secs_f64(ms(second, n) / 1e3)));
            all.merge(&latencies);
            Sample { at: Duration::from_secs(second), latencies: vec![("word.final".to_owned(), latencies)] }
        })
        .collect();
    let mut report = Report::from(&synthetic::context(), &[run]).unwrap();
    report.figures.retain(|figure| figure.name == "word.final");
    report.figures[0].latency = Distribution::from(&all);
    report
}

/// Even between 500 and 1 500 ms, differently mixed by seed.
fn even(seed: u64) -> impl Fn(u64, u64) -> f64 {
    move |second, n| {
        let mut random = synthetic::Random(seed * 1_000_003 + second * 1_009 + n);
        500.0 + 1_000.0 * random.share()
    }
}

#[test]
fn the_same_is_no_regression() {
    let changes = compare(&report(even(1)), &report(even(1)), 0.0);
    assert_eq!(changes.len(), 3 + 2);
    assert!(changes.iter().all(|change| change.worse_by == 0.0 && !change.regressed), "{changes:?}");
}

#[test]
fn chance_is_no_regression_and_a_fifth_slower_is() {
    let before = report(even(1));
    for seed in 2..12 {
        let changes = compare(&before, &report(even(seed)), 0.0);
        assert!(changes.iter().all(|change| !change.regressed), "{seed}: {changes:?}");
    }
    let slower = |second, n| even(2)(second, n) * 1.2;
    let changes = compare(&before, &report(slower), 0.1);
    for name in ["word.final:p50", "word.final:p95", "word.final:p99"] {
        let change = find(&changes, name);
        assert!(change.regressed && (change.worse_by - 0.2).abs() < 0.06, "{change:?}");
    }
    assert!(compare(&before, &report(slower), 0.3).iter().all(|change| !change.regressed));
    assert!(
        compare(&report(slower), &before, 0.1).iter().all(|change| !change.regressed),
        "faster is better"
    );
}

/// The same hundred latencies all second long: sixty independent facts, not six thousand.
#[test]
fn facts_that_come_together_count_less() {
    let bound = |seed: u64| move |second: u64, _: u64| even(seed)(second, 0);
    let n_regressed = |of: &dyn Fn(u64) -> Report| {
        let pairs = (1..=10_u64).map(|seed| (of(seed), of(seed + 100)));
        pairs
            .filter(|(before, after)| compare(before, after, 0.0).iter().any(|change| change.regressed))
            .count()
    };
    assert_eq!(n_regressed(&|seed| report(bound(seed))), 0);
    let lumps = |seed: u64| {
        let mut report = report(bound(seed));
        report.series.clear();
        report
    };
    let naive = (1..=10_u64).filter(|seed| {
        let (before, after) = (lumps(*seed), lumps(seed + 100));
        compare(&before, &after, 0.0).iter().any(|change| change.regressed)
    });
    assert!(naive.count() > 0, "without the blocks chance looks like a regression");
}

#[test]
fn what_goes_missing_is_a_regression() {
    let before = report(even(1));
    let mut after = before.clone();
    after.figures.clear();
    after.words.error_rate = None;
    after.coverage.ratio = None;
    let changes = compare(&before, &after, 0.1);
    assert!(changes.len() == 5 && changes.iter().all(|change| change.regressed), "{changes:?}");
}

#[test]
fn never_coming_is_infinitely_worse() {
    let before = report(even(1));
    let mut after = before.clone();
    let mut latencies = before.figures[0].latency.latencies().unwrap();
    (0..900).for_each(|_| latencies.record_never());
    after.figures[0].latency = Distribution::from(&latencies);
    let change = find(&compare(&before, &after, 0.1), "word.final:p95");
    assert!(change.regressed && change.after.is_infinite() && change.before.is_finite(), "{change:?}");
    let both = find(&compare(&after, &after, 0.0), "word.final:p95");
    assert!(!both.regressed && both.worse_by == 0.0, "{both:?}");
}

#[test]
fn shares_and_capacity_have_floors() {
    let mut before = synthetic::report(1, 8, 300);
    before.gaps = [("overload".to_owned(), 10_000)].into();
    let check = |name: &str, change: &dyn Fn(&mut Report), expected: bool| {
        let mut after = before.clone();
        change(&mut after);
        let change = find(&compare(&before, &after, 0.0), name);
        assert_eq!(change.regressed, expected, "{change:?}");
    };
    let coverage = |ratio: f64, n_gaps: u64| {
        move |report: &mut Report| {
            report.coverage.ratio = Some(ratio);
            report.gaps = [("overload".to_owned(), n_gaps)].into();
        }
    };
    check("coverage", &coverage(0.9965, 10_000), false);
    check("coverage", &coverage(0.97, 1), false);
    check("coverage", &coverage(0.97, 100), true);
    let rate = |by: f64, said: u64| {
        move |report: &mut Report| {
            report.words.error_rate = report.words.error_rate.map(|rate| rate + by);
            report.words.said = said;
        }
    };
    check("error_rate", &rate(0.004, 3_893), false);
    check("error_rate", &rate(0.02, 3_893), true);
    before.words.said = 1_000_000_000;
    let mut after = before.clone();
    rate(0.0005, before.words.said)(&mut after);
    assert!(!find(&compare(&before, &after, 0.0), "error_rate").regressed);
    let searched = Report { capacity: Some(40), ..before.clone() };
    let capacity =
        |n| find(&compare(&searched, &Report { capacity: n, ..before.clone() }, 0.0), "capacity").regressed;
    assert_eq!([Some(41), Some(38), Some(37), None].map(capacity), [false, false, true, true]);
}

/// Hahn and Meeker, table A.15: n = 100, median: ranks 40 and 61 (95 %). By hand: 0.99^299 > 0.025, so p99 of 299 facts has
/// no upper rank, and 0.99^368 < 0.025, so that of 368 has.
#[test]
fn ranks_enclose_the_percentile() {
    assert_eq!(ranks(100, 0.5), (40, 61));
    assert_eq!(ranks(299, 0.99).1, 300);
    assert_eq!(ranks(368, 0.99).1, 368);
    assert_eq!(ranks(1, 0.5), (0, 2));
    let (lower, upper) = ranks(1_000_000, 0.95);
    // Normal approximation: 950 000 +- 1.96 * 218.
    assert!(lower.abs_diff(949_573) < 5 && upper.abs_diff(950_428) < 5, "{lower} {upper}");
}

#[test]
fn allowed_is_a_percentage() {
    assert_eq!((parse_allowed("10%"), parse_allowed(" 2.5 % ")), (Ok(0.1), Ok(0.025)));
    for wrong in ["10", "-1%", "%", "x%", "inf%", "NaN%"] {
        assert!(parse_allowed(wrong).is_err(), "{wrong}");
    }
}

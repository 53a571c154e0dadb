//! The page as a whole.

#![allow(clippy::unwrap_used)]

use super::{frontier_page, page};
use crate::measure::Measurement;
use crate::report::tests::synthetic;
use crate::report::{Context, Frontier, FrontierVersion, Point, Report};

/// A search with a knee, with marks, stages and resources.
fn search() -> Report {
    let ns = [4, 8, 16, 12, 10, 10];
    let runs: Vec<Measurement> = ns.iter().map(|n| synthetic::measurement(5, *n, 20)).collect();
    let judged = |n: usize| {
        vec![synthetic::objective("transcript.final:p95", n <= 10), synthetic::objective("coverage", true)]
    };
    let mut context = synthetic::context();
    context.mode = "find-max".to_owned();
    context.judged = ns.into_iter().map(judged).collect();
    context.capacity = Some(10);
    Report::from(&context, &runs).unwrap()
}

/// Each element is closed in order; what is never closed is named.
fn check_tags(html: &str) {
    const VOID: [&str; 2] = ["meta", "!doctype"];
    let mut open: Vec<&str> = Vec::new();
    let outside = |html: &str, tag: &str| {
        let (start, end) =
            (html.find(&format!("<{tag}>")).unwrap(), html.find(&format!("</{tag}>")).unwrap());
        format!("{}{}", &html[..start], &html[end + tag.len() + 3..])
    };
    let html = outside(&outside(html, "style"), "script");
    for part in html.split('<').skip(1) {
        let (tag, _) = part.split_once('>').unwrap();
        let name = tag.split_whitespace().next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{part}");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert_eq!(open, [""; 0]);
}

#[test]
fn the_page_is_whole_and_asks_nobody() {
    for report in [synthetic::report(1, 8, 60), search()] {
        let html = page(&report);
        check_tags(&html);
        for asks in [
            "src=",
            "href=",
            "url(",
            "@import",
            "http-equiv=\"refresh",
            "style=\"",
            "onclick=\"",
            "NaN",
            "inf",
        ] {
            let html = html.replace("\"infinite ", "");
            let found = html.find(asks).map(|at| &html[at.saturating_sub(60)..at + 20]);
            assert!(found.is_none() || asks == "inf" && html[..].contains(".infinite"), "{asks}: {found:?}");
        }
        assert!(html.contains("default-src 'none'"));
    }
}

#[test]
fn names_of_others_are_text() {
    let mut report = search();
    let evil = "<img src=x onerror=alert(1)>\"'";
    report.scenario = evil.to_owned();
    report.mode = evil.to_owned();
    report.target.kind = evil.to_owned();
    report.target.address = evil.to_owned();
    report.machine.cpu = evil.to_owned();
    report.machine.kernel = evil.to_owned();
    report.versions.model = Some(evil.to_owned());
    report.versions.commit = Some(evil.to_owned());
    report.versions.target = Some(evil.to_owned());
    report.versions.loadtest = evil.to_owned();
    report.objectives.iter_mut().for_each(|objective| objective.name = format!("{evil}:p95"));
    report.objectives.iter_mut().for_each(|objective| objective.operator = evil.to_owned());
    report.figures[0].name = evil.to_owned();
    report.gaps.insert(evil.to_owned(), 1);
    report.marks[0].what = evil.to_owned();
    report.stages[0].name = evil.to_owned();
    report.steps[0].missed = vec![evil.to_owned()];
    report.steps[0].met = false;
    let latency = report.series[0].latency["word.final"].clone();
    report.series[0].latency.insert(evil.to_owned(), latency);
    let html = page(&report);
    check_tags(&html);
    assert!(!html.contains("<img") && html.matches("&lt;img").count() > 15);
}

#[test]
fn five_minutes_of_eight_feeds_fit() {
    let html = page(&synthetic::report(1, 8, 300));
    assert!(html.len() <= 2_000_000, "{} bytes", html.len());
    assert!(html.len() > 50_000, "{} bytes: something is missing", html.len());
}

#[test]
fn what_is_missing_leaves_no_hole() {
    let mut report = synthetic::report(1, 1, 5);
    assert!(page(&report).contains("Stages of the server") && page(&report).contains("What the server took"));
    report.stages.clear();
    report.resources.clear();
    report.marks.clear();
    report.series.clear();
    report.objectives.clear();
    report.figures.clear();
    let html = page(&report);
    check_tags(&html);
    for gone in ["Stages of the server", "What the server took", "Latency over time", "id=\"percentile-t\""] {
        assert!(!html.contains(gone), "{gone}");
    }
}

#[test]
fn verdict_and_numbers_are_told() {
    let html = page(&search());
    for told in [
        "All 2 objectives were met",
        "capacity: 10 feeds",
        "10 feeds",
        "find-max",
        "AMD EPYC 9B14",
        "tiny.en-q8_0",
        "0a442b6",
    ] {
        assert!(html.contains(told), "{told}");
    }
    let mut missed = search();
    missed.verdict = crate::report::Verdict::Missed;
    missed.objectives[0].met = false;
    assert!(page(&missed).contains("1 of 2 objectives missed"));
}

/// Twelve troubles, objectives missed in every way.
fn chaos() -> Report {
    let mut report = synthetic::report(7, 8, 240);
    report.mode = "chaos".to_owned();
    report.verdict = crate::report::Verdict::Missed;
    let trouble = |n: u32| crate::report::Mark {
        at_s: 15.0 + 18.0 * f64::from(n),
        length_s: f64::from(n % 4) * 3.0,
        what: format!("trouble {n} on 3 feeds"),
    };
    report.marks = (0..12).map(trouble).collect();
    let objective = |name: &str, met| synthetic::objective(name, met);
    report.objectives.extend([objective("word.final:p99", false), objective("word.first_seen?:p95", true)]);
    let mut never = objective("transcript.final:p99.9", false);
    (never.measured, never.bound) = (None, 5_000.0);
    let mut absent = objective("alert.clipping?:p99", true);
    absent.measured = None;
    let mut count = objective("alert.dead_air?:missing", false);
    (count.unit, count.operator, count.bound, count.measured) =
        (crate::report::Unit::Count, "==".to_owned(), 0.0, Some(3.0));
    report.objectives.extend([never, absent, count]);
    report
}

/// A grid in which cheap is fast, exact is dear, and some are beaten.
fn frontier() -> Frontier {
    let mut variants = Vec::new();
    for (which, model) in (0..).zip(["tiny.en-q8_0", "tiny.en-f16", "base-q8_0", "base-f16"]) {
        for (better, beam) in [(0.0, 1), (1.0, 5)] {
            for (rarer, partial_ms) in [(0.0, 1_000), (1.0, 2_000)] {
                let (large, wide) = (f64::from(which / 2), f64::from(which % 2));
                variants.push(Point {
                    variant: format!("{model}, beam {beam}, partial_ms {partial_ms}"),
                    values: [
                        ("model", model.into()),
                        ("beam", beam.into()),
                        ("partial_ms", partial_ms.into()),
                    ]
                    .map(|(axis, value): (&str, serde_json::Value)| (axis.to_owned(), value))
                    .into(),
                    n_feeds: 2,
                    error_rate: Some(0.061 - 0.021 * large - 0.002 * better + 0.0007 * wide),
                    word_first_seen_p95_s: Some(
                        1.15 + 0.7 * large + 0.25 * better + 0.9 * rarer + 0.02 * wide,
                    ),
                    final_p95_s: Some(0.7 + large),
                    coverage: Some(1.0),
                    feeds_per_core: Some(
                        (7.0 - 3.5 * large + 2.0 * rarer) / (1.0 + 0.6 * better + 0.1 * wide),
                    ),
                    failure: (large + better > 1.5)
                        .then(|| "objectives missed: coverage>=0.99: 0.93".to_owned()),
                    ..Point::default()
                });
            }
        }
    }
    variants.push(Point {
        variant: "base-f16, beam 8".to_owned(),
        values: [("model".to_owned(), "base-f16".into())].into(),
        failure: Some("429 Too Many Requests: no room".to_owned()),
        ..Point::default()
    });
    let Context { scenario, machine, versions, started_at, .. } = synthetic::context();
    let (schema, mode) = (FrontierVersion::V1, "run".to_owned());
    Frontier { schema, scenario, mode, machine, versions, started_at, variants }.judged()
}

#[test]
fn a_frontier_draws_two_and_two_and_says_who_is_best() {
    let frontier = frontier();
    let html = frontier_page(&frontier);
    check_tags(&html);
    assert!(!html.contains("NaN") && !html.contains("\"inf"));
    // The one without numbers is only in the table.
    assert_eq!(html.matches("<circle class=\"dot s0").count(), 3 * 4 + 3);
    assert_eq!(html.matches("<circle").count(), 3 * (16 + 4));
    assert_eq!(
        html.matches(" \u{2605}</td>").count(),
        frontier.variants.iter().filter(|point| point.is_best).count()
    );
    assert!(html.contains("1 \u{2605}</td>") && !html.contains("16 \u{2605}</td>"));
    assert!(html.contains("model tiny.en-f16") && html.contains("429 Too Many Requests"));

    let mut evil = frontier;
    evil.scenario = "<img src=x>".to_owned();
    evil.variants[0].variant = "<img src=x>".to_owned();
    evil.variants[1].values.insert("model".to_owned(), "<img src=x>".into());
    evil.variants[1].failure = Some("<img src=x>".to_owned());
    let html = frontier_page(&evil);
    check_tags(&html);
    assert!(!html.contains("<img"));

    evil.variants.clear();
    assert!(frontier_page(&evil).contains("No variant met its objectives"));
}

/// Left in AIRCHECK_PAGES, where that is set, to be looked at in a browser.
#[test]
fn a_page_can_be_drawn_again_from_what_was_left() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("AIRCHECK_PAGES").map_or_else(|| scratch.path().to_owned(), Into::into);
    for (name, report) in [("run", synthetic::report(1, 8, 300)), ("search", search()), ("chaos", chaos())] {
        let folder = folder.join(name);
        crate::report::leave(&report, &folder).unwrap();
        let read = Report::read(&folder.join("report.json")).unwrap();
        assert_eq!(page(&read), std::fs::read_to_string(folder.join("report.html")).unwrap());
    }
    let left = frontier();
    let read: Frontier = serde_json::from_str(&left.to_json()).unwrap();
    assert_eq!(read, left);
    std::fs::write(folder.join("frontier.html"), frontier_page(&read)).unwrap();
}

//! The live view and the tables, as text.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::synthetic;
use crate::mode::Progress;
use crate::report::baseline::compare;
use crate::report::terminal::{Live, Style, comparison, table};
use crate::report::{Report, Verdict};

const PLAIN: Style = Style { columns: None, colours: false };

fn progress(secs: u64) -> Progress {
    let run = synthetic::measurement(1, 8, 60);
    Progress {
        at: Duration::from_secs(secs),
        of: Duration::from_secs(300),
        n_feeds: 8,
        score: run.score,
        generator: run.generator,
    }
}

fn told(style: Style, seconds: &[u64]) -> String {
    let mut out = Vec::new();
    let mut live = Live::new(&mut out, style);
    seconds.iter().for_each(|secs| live.tell(&progress(*secs)).unwrap());
    String::from_utf8(out).unwrap()
}

/// What a terminal shows in the end: knows the two sequences that the view uses.
fn shown(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    let mut rest = text;
    while !rest.is_empty() {
        if let Some((n, after)) = rest.strip_prefix("\u{1b}[").and_then(|rest| rest.split_once("F\u{1b}[J")) {
            let kept = lines.len() - 1 - n.parse::<usize>().unwrap();
            lines.truncate(kept);
            lines.push(String::new());
            rest = after;
        } else {
            let c = rest.chars().next().unwrap();
            if c == '\n' {
                lines.push(String::new())
            } else {
                lines.last_mut().unwrap().push(c)
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    lines.pop();
    lines
}

#[test]
fn a_terminal_shows_the_last_view_only() {
    let style = Style { columns: Some(100), colours: false };
    let lines = shown(&told(style, &[1, 2, 150]));
    assert_eq!(lines.len(), 1 + 1 + 4 + 1, "{lines:#?}");
    assert!(lines[0].contains("2:30 / 5:00  8 feeds"), "{lines:#?}");
    assert_eq!(lines[0].matches('\u{2588}').count(), lines[0].matches('\u{2591}').count(), "half is done");
    assert!(lines.iter().any(|line| line.contains("transcript.final")));
    assert!(lines[6].contains("coverage 99.70 %"), "{lines:#?}");
}

#[test]
fn no_line_wraps() {
    for columns in [1, 20, 40, 79, 200] {
        let lines = shown(&told(Style { columns: Some(columns), colours: false }, &[10, 20]));
        assert!(lines.iter().all(|line| line.chars().count() <= columns), "{columns}: {lines:#?}");
    }
}

#[test]
fn a_log_gets_a_line_every_ten_seconds_and_at_each_new_run() {
    let seconds: Vec<u64> = (1..=31).chain(1..=3).collect();
    let text = told(PLAIN, &seconds);
    let starts: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(starts, ["0:01", "0:11", "0:21", "0:31", "0:01"]);
    assert!(text.contains("transcript.final p50 ") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn colours_only_where_wanted() {
    let mut report = synthetic::report(1, 4, 20);
    report.objectives.push(synthetic::objective("word.final:p95", false));
    report.verdict = Verdict::Missed;
    let plain = table(&report, PLAIN);
    assert!(!plain.contains('\u{1b}'));
    let painted = table(&report, Style { colours: true, ..PLAIN });
    assert!(painted.contains("\u{1b}[31mDOES NOT HOLD\u{1b}[0m") && painted.contains("\u{1b}[32mholds "));
    assert!(told(Style { columns: Some(100), colours: true }, &[1]).contains("\u{1b}[33m"));
}

#[test]
fn the_table_tells_each_objective_and_figure() {
    let mut report = synthetic::report(1, 4, 20);
    report.objectives.push(synthetic::objective("word.final:p95", false));
    report.verdict = Verdict::Missed;
    let text = table(&report, PLAIN);
    let line = |start: &str| text.lines().find(|line| line.contains(start)).map(str::to_owned).unwrap();
    assert!(line("transcript.final:p95").starts_with("  holds "), "{text}");
    assert!(
        line("word.final:p95").starts_with("  DOES NOT HOLD ") && line("word.final:p95").ends_with("< 3 s")
    );
    assert!(line("  alert.dead_air").split_whitespace().count() >= 7, "{text}");
    assert!(text.ends_with("  1 of 3 objectives missed, 4 feeds\n"), "{text}");
    let searched = Report { capacity: Some(12), verdict: Verdict::Met, ..report };
    assert!(table(&searched, PLAIN).ends_with("all objectives met, capacity 12 feeds\n"));
}

#[test]
fn the_comparison_names_what_regressed() {
    let before = synthetic::report(1, 8, 120);
    let mut after = before.clone();
    after.figures.retain(|figure| figure.name != "word.final");
    let text = comparison(&compare(&before, &after, 0.1), PLAIN);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("REGRESSED")).collect();
    assert!(lines.len() == 3 && lines.iter().all(|line| line.contains("word.final:")), "{text}");
    assert!(text.contains("  noise      transcript.final:p50"), "{text}");
}

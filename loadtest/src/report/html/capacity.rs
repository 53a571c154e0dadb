//! The capacity curve: what more feeds do to latency and coverage, and up to where the objectives hold.

use std::collections::BTreeMap;

use super::axes::{self, Scale};
use super::palette::series;
use super::svg::{Anchor, Area, Point, Svg, through};
use crate::report::{Report, Step, Unit, say};

const SIZE: Point = (960.0, 478.0);
const LATENCY: Area = Area { left: 72.0, top: 50.0, width: 714.0, height: 230.0 };
const COVERAGE: Area = Area { left: 72.0, top: 328.0, width: 714.0, height: 90.0 };

/// The chart; empty without steps.
pub(super) fn chart(report: &Report) -> String {
    let (Some(least), Some(most)) = (
        report.steps.iter().map(|step| step.n_feeds).min(),
        report.steps.iter().map(|step| step.n_feeds).max(),
    ) else {
        return String::new();
    };
    let pad = ((most - least) as f64 * 0.04).max(0.5);
    let x = Scale::linear((least as f64 - pad, most as f64 + pad), (LATENCY.left, LATENCY.right()));
    let mut svg = Svg::new("capacity", "Latency and coverage by number of feeds", &description(report), SIZE);
    knee(&mut svg, report, &x);
    latency(&mut svg, report, &x);
    coverage(&mut svg, report, &x);
    let mut counts: Vec<f64> = report.steps.iter().map(|step| step.n_feeds as f64).collect();
    counts.sort_by(f64::total_cmp);
    counts.dedup();
    let ticks = if counts.len() > 16 { x.ticks(12) } else { counts };
    axes::bottom(&mut svg, COVERAGE, &x, &ticks, |n| format!("{n:.0}"));
    let middle = COVERAGE.left + COVERAGE.width / 2.0;
    svg.text("name", (middle, SIZE.1 - 12.0), Anchor::Middle, "feeds at once");
    svg.finish()
}

/// What lies beyond the capacity is shaded.
fn knee(svg: &mut Svg, report: &Report, x: &Scale) {
    let beyond = report.steps.iter().filter(|step| !step.met).map(|step| step.n_feeds).min();
    let Some(capacity) = report.capacity else { return };
    let at = x.at(capacity as f64);
    if let Some(first) = beyond.filter(|first| *first > capacity) {
        let left = x.at((capacity + first) as f64 / 2.0);
        for plot in [LATENCY, COVERAGE] {
            svg.rect("beyond", Area { left, width: plot.right() - left, ..plot });
        }
    }
    svg.line("knee", (at, LATENCY.top - 28.0), (at, COVERAGE.bottom()));
    svg.text("kneelabel", (at, LATENCY.top - 34.0), Anchor::Middle, &format!("capacity: {capacity} feeds"));
}

fn latency(svg: &mut Svg, report: &Report, x: &Scale) {
    let finite =
        report.steps.iter().flat_map(|step| step.percentiles.values()).filter_map(|values| values.p95);
    let bounds: Vec<f64> = report
        .objectives
        .iter()
        .filter(|objective| objective.percentile().is_some_and(|(_, share)| (share - 0.95).abs() < 1e-9))
        .map(|objective| objective.bound)
        .collect();
    let all: Vec<f64> = finite.chain(bounds).collect();
    let range = (all.iter().copied().fold(f64::MAX, f64::min), all.iter().copied().fold(0.0, f64::max));
    let y = Scale::log((range.0.min(range.1), range.1), (LATENCY.bottom(), LATENCY.top));
    axes::left(svg, LATENCY, &y, say::duration);
    svg.line("axis", (LATENCY.left, LATENCY.bottom()), (LATENCY.right(), LATENCY.bottom()));
    let mut ends = Vec::new();
    for (idx, figure) in report.figures.iter().enumerate() {
        if let Some(end) = curve(svg, report, (idx, &figure.name), x, &y) {
            ends.push((end, idx, figure.name.as_str()));
        }
    }
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut above = LATENCY.top - 17.0;
    for (end, idx, name) in ends {
        above = (above + 17.0).max(end);
        svg.text(
            &format!("label {}", series(idx)),
            (LATENCY.right() + 12.0, above + 4.0),
            Anchor::Start,
            name,
        );
    }
    svg.text("name", (LATENCY.left, LATENCY.top - 12.0), Anchor::Start, "latency, p95");
}

/// Each run is a dot; the line goes through the slowest of each number of feeds. Returns how high it ends.
fn curve(svg: &mut Svg, report: &Report, figure: (usize, &str), x: &Scale, y: &Scale) -> Option<f64> {
    let (class, name) = (series(figure.0), figure.1);
    let mut worst: BTreeMap<usize, f64> = BTreeMap::new();
    let mut dots = Vec::new();
    for step in &report.steps {
        let Some(percentiles) =
            step.percentiles.get(name).filter(|values| values.p50.is_some() || values.max.is_some())
        else {
            continue;
        };
        let at = percentiles.p95.map_or(LATENCY.top, |p95| y.at(p95));
        let lowest = worst.entry(step.n_feeds).or_insert(at);
        *lowest = lowest.min(at);
        dots.push((step, at, percentiles.p95));
    }
    let points: Vec<Point> = worst.iter().map(|(n, at)| (x.at(*n as f64), *at)).collect();
    svg.path(&format!("line {class}"), &through(&points));
    for (step, at, p95) in dots {
        let tip = format!("{} feeds, {name}: p95 {}; {}", step.n_feeds, say::latency(p95), verdict(step));
        let state = if step.met { "" } else { " hollow" };
        svg.dot(&format!("dot {class}{state}"), (x.at(step.n_feeds as f64), at), &tip);
    }
    for objective in &report.objectives {
        if objective.percentile().is_some_and(|(of, share)| of == name && (share - 0.95).abs() < 1e-9) {
            let at = y.at(objective.bound);
            svg.line(&format!("bound {class}"), (LATENCY.left, at), (LATENCY.right(), at));
        }
    }
    points.last().map(|(_, at)| *at)
}

fn coverage(svg: &mut Svg, report: &Report, x: &Scale) {
    let known: Vec<(&Step, f64)> =
        report.steps.iter().filter_map(|step| Some((step, step.coverage?))).collect();
    let bound = report
        .objectives
        .iter()
        .find(|objective| objective.subject() == "coverage" && objective.unit == Unit::Ratio);
    let bound = bound.map(|objective| objective.bound);
    let least = known.iter().map(|(_, ratio)| *ratio).chain(bound).fold(1.0, f64::min);
    let y = Scale::linear(
        (1.0 - ((1.0 - least) * 1.2).clamp(0.005, 1.0), 1.0),
        (COVERAGE.bottom(), COVERAGE.top),
    );
    for tick in y.ticks(3) {
        svg.line("grid", (COVERAGE.left, y.at(tick)), (COVERAGE.right(), y.at(tick)));
        let text = format!("{} %", say::digits(tick * 100.0));
        svg.text("tick", (COVERAGE.left - 8.0, y.at(tick) + 4.0), Anchor::End, &text);
    }
    if let Some(bound) = bound {
        svg.line("bound plain", (COVERAGE.left, y.at(bound)), (COVERAGE.right(), y.at(bound)));
    }
    let mut worst: BTreeMap<usize, f64> = BTreeMap::new();
    for (step, ratio) in &known {
        let lowest = worst.entry(step.n_feeds).or_insert(*ratio);
        *lowest = lowest.min(*ratio);
    }
    let points: Vec<Point> = worst.iter().map(|(n, ratio)| (x.at(*n as f64), y.at(*ratio))).collect();
    svg.path("line calm", &through(&points));
    for (step, ratio) in known {
        let tip =
            format!("{} feeds: coverage {}; {}", step.n_feeds, say::percent(Some(ratio)), verdict(step));
        let state = if step.met { "" } else { " hollow" };
        svg.dot(&format!("dot calm{state}"), (x.at(step.n_feeds as f64), y.at(ratio)), &tip);
    }
    svg.text("name", (COVERAGE.left, COVERAGE.top - 12.0), Anchor::Start, "audio analysed");
}

fn verdict(step: &Step) -> String {
    if step.met { "all objectives met".to_owned() } else { format!("missed: {}", step.missed.join(", ")) }
}

fn description(report: &Report) -> String {
    let say = |step: &Step| format!("{} feeds: {}.", step.n_feeds, verdict(step));
    report.steps.iter().map(say).collect::<Vec<_>>().join(" ")
}

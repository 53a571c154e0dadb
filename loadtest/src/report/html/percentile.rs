//! Latency by percentile: one line for each figure, the objectives as diamonds that the lines have to pass beneath.

use super::axes::{self, Scale};
use super::palette::series;
use super::svg::{Anchor, Area, Point, Svg, through};
use crate::measure::Latencies;
use crate::report::{Objective, Report, say};

const SIZE: Point = (960.0, 400.0);
const PLOT: Area = Area { left: 72.0, top: 26.0, width: 714.0, height: 318.0 };

/// Points of a line.
const N_POINTS: usize = 160;

/// Labels of lines are at least so far apart, pixels.
const LABEL_GAP: f64 = 17.0;

/// A figure as it is drawn.
struct Line<'a> {
    name: &'a str,
    latencies: Latencies,
}

/// The chart; empty where nothing was counted.
pub(super) fn chart(report: &Report) -> String {
    let lines: Vec<Line<'_>> = report
        .figures
        .iter()
        .filter_map(|figure| Some(Line { name: &figure.name, latencies: figure.latency.latencies().ok()? }))
        .filter(|line| line.latencies.count() > 0)
        .collect();
    let n_max = lines.iter().map(|line| line.latencies.count()).max().unwrap_or(0);
    if n_max == 0 {
        return String::new();
    }
    let objectives: Vec<(&Objective, &str, f64)> = report
        .objectives
        .iter()
        .filter_map(|objective| objective.percentile().map(|(figure, share)| (objective, figure, share)))
        .collect();
    let x = Scale::linear((0.0, (n_max as f64).log10().clamp(2.0, 6.0)), (PLOT.left, PLOT.right()));
    let y = vertical(&lines, &objectives);
    let mut svg = Svg::new("percentile", "Latency by percentile", &description(&lines), SIZE);
    axes::left(&mut svg, PLOT, &y, say::duration);
    let ticks: Vec<f64> = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999].map(nines).into();
    let ticks: Vec<f64> = ticks.into_iter().filter(|tick| x.share(*tick) <= 1.001).collect();
    ticks.iter().for_each(|tick| svg.line("grid", (x.at(*tick), PLOT.top), (x.at(*tick), PLOT.bottom())));
    axes::bottom(&mut svg, PLOT, &x, &ticks, |tick| format!("{} %", percent(tick)));
    svg.text(
        "name",
        (PLOT.left + PLOT.width / 2.0, SIZE.1 - 12.0),
        Anchor::Middle,
        "share of all facts (each 9 is as wide as the one before)",
    );
    let mut ends = Vec::new();
    for (idx, line) in lines.iter().enumerate() {
        ends.push((draw(&mut svg, idx, line, &x, &y), idx, line.name));
    }
    for (objective, figure, share) in objectives {
        if let Some(idx) = lines.iter().position(|line| line.name == figure) {
            diamond(&mut svg, objective, idx, (x.at(nines(share)), y.at(objective.bound)));
        }
    }
    label(&mut svg, ends);
    svg.finish()
}

/// Where a share lies: 0 for none, 1 for 90 %, 2 for 99 % ...
fn nines(share: f64) -> f64 {
    -(1.0 - share).max(1e-12).log10()
}

fn percent(nines: f64) -> String {
    let share = (1.0 - 10_f64.powf(-nines)) * 100.0;
    format!("{share:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn vertical(lines: &[Line<'_>], objectives: &[(&Objective, &str, f64)]) -> Scale {
    let ms =
        |line: &Line<'_>, share| line.latencies.quantile(share).map(|duration| duration.as_secs_f64() * 1e3);
    let lowest = lines.iter().filter_map(|line| ms(line, 0.01));
    let highest = lines.iter().map(|line| line.latencies.max().as_secs_f64() * 1e3);
    let bounds = objectives.iter().map(|(objective, ..)| objective.bound);
    let (from, to) = (lowest.fold(f64::MAX, f64::min), highest.chain(bounds).fold(0.0, f64::max));
    Scale::log((from.min(to), to), (PLOT.bottom(), PLOT.top))
}

/// One figure, up to its last fact; returns where it ends. What never came leaves through the top.
fn draw(svg: &mut Svg, idx: usize, line: &Line<'_>, x: &Scale, y: &Scale) -> Point {
    let class = series(idx);
    let last = (line.latencies.count() as f64).log10().max(0.01);
    let mut points: Vec<Point> = Vec::new();
    let mut left = None;
    for step in 0..=N_POINTS {
        let nines = last * step as f64 / N_POINTS as f64;
        let share = if step == N_POINTS { 1.0 } else { 1.0 - 10_f64.powf(-nines) };
        match line.latencies.quantile(share) {
            Some(latency) => points.push((x.at(nines), y.at(latency.as_secs_f64() * 1e3))),
            None => {
                left = Some(x.at(nines));
                break;
            }
        }
    }
    svg.path(&format!("line {class}"), &through(&points));
    let end = points.last().copied().unwrap_or((PLOT.left, PLOT.top));
    let Some(x) = left else {
        svg.dot(
            &format!("dot {class}"),
            end,
            &format!("{}, slowest: {}", line.name, say::duration(line.latencies.max().as_secs_f64() * 1e3)),
        );
        return end;
    };
    let n = line.latencies.n_never();
    svg.path(&format!("line never {class}"), &through(&[end, (x, end.1), (x, PLOT.top - 6.0)]));
    svg.text(&format!("infinite {class}"), (x, PLOT.top - 9.0), Anchor::Middle, "\u{221e}");
    let strip = Area { left: x - 8.0, top: PLOT.top - 24.0, width: 16.0, height: end.1 - PLOT.top + 24.0 };
    svg.rect_told(
        "hover",
        strip,
        &format!("{}: {} of {} never came", line.name, say::count(n), say::count(line.latencies.count())),
    );
    (x, PLOT.top + 2.0)
}

fn diamond(svg: &mut Svg, objective: &Objective, idx: usize, at: Point) {
    let class = series(idx);
    let state = if objective.met { "met" } else { "missed" };
    svg.line(&format!("bound {class}"), (PLOT.left, at.1), at);
    let statement = format!("{} {} {}", objective.name, objective.operator, say::duration(objective.bound));
    let tip = format!("{statement}: {state}, measured {}", say::latency(objective.measured));
    svg.diamond(&format!("diamond {state} {class}"), at, &tip);
}

/// Names at the right edge, apart from each other, in the order in which the lines end.
fn label(svg: &mut Svg, mut ends: Vec<(Point, usize, &str)>) {
    ends.sort_by(|one, other| one.0.1.total_cmp(&other.0.1));
    let mut above = f64::MIN;
    let mut places: Vec<f64> = Vec::new();
    for (end, ..) in &ends {
        above = (above + LABEL_GAP).max(end.1.max(PLOT.top + 4.0));
        places.push(above);
    }
    let over = (above - PLOT.bottom()).max(0.0);
    for ((end, idx, name), place) in ends.into_iter().zip(places) {
        let (from, y) = (PLOT.right() + 14.0, (place - over).max(PLOT.top));
        svg.line(&format!("leader {}", series(idx)), (end.0 + 6.0, end.1), (from - 3.0, y));
        svg.text(&format!("label {}", series(idx)), (from, y + 4.0), Anchor::Start, name);
    }
}

fn description(lines: &[Line<'_>]) -> String {
    let say = |line: &Line<'_>| {
        let at =
            |share| say::latency(line.latencies.quantile(share).map(|latency| latency.as_secs_f64() * 1e3));
        format!("{}: half within {}, 95 % within {}, 99 % within {}.", line.name, at(0.5), at(0.95), at(0.99))
    };
    lines.iter().map(say).collect::<Vec<_>>().join(" ")
}

//! What the server's processes took over time.

use super::axes::{self, Scale};
use super::svg::{Anchor, Area, Point, Svg, through};
use crate::report::{Report, Resources, say};

const SIZE: Point = (960.0, 168.0);
const PLOT_WIDTH: f64 = 234.0;
const LEFTS: [f64; 3] = [72.0, 390.0, 708.0];

/// Three charts in one; empty where the processes are not known.
pub(super) fn chart(report: &Report) -> String {
    let samples = &report.resources;
    let [first, .., last] = samples.as_slice() else { return String::new() };
    let hours = (last.at_s - first.at_s) / 3_600.0;
    let slope = (last.memory_bytes as f64 - first.memory_bytes as f64) / 1_048_576.0 / hours.max(1e-9);
    let description = format!(
        "Memory from {} to {}, open files from {} to {}.",
        say::bytes(first.memory_bytes),
        say::bytes(last.memory_bytes),
        first.files,
        last.files
    );
    let mut svg = Svg::new("resources", "What the server took", &description, SIZE);
    let of = |value: fn(&Resources) -> f64| {
        samples.iter().map(|sample| (sample.at_s, value(sample))).collect::<Vec<_>>()
    };
    let trend = if hours >= 0.25 { format!(", {slope:+.1} MiB an hour") } else { String::new() };
    let memory = of(|sample| sample.memory_bytes as f64 / 1_048_576.0);
    small(&mut svg, LEFTS[0], &format!("memory, MiB{trend}"), &memory);
    small(&mut svg, LEFTS[1], "processor, cores", &cores(samples));
    small(&mut svg, LEFTS[2], "open files and sockets", &of(|sample| sample.files as f64));
    svg.finish()
}

/// Processor time per time, over at least a fiftieth of the run.
fn cores(samples: &[Resources]) -> Vec<Point> {
    let step = samples.len().div_ceil(50).max(1);
    let kept: Vec<&Resources> = samples.iter().step_by(step).collect();
    let rate = |pair: &[&Resources]| {
        let [before, after] = pair else { return None };
        let secs = after.at_s - before.at_s;
        (secs > 0.0).then(|| (after.at_s, (after.cpu_s - before.cpu_s).max(0.0) / secs))
    };
    kept.windows(2).filter_map(rate).collect()
}

fn small(svg: &mut Svg, left: f64, name: &str, points: &[Point]) {
    let plot = Area { left, top: 28.0, width: PLOT_WIDTH, height: 106.0 };
    let most = points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let (from, to) =
        (points.first().map_or(0.0, |point| point.0), points.last().map_or(1.0, |point| point.0));
    let x = Scale::linear((from, to), (plot.left, plot.right()));
    // From zero, so that noise looks like noise.
    let y = Scale::linear((0.0, (most * 1.1).max(1e-3)), (plot.bottom(), plot.top));
    for tick in y.ticks(4) {
        svg.line("grid", (plot.left, y.at(tick)), (plot.right(), y.at(tick)));
        svg.text("tick", (plot.left - 8.0, y.at(tick) + 4.0), Anchor::End, &say::digits(tick));
    }
    let ticks: Vec<f64> = axes::clock_ticks(to - from, 4).into_iter().map(|tick| from + tick).collect();
    axes::bottom(svg, plot, &x, &ticks, say::clock);
    svg.text("rowhead", (plot.left, 14.0), Anchor::Start, name);
    let line: Vec<Point> = points.iter().map(|(at, value)| (x.at(*at), y.at(*value))).collect();
    svg.path("line s0", &through(&line));
    if let (Some(at), Some((_, value))) = (line.last(), points.last()) {
        svg.dot("dot s0", *at, &format!("{name}, at the end: {}", say::digits(*value)));
    }
}

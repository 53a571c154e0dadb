//! Heat maps over time: for each figure how many facts, due when, took how long; what was done meanwhile; what never came.

use std::fmt::Write as _;

use super::axes::{self, Scale};
use super::palette::N_SHADES;
use super::svg::{Anchor, Area, Point, Svg};
use crate::measure::Latencies;
use crate::report::{Report, Slice, say};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 72.0;
const PLOT_WIDTH: f64 = 872.0;

/// Height of the strip of what never came, pixels.
const NEVER_HEIGHT: f64 = 9.0;

/// Between that strip and the map, so that labels do not meet, pixels.
const NEVER_GAP: f64 = 9.0;

/// Most columns: a pixel's worth less would not be seen.
const N_COLUMNS_MAX: usize = 150;

/// Two facts in a cell are not many, even where no other has more.
const N_FACTS_STRONG: u64 = 8;

/// Facts from which a figure gets a tall map.
const N_FACTS_TALL: u64 = 500;

/// What was due in one column.
struct Column {
    from_s: f64,
    to_s: f64,
    latencies: Latencies,
}

/// What one map is made of.
struct Map {
    columns: Vec<Column>,
    /// Without the strip of what never came.
    plot: Area,
    x: Scale,
    y: Scale,
    n_rows: usize,
}

/// A map for each figure, with the name of the figure above it.
pub(super) fn charts(report: &Report) -> String {
    let mut html = String::new();
    for (idx, figure) in report.figures.iter().enumerate() {
        let columns = columns(&report.series, &figure.name);
        if columns.iter().all(|column| column.latencies.count() == 0) {
            continue;
        }
        html += &map(report, idx, &figure.name, columns);
    }
    html
}

fn columns(series: &[Slice], figure: &str) -> Vec<Column> {
    let n_merged = series.len().div_ceil(N_COLUMNS_MAX).max(1);
    let column = |slices: &[Slice]| {
        let mut latencies = Latencies::new();
        slices.iter().for_each(|slice| latencies.merge(&slice.latencies(figure)));
        let to_s = slices.last().map_or(0.0, |slice| slice.at_s + slice.length_s);
        Column { from_s: slices.first().map_or(0.0, |slice| slice.at_s), to_s, latencies }
    };
    series.chunks(n_merged).map(column).collect()
}

fn map(report: &Report, idx: usize, figure: &str, columns: Vec<Column>) -> String {
    let n_facts: u64 = columns.iter().map(|column| column.latencies.count()).sum();
    let height = if n_facts >= N_FACTS_TALL { 190.0 } else { 104.0 };
    let top = if report.marks.is_empty() { 30.0 } else { 48.0 };
    let plot = Area { left: LEFT, top, width: PLOT_WIDTH, height };
    let size = (WIDTH, plot.bottom() + 26.0);
    let n_never: u64 = columns.iter().map(|column| column.latencies.n_never()).sum();
    let description = format!(
        "{} facts in {} columns; {} never came.",
        say::count(n_facts),
        columns.len(),
        say::count(n_never)
    );
    let mut svg =
        Svg::new(&format!("heat{idx}"), &format!("Latency of {figure} over time"), &description, size);
    let map = scaled(columns, plot, bounds(report, figure));
    axes::left(&mut svg, plot, &map.y, say::duration);
    let (start, end) = ends(&map.columns);
    let ticks: Vec<f64> = axes::clock_ticks(end - start, 10).into_iter().map(|tick| start + tick).collect();
    axes::bottom(&mut svg, plot, &map.x, &ticks, say::clock);
    marks(&mut svg, report, &map);
    let most = cells(&mut svg, &map);
    never(&mut svg, &map);
    for bound in bounds(report, figure) {
        svg.line("bound plain", (plot.left, map.y.at(bound)), (plot.right(), map.y.at(bound)));
    }
    tips(&mut svg, &map);
    format!("<h3>{} {}</h3>{}", super::escape::escape(figure), legend(most), svg.finish())
}

/// Objectives of this figure, ms.
fn bounds(report: &Report, figure: &str) -> Vec<f64> {
    let of = report.objectives.iter();
    of.filter(|one| one.percentile().is_some_and(|(name, _)| name == figure)).map(|one| one.bound).collect()
}

fn ends(columns: &[Column]) -> Point {
    (columns.first().map_or(0.0, |column| column.from_s), columns.last().map_or(1.0, |column| column.to_s))
}

fn scaled(columns: Vec<Column>, plot: Area, bounds: Vec<f64>) -> Map {
    let came = columns.iter().filter(|column| !column.latencies.histogram().is_empty());
    let ms = |micros: u64| micros as f64 / 1e3;
    let lowest = came.clone().map(|column| ms(column.latencies.histogram().min())).fold(f64::MAX, f64::min);
    let highest = came.map(|column| ms(column.latencies.histogram().max())).chain(bounds).fold(0.0, f64::max);
    let y = Scale::log((lowest.min(highest), highest), (plot.bottom(), plot.top));
    let x = Scale::linear(ends(&columns), (plot.left, plot.right()));
    Map { columns, plot, x, y, n_rows: (plot.height / 5.0) as usize }
}

/// What the shades mean.
fn legend(most: u64) -> String {
    let shade = |idx| format!("<rect class=\"h{idx}\" x=\"{}\" width=\"14\" height=\"10\"/>", idx * 14);
    let shades: String = (0..N_SHADES).map(shade).collect();
    let most = say::count(most);
    format!(
        "<span class=\"legend\">1 <svg viewBox=\"0 0 {} 10\" aria-hidden=\"true\">{shades}</svg> {most} facts in a cell</span>",
        N_SHADES * 14
    )
}

/// One path for each shade, so that thousands of cells stay small. Returns the count that the strongest stands for.
fn cells(svg: &mut Svg, map: &Map) -> u64 {
    let rows: Vec<Vec<u64>> = map.columns.iter().map(|column| rows(column, map)).collect();
    let most = rows.iter().flatten().copied().max().unwrap_or(1).max(N_FACTS_STRONG);
    let mut paths = vec![String::new(); N_SHADES];
    let height = map.plot.height / map.n_rows as f64;
    for (column, rows) in map.columns.iter().zip(&rows) {
        let (left, right) = (map.x.at(column.from_s), map.x.at(column.to_s));
        for (row, n) in rows.iter().enumerate().filter(|(_, n)| **n > 0) {
            let shade = ((*n as f64).ln() / (most as f64).ln() * (N_SHADES - 1) as f64).round() as usize;
            let bottom = map.plot.bottom() - row as f64 * height;
            if let Some(path) = paths.get_mut(shade) {
                let width = right - left;
                let _infallible = write!(path, "M{left:.1} {bottom:.1}v-{height:.1}h{width:.1}v{height:.1}z");
            }
        }
    }
    for (shade, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        svg.path(&format!("h{shade}"), path);
    }
    most
}

/// How many facts each row of a column has, from below.
fn rows(column: &Column, map: &Map) -> Vec<u64> {
    let mut rows = vec![0; map.n_rows];
    for bucket in column.latencies.histogram().iter_recorded() {
        let share = map.y.share(bucket.value_iterated_to() as f64 / 1e3).clamp(0.0, 0.999_999);
        if let Some(n) = rows.get_mut((share * map.n_rows as f64) as usize) {
            *n += bucket.count_at_value();
        }
    }
    rows
}

/// What never came has no latency: it is shown above all others, never left out.
fn never(svg: &mut Svg, map: &Map) {
    let top = map.plot.top - NEVER_HEIGHT - NEVER_GAP;
    for column in map.columns.iter().filter(|column| column.latencies.n_never() > 0) {
        let (left, right) = (map.x.at(column.from_s), map.x.at(column.to_s));
        svg.rect("missing", Area { left, top, width: right - left, height: NEVER_HEIGHT });
    }
    if map.columns.iter().any(|column| column.latencies.n_never() > 0) {
        svg.text("tick", (map.plot.left - 8.0, top + NEVER_HEIGHT - 1.0), Anchor::End, "never");
    }
}

/// Numbered, as in the list below the maps.
fn marks(svg: &mut Svg, report: &Report, map: &Map) {
    for (idx, mark) in report.marks.iter().enumerate() {
        let (left, right) = (map.x.at(mark.at_s), map.x.at(mark.at_s + mark.length_s));
        let (top, bottom) = (map.plot.top - NEVER_HEIGHT - NEVER_GAP - 4.0, map.plot.bottom());
        svg.rect("band", Area { left, top, width: (right - left).max(1.5), height: bottom - top });
        svg.text("badge", ((left + right) / 2.0, top - 5.0), Anchor::Middle, &(idx + 1).to_string());
    }
}

fn tips(svg: &mut Svg, map: &Map) {
    for column in map.columns.iter().filter(|column| column.latencies.count() > 0) {
        let (left, right) = (map.x.at(column.from_s), map.x.at(column.to_s));
        let at =
            |share| say::latency(column.latencies.quantile(share).map(|latency| latency.as_secs_f64() * 1e3));
        let tip = format!(
            "{}\u{2013}{}: {} facts, p50 {}, p95 {}, slowest {}, {} never came",
            say::clock(column.from_s),
            say::clock(column.to_s),
            say::count(column.latencies.count()),
            at(0.5),
            at(0.95),
            say::latency(Some(column.latencies.max().as_secs_f64() * 1e3)),
            say::count(column.latencies.n_never()),
        );
        let over = NEVER_HEIGHT + NEVER_GAP;
        let (top, height) = (map.plot.top - over, map.plot.height + over);
        svg.rect_told("hover", Area { left, top, width: right - left, height }, &tip);
    }
}

//! Variants as dots between two axes, with the line of those that nobody beats on both.

use super::axes::{self, Scale};
use super::palette::series;
use super::svg::{Anchor, Area, Point as At, Svg, through};
use crate::report::frontier::{Frontier, Measure, Point, front};
use crate::report::say;

const SIZE: At = (960.0, 424.0);
const PLOT: Area = Area { left: 72.0, top: 34.0, width: 660.0, height: 330.0 };
/// Share of the range of the values that is left free around them.
const MARGIN: f64 = 0.09;
/// Where the number of a dot may stand, from its middle, pixels; the first that is free.
const PLACES: [At; 8] = [
    (11.0, -6.0),
    (11.0, 15.0),
    (-11.0, -6.0),
    (-11.0, 15.0),
    (0.0, -12.0),
    (0.0, 21.0),
    (20.0, 4.0),
    (-20.0, 4.0),
];
/// A number and a dot are about so large, pixels.
const ROOM: At = (17.0, 13.0);

/// Two measures against each other: across, and up.
pub(super) struct Scatter<'a> {
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) across: Measure,
    pub(super) up: Measure,
}

/// A variant that can be drawn: its number from 1, itself, where it is.
type Dot<'a> = (usize, &'a Point, At);

/// The chart; empty where nothing can be drawn. `groups` have colours of their own: that of each variant, in order.
pub(super) fn chart(
    scatter: &Scatter<'_>,
    frontier: &Frontier,
    groups: &[usize],
    names: &[String],
) -> String {
    let known = |(idx, point)| Some((idx, point, (scatter.across.of(point)?, scatter.up.of(point)?)));
    let known: Vec<Dot<'_>> = frontier.variants.iter().enumerate().filter_map(known).collect();
    let (Some(x), Some(y)) = (
        scale(known.iter().map(|(.., at)| at.0), (PLOT.left, PLOT.right())),
        scale(known.iter().map(|(.., at)| at.1), (PLOT.bottom(), PLOT.top)),
    ) else {
        return String::new();
    };
    let dots: Vec<Dot<'_>> =
        known.into_iter().map(|(idx, point, at)| (idx, point, (x.at(at.0), y.at(at.1)))).collect();
    let mut svg = Svg::new(scatter.id, scatter.title, &description(scatter, &dots), SIZE);
    axes::left(&mut svg, PLOT, &y, |value| shown(scatter.up, value));
    axes::bottom(&mut svg, PLOT, &x, &x.ticks(9), |value| shown(scatter.across, value));
    svg.text("name", (PLOT.left, PLOT.top - 14.0), Anchor::Start, &named(scatter.up, "\u{2193}", "\u{2191}"));
    let below = (PLOT.left + PLOT.width / 2.0, SIZE.1 - 14.0);
    svg.text("name", below, Anchor::Middle, &named(scatter.across, "\u{2190}", "\u{2192}"));
    let is_best = front(&frontier.variants, &[scatter.across, scatter.up]);
    let best: Vec<Dot<'_>> =
        dots.iter().filter(|(idx, ..)| is_best.get(*idx) == Some(&true)).copied().collect();
    svg.path("line calm", &through(&stairs(scatter, &best)));
    for (idx, point, at) in &dots {
        let class = series(groups.get(*idx).copied().unwrap_or(0));
        let state = if point.failure.is_none() { "" } else { " hollow" };
        svg.dot(&format!("dot {class}{state}"), *at, &tip(scatter, *idx, point));
    }
    numbers(&mut svg, &dots, &best);
    legend(&mut svg, names);
    svg.finish()
}

/// From the least to the most, with room around. `None` of nothing.
fn scale(values: impl Iterator<Item = f64> + Clone, pixels: At) -> Option<Scale> {
    let (least, most) = (values.clone().reduce(f64::min)?, values.reduce(f64::max)?);
    let room = ((most - least) * MARGIN).max(most.abs() * 0.02).max(1e-3);
    Some(Scale::linear(((least - room).max(0.0), most + room), pixels))
}

/// Along the edge of what can be had: from each dot to the next over the corner that both beat.
fn stairs(scatter: &Scatter<'_>, best: &[Dot<'_>]) -> Vec<At> {
    let mut points: Vec<At> = best.iter().map(|(.., at)| *at).collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut path: Vec<At> = Vec::new();
    for at in points {
        if let Some(last) = path.last().copied() {
            // Left is less, and up on the page is more.
            let x = if scatter.across.badness(1.0) > 0.0 { at.0.max(last.0) } else { at.0.min(last.0) };
            let y = if scatter.up.badness(1.0) > 0.0 { at.1.min(last.1) } else { at.1.max(last.1) };
            path.push((x, y));
        }
        path.push(at);
    }
    path
}

/// Numbers of the best, where there is room.
fn numbers(svg: &mut Svg, dots: &[Dot<'_>], best: &[Dot<'_>]) {
    let mut taken: Vec<At> = dots.iter().map(|(.., at)| *at).collect();
    for (idx, _, at) in best {
        let places = PLACES.iter().map(|place| (at.0 + place.0, at.1 + place.1 - 4.0));
        let is_free = |place: &At| {
            let is_near = |other: &At| {
                (other.0 - place.0).abs() < ROOM.0 / 1.6 && (other.1 - place.1).abs() < ROOM.1 / 1.3
            };
            !taken.iter().any(is_near)
        };
        let Some(place) = places.clone().find(is_free).or_else(|| places.clone().next()) else { continue };
        svg.text("value", (place.0, place.1 + 4.0), Anchor::Middle, &(idx + 1).to_string());
        taken.push(place);
    }
}

fn legend(svg: &mut Svg, names: &[String]) {
    let left = PLOT.right() + 26.0;
    for (idx, name) in names.iter().enumerate() {
        let top = PLOT.top + 12.0 + 22.0 * idx as f64;
        svg.dot(&format!("dot {}", series(idx)), (left, top - 4.0), "");
        svg.text("tick", (left + 14.0, top), Anchor::Start, name);
    }
}

fn tip(scatter: &Scatter<'_>, idx: usize, point: &Point) -> String {
    let number =
        |measure: Measure| measure.of(point).map_or_else(String::new, |number| said(measure, number));
    let state = point.failure.as_deref().map_or_else(String::new, |why| format!("; {why}"));
    let (across, up) = (number(scatter.across), number(scatter.up));
    format!("{}: {}: {across}, {up}{state}", idx + 1, point.variant)
}

fn description(scatter: &Scatter<'_>, dots: &[Dot<'_>]) -> String {
    let each = dots.iter().map(|(idx, point, _)| format!("{}.", tip(scatter, *idx, point)));
    each.collect::<Vec<_>>().join(" ")
}

/// At an axis.
fn shown(measure: Measure, number: f64) -> String {
    match measure {
        Measure::ErrorRate => format!("{} %", say::digits(number * 100.0)),
        Measure::Latency => say::duration(number * 1e3),
        Measure::Cost => say::digits(number),
    }
}

fn said(measure: Measure, number: f64) -> String {
    match measure {
        Measure::ErrorRate => format!("{} of words wrong", say::percent(Some(number))),
        Measure::Latency => format!("words seen after {}", say::latency(Some(number * 1e3))),
        Measure::Cost => format!("{number:.2} feeds a core"),
    }
}

/// Name of an axis, with where it is better.
fn named(measure: Measure, less: &str, more: &str) -> String {
    match measure {
        Measure::ErrorRate => format!("word error rate, better {less}"),
        Measure::Latency => format!("word first seen, p95, better {less}"),
        Measure::Cost => format!("feeds a core, better {more}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_goes_where_both_are_beaten() {
        let point = Point::default();
        let check = |across: Measure, up: Measure, dots: &[At], expected: &[At]| {
            let dots: Vec<Dot<'_>> = dots.iter().map(|at| (0, &point, *at)).collect();
            let scatter = Scatter { id: "x", title: "x", across, up };
            assert_eq!(stairs(&scatter, &dots), expected);
        };
        // Pixels: less is left, and less is further down.
        let (slow, fast) = ((20.0, 90.0), (10.0, 50.0));
        check(Measure::Latency, Measure::ErrorRate, &[slow, fast], &[fast, (20.0, 50.0), slow]);
        let (exact, cheap) = ((10.0, 90.0), (20.0, 50.0));
        check(Measure::Cost, Measure::ErrorRate, &[exact, cheap], &[exact, (10.0, 50.0), cheap]);
        check(Measure::Cost, Measure::Latency, &[], &[]);
    }
}

//! Scales, ticks and the axes of a chart.

use super::svg::{Anchor, Area, Point, Svg};

/// From values to pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    values: Point,
    pixels: Point,
    is_log: bool,
}

impl Scale {
    /// Even steps are even; an empty range is widened.
    pub(super) fn linear(values: Point, pixels: Point) -> Self {
        let (from, to) = values;
        Self { values: (from, if to > from { to } else { from + 1.0 }), pixels, is_log: false }
    }

    /// Doubling is even. Widened to whole steps of 1-2-5 around the values, which have to be positive.
    pub(super) fn log(values: Point, pixels: Point) -> Self {
        let (from, to) = (values.0.max(1e-3), values.1.max(2e-3));
        let below = steps(from.log10().floor() as i32 - 1, from.log10().ceil() as i32);
        let above = steps(to.log10().floor() as i32, to.log10().ceil() as i32 + 1);
        let from = below.iter().rev().find(|step| **step <= from * 1.001).copied().unwrap_or(from);
        let to = above.iter().find(|step| **step >= to * 0.999).copied().unwrap_or(to);
        Self { values: (from, to.max(from * 2.0)), pixels, is_log: true }
    }

    /// Pixel of a value; what lies outside is at the edge.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = self.share(value).clamp(0.0, 1.0);
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    /// 0 at the start of the scale, 1 at its end.
    pub(super) fn share(&self, value: f64) -> f64 {
        let (from, to) = self.values;
        if self.is_log {
            (value.max(1e-9) / from).ln() / (to / from).ln()
        } else {
            (value - from) / (to - from)
        }
    }

    /// Values that are labelled, about `n` at most.
    pub(super) fn ticks(&self, n: usize) -> Vec<f64> {
        let (from, to) = self.values;
        if !self.is_log {
            return even(from, to, n);
        }
        let all = steps(from.log10().floor() as i32, to.log10().ceil() as i32);
        let inside: Vec<f64> =
            all.into_iter().filter(|step| (from * 0.999..=to * 1.001).contains(step)).collect();
        if inside.len() <= n {
            return inside;
        }
        inside.into_iter().filter(|step| (step.log10() - step.log10().round()).abs() < 1e-6).collect()
    }
}

/// Lines across the chart with labels left of it.
pub(super) fn left(svg: &mut Svg, plot: Area, scale: &Scale, say: impl Fn(f64) -> String) {
    for tick in scale.ticks(9) {
        let y = scale.at(tick);
        svg.line("grid", (plot.left, y), (plot.right(), y));
        svg.text("tick", (plot.left - 8.0, y + 4.0), Anchor::End, &say(tick));
    }
}

/// Labels below the chart, with small lines.
pub(super) fn bottom(svg: &mut Svg, plot: Area, scale: &Scale, ticks: &[f64], say: impl Fn(f64) -> String) {
    svg.line("axis", (plot.left, plot.bottom()), (plot.right(), plot.bottom()));
    for tick in ticks {
        let x = scale.at(*tick);
        svg.line("axis", (x, plot.bottom()), (x, plot.bottom() + 4.0));
        svg.text("tick", (x, plot.bottom() + 19.0), Anchor::Middle, &say(*tick));
    }
}

/// 1, 2 and 5 of each power of ten.
fn steps(from: i32, to: i32) -> Vec<f64> {
    (from..=to).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10_f64.powi(power))).collect()
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn even(from: f64, to: f64, n: usize) -> Vec<f64> {
    let rough = (to - from) / n.max(1) as f64;
    let power = rough.log10().floor() as i32;
    let step = steps(power, power + 1).into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough);
    let first = (from / step - 1e-9).ceil();
    (0..=n).map(|idx| (first + idx as f64) * step).take_while(|tick| *tick <= to + step * 1e-6).collect()
}

/// Whole seconds, minutes or hours for a clock, about `n` at most.
pub(super) fn clock_ticks(secs: f64, n: usize) -> Vec<f64> {
    const STEPS: [f64; 16] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
        14_400.0, 28_800.0,
    ];
    let rough = secs / n.max(1) as f64;
    let step = STEPS.into_iter().find(|step| *step >= rough).unwrap_or(rough);
    (0..=n).map(|idx| idx as f64 * step).take_while(|tick| *tick <= secs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_reach_round_values_and_keep_order() {
        let scale = Scale::log((87.0, 4_300.0), (300.0, 0.0));
        assert_eq!((scale.at(50.0), scale.at(5_000.0)), (300.0, 0.0));
        assert!((scale.at(500.0) - 150.0).abs() < 1e-9, "the middle of 50 and 5 000");
        assert_eq!((scale.at(1.0), scale.at(1e9)), (300.0, 0.0), "what lies outside is at the edge");
        assert_eq!(scale.ticks(9), [50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0]);
        assert_eq!(
            Scale::log((1.0, 90_000.0), (0.0, 1.0)).ticks(9),
            [1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0]
        );
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(Scale::linear((0.0, 24.0), (0.0, 1.0)).ticks(6), [0.0, 5.0, 10.0, 15.0, 20.0]);
        assert_eq!(Scale::linear((7.0, 7.0), (0.0, 1.0)).at(7.0), 0.0);
        assert_eq!(clock_ticks(300.0, 6), [0.0, 60.0, 120.0, 180.0, 240.0, 300.0]);
        assert_eq!(clock_ticks(0.0, 6), [0.0]);
    }
}

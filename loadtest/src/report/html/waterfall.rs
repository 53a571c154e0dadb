//! Where the time goes: stages of the server one after the other, as it states them itself.

use super::axes::{self, Scale};
use super::svg::{Anchor, Area, Svg};
use crate::report::{Report, say};

const ROW: f64 = 30.0;
const LEFT: f64 = 190.0;
const WIDTH: f64 = 660.0;

/// The chart; empty where the server states nothing.
pub(super) fn chart(report: &Report) -> String {
    let total: f64 = report.stages.iter().map(|stage| stage.mean_ms.max(0.0)).sum();
    if total <= 0.0 {
        return String::new();
    }
    let plot = Area { left: LEFT, top: 8.0, width: WIDTH, height: ROW * (report.stages.len() + 1) as f64 };
    let say = |stage: &crate::report::Stage| format!("{} {}.", stage.name, say::duration(stage.mean_ms));
    let description: Vec<String> = report.stages.iter().map(say).collect();
    let size = (960.0, plot.bottom() + 30.0);
    let mut svg = Svg::new("waterfall", "Stages of the server", &description.join(" "), size);
    let x = Scale::linear((0.0, total), (plot.left, plot.right()));
    let ticks = x.ticks(7);
    ticks.iter().for_each(|tick| svg.line("grid", (x.at(*tick), plot.top), (x.at(*tick), plot.bottom())));
    axes::bottom(&mut svg, plot, &x, &ticks, say::duration);
    let mut before = 0.0;
    for (idx, stage) in report.stages.iter().enumerate() {
        let mean = stage.mean_ms.max(0.0);
        let tip = format!("{}: {} of {}", stage.name, say::duration(mean), say::duration(total));
        row(&mut svg, (idx, &stage.name, "bar"), (x.at(before), x.at(before + mean)), &tip, mean);
        before += mean;
    }
    row(&mut svg, (report.stages.len(), "together", "total"), (x.at(0.0), x.at(total)), "", total);
    svg.finish()
}

fn row(svg: &mut Svg, (idx, name, class): (usize, &str, &str), (from, to): (f64, f64), tip: &str, mean: f64) {
    let top = 8.0 + ROW * idx as f64;
    svg.text("row", (LEFT - 14.0, top + ROW / 2.0 + 4.0), Anchor::End, name);
    let area = Area { left: from, top: top + 6.0, width: (to - from).max(1.5), height: ROW - 12.0 };
    svg.rect_told(class, area, tip);
    svg.text("value", (to + 8.0, top + ROW / 2.0 + 4.0), Anchor::Start, &say::duration(mean));
}

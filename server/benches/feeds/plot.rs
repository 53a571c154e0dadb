//! A plot, as SVG: latencies and coverage by the number of feeds, and the knee. Knows nothing of how they are measured.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use crate::figures::{BAR_SECS, Figures};
use crate::{system, table};

/// The page, and the frame of the axes in it.
const PAGE: (f64, f64) = (1_000.0, 560.0);
const LEFT: f64 = 80.0;
const RIGHT: f64 = 720.0;
const TOP: f64 = 100.0;
const BOTTOM: f64 = 490.0;
/// Where the legend begins.
const LEGEND: (f64, f64) = (815.0, 120.0);
/// Ticks of latency, s; those of the data's range are shown.
const TICKS_SECS: [f64; 12] = [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];
/// Least distance of two ticks.
const TICK_DISTANCE: f64 = 22.0;

const WORDS: &str = "#1f5fbf";
const FINALS: &str = "#d0661b";
const COVERAGE: &str = "#2c8a3d";
const KNEE: &str = "#a01030";

/// A curve: its name, its look, and its value in a line.
struct Curve {
    name: &'static str,
    colour: &'static str,
    dashes: &'static str,
    value: fn(&Figures) -> f64,
}

/// p95, which is promised, is the solid one.
const LATENCIES: [Curve; 6] = [
    Curve { name: "word first seen, p50", colour: WORDS, dashes: "2 4", value: |line| line.words[0] },
    Curve { name: "word first seen, p95", colour: WORDS, dashes: "", value: |line| line.words[1] },
    Curve { name: "word first seen, p99", colour: WORDS, dashes: "9 4", value: |line| line.words[2] },
    Curve { name: "final, p50", colour: FINALS, dashes: "2 4", value: |line| line.finals[0] },
    Curve { name: "final, p95", colour: FINALS, dashes: "", value: |line| line.finals[1] },
    Curve { name: "final, p99", colour: FINALS, dashes: "9 4", value: |line| line.finals[2] },
];

/// Writes the plot of `lines` to `path`, or from the root of the workspace to it: where it is then.
pub(crate) fn write(path: &Path, title: &str, lines: &[Figures]) -> io::Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let mut lines: Vec<&Figures> = lines.iter().collect();
    lines.sort_by_key(|line| line.n_feeds);
    std::fs::write(&path, Plot::new(lines).draw(title))?;
    path.canonicalize()
}

struct Plot<'a> {
    lines: Vec<&'a Figures>,
    n_feeds_max: f64,
    /// Least and largest latency, s.
    secs: (f64, f64),
    /// Where the axis of coverage begins.
    coverage_min: f64,
    svg: String,
}

impl<'a> Plot<'a> {
    fn new(lines: Vec<&'a Figures>) -> Self {
        let values = || LATENCIES.iter().flat_map(|curve| lines.iter().map(|line| (curve.value)(line)));
        let seen = || values().filter(|secs| secs.is_finite() && *secs > 0.0);
        let (least, largest) = (seen().fold(1.0, f64::min), seen().fold(2.0 * BAR_SECS, f64::max));
        let below = TICKS_SECS.iter().rev().find(|tick| **tick <= least).copied();
        let above = TICKS_SECS.iter().find(|tick| **tick >= largest).copied();
        let coverage = lines.iter().map(|line| line.coverage()).fold(0.9, f64::min);
        Self {
            n_feeds_max: lines.last().map_or(1.0, |line| line.n_feeds as f64 * 1.04),
            secs: (below.unwrap_or(TICKS_SECS[0]), above.unwrap_or(largest)),
            coverage_min: (coverage * 10.0).floor() / 10.0,
            lines,
            svg: String::new(),
        }
    }

    fn draw(mut self, title: &str) -> String {
        let (width, height) = PAGE;
        self.put(&format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" fill="#222">
<rect width="100%" height="100%" fill="white"/>"##
        ));
        self.text(
            (LEFT, 30.0),
            "start",
            r#" font-size="17" font-weight="bold""#,
            "Latency and coverage by number of feeds",
        );
        self.text((LEFT, 52.0), "start", r##" fill="#555""##, &format!("{}; {title}", system::machine()));
        self.axes();
        self.knee();
        for (idx, curve) in LATENCIES.iter().enumerate() {
            let points = self.points(|plot, line| plot.y_secs((curve.value)(line)));
            self.curve(&points, curve.colour, curve.dashes);
            self.entry(idx, curve.colour, curve.dashes, curve.name);
        }
        let points = self.points(|plot, line| plot.y_coverage(line.coverage()));
        self.curve(&points, COVERAGE, "");
        for (x, y) in &points {
            let (x, y) = (x - 4.0, y - 4.0);
            self.put(&format!(r#"<rect x="{x:.1}" y="{y:.1}" width="8" height="8" fill="{COVERAGE}"/>"#));
        }
        self.entry(LATENCIES.len() + 1, COVERAGE, "", "coverage (right)");
        self.entry(LATENCIES.len() + 2, KNEE, "5 4", "promised: 3 s");
        self.put("</svg>");
        self.svg
    }

    fn axes(&mut self) {
        let (width, height) = (RIGHT - LEFT, BOTTOM - TOP);
        let frame = format!(
            r##"<rect x="{LEFT}" y="{TOP}" width="{width}" height="{height}" fill="none" stroke="#888"/>"##
        );
        self.put(&frame);
        let (least, largest) = self.secs;
        for tick in TICKS_SECS.into_iter().filter(|tick| (least..=largest).contains(tick)) {
            let y = self.y_secs(tick);
            self.line((LEFT, y), (RIGHT, y), r##"stroke="#e2e2e2""##);
            self.text((LEFT - 8.0, y + 4.0), "end", "", &tick.to_string());
        }
        for tick in 0..=5 {
            let share = self.coverage_min + (1.0 - self.coverage_min) * f64::from(tick) / 5.0;
            let y = self.y_coverage(share);
            self.line((RIGHT, y), (RIGHT + 5.0, y), r##"stroke="#888""##);
            let label = format!("{:.0} %", share * 100.0);
            self.text((RIGHT + 9.0, y + 4.0), "start", &format!(r#" fill="{COVERAGE}""#), &label);
        }
        let mut last = f64::NEG_INFINITY;
        for n_feeds in self.lines.iter().map(|line| line.n_feeds).collect::<Vec<_>>() {
            let x = self.x(n_feeds);
            if x - last >= TICK_DISTANCE {
                self.line((x, BOTTOM), (x, BOTTOM + 5.0), r##"stroke="#888""##);
                self.text((x, BOTTOM + 20.0), "middle", "", &n_feeds.to_string());
                last = x;
            }
        }
        self.text(
            (f64::midpoint(LEFT, RIGHT), BOTTOM + 45.0),
            "middle",
            "",
            "feeds of speech at the same time",
        );
        let middle = f64::midpoint(TOP, BOTTOM);
        self.turned((26.0, middle), -90, "", "latency, s (logarithmic)");
        self.turned((788.0, middle), 90, &format!(r#" fill="{COVERAGE}""#), "coverage: share of words heard");
    }

    /// The bar, and the largest number of feeds that keeps it.
    fn knee(&mut self) {
        let y = self.y_secs(BAR_SECS);
        let look = format!(r#"stroke="{KNEE}" stroke-dasharray="5 4""#);
        self.line((LEFT, y), (RIGHT, y), &look);
        let knee = table::knee(self.lines.iter().copied(), Figures::is_kept);
        let label = knee.map_or("no knee: the promise is never kept".to_owned(), |n_feeds| {
            format!("knee: {n_feeds} feeds with word p95 ≤ 3 s and nothing lost")
        });
        let x = knee.map_or(f64::midpoint(LEFT, RIGHT), |n_feeds| self.x(n_feeds));
        if knee.is_some() {
            self.line((x, TOP - 10.0), (x, BOTTOM), &format!(r#"stroke="{KNEE}" stroke-width="1.5""#));
        }
        // Kept within the frame, whatever its length.
        let x = x.clamp(LEFT + 180.0, RIGHT - 180.0);
        self.text((x, TOP - 15.0), "middle", &format!(r#" fill="{KNEE}""#), &label);
    }

    fn points(&self, y: impl Fn(&Self, &Figures) -> f64) -> Vec<(f64, f64)> {
        let points = self.lines.iter().map(|line| (self.x(line.n_feeds), y(self, line)));
        points.filter(|(_, y)| y.is_finite()).collect()
    }

    fn curve(&mut self, points: &[(f64, f64)], colour: &str, dashes: &str) {
        let text: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = text.join(" ");
        self.put(&format!(
            r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>"#
        ));
    }

    /// A line of the legend.
    fn entry(&mut self, idx: usize, colour: &str, dashes: &str, name: &str) {
        let (x, y) = (LEGEND.0, LEGEND.1 + 24.0 * idx as f64);
        self.curve(&[(x, y), (x + 30.0, y)], colour, dashes);
        self.text((x + 38.0, y + 4.0), "start", "", name);
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), look: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.put(&format!(r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" {look}/>"#));
    }

    fn text(&mut self, (x, y): (f64, f64), anchor: &str, look: &str, text: &str) {
        let text = escape(text);
        self.put(&format!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}"{look}>{text}</text>"#));
    }

    fn turned(&mut self, (x, y): (f64, f64), degrees: i32, look: &str, text: &str) {
        let look = format!(r#" transform="rotate({degrees} {x:.1} {y:.1})"{look}"#);
        self.text((x, y), "middle", &look, text);
    }

    fn put(&mut self, element: &str) {
        // A string takes everything.
        let _ = writeln!(self.svg, "{element}");
    }

    fn x(&self, n_feeds: usize) -> f64 {
        LEFT + (RIGHT - LEFT) * n_feeds as f64 / self.n_feeds_max
    }

    fn y_secs(&self, secs: f64) -> f64 {
        let (least, largest) = self.secs;
        BOTTOM - (BOTTOM - TOP) * (secs / least).ln() / (largest / least).ln()
    }

    fn y_coverage(&self, share: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * (share - self.coverage_min) / (1.0 - self.coverage_min)
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

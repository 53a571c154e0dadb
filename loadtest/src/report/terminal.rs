//! What is said while a run goes on, and the table at its end. Writes to what it is given and reads no clock: each view
//! carries its time.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::baseline::Change;
use super::say;
use super::{Objective, Report, Verdict};
use crate::mode::Progress;

/// Without a terminal one line in so long is enough for a log.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Width of tables where nobody says.
const N_COLUMNS: usize = 100;

/// What the place can show that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns; `None` is no terminal: nothing is redrawn.
    pub columns: Option<usize>,
    /// Whether colours are wanted.
    pub colours: bool,
}

impl Style {
    /// Of standard error, which the live view is written to. `NO_COLOR` is respected (no-color.org).
    #[must_use]
    pub fn of_stderr() -> Self {
        let is_terminal = io::stderr().is_terminal();
        let width =
            || terminal_size::terminal_size_of(io::stderr()).map_or(N_COLUMNS, |(width, _)| width.0.into());
        Self { columns: is_terminal.then(width), colours: is_terminal && wants_colours() }
    }

    /// Of standard output, which tables are written to.
    #[must_use]
    pub fn of_stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let width =
            || terminal_size::terminal_size_of(io::stdout()).map_or(N_COLUMNS, |(width, _)| width.0.into());
        Self { columns: is_terminal.then(width), colours: is_terminal && wants_colours() }
    }

    fn paint(self, colour: Colour, text: &str) -> String {
        if self.colours { format!("\u{1b}[{}m{text}\u{1b}[0m", colour as u8) } else { text.to_owned() }
    }
}

fn wants_colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// ECMA-48, 8.3.117.
#[derive(Clone, Copy)]
enum Colour {
    Bold = 1,
    Faint = 2,
    Red = 31,
    Green = 32,
    Yellow = 33,
}

/// The live view.
pub struct Live<W> {
    out: W,
    style: Style,
    n_lines: usize,
    said_at: Option<Duration>,
}

impl<W: Write> Live<W> {
    /// Nothing is written yet.
    pub const fn new(out: W, style: Style) -> Self {
        Self { out, style, n_lines: 0, said_at: None }
    }

    /// Shows how it goes: in place on a terminal, elsewhere a line every 10 s of the run. Time that went back is a new run.
    pub fn tell(&mut self, progress: &Progress) -> io::Result<()> {
        let Some(columns) = self.style.columns else { return self.line(progress) };
        let view = view(progress, columns, self.style);
        self.clear()?;
        for line in &view {
            writeln!(self.out, "{line}")?;
        }
        self.n_lines = view.len();
        self.out.flush()
    }

    /// Takes the view away again, for what comes next.
    pub fn clear(&mut self) -> io::Result<()> {
        if self.n_lines > 0 {
            // Up, to the first column, and everything below gone: ECMA-48, CPL and ED.
            write!(self.out, "\u{1b}[{}F\u{1b}[J", self.n_lines)?;
        }
        self.n_lines = 0;
        self.out.flush()
    }

    fn line(&mut self, progress: &Progress) -> io::Result<()> {
        let again = |said| progress.at < said || progress.at >= said + LINE_EVERY;
        if self.said_at.is_none_or(again) {
            self.said_at = Some(progress.at);
            writeln!(self.out, "{}", summary(progress))?;
        }
        self.out.flush()
    }
}

/// One line for a log.
fn summary(progress: &Progress) -> String {
    let (at, of) = (say::clock(progress.at.as_secs_f64()), say::clock(progress.of.as_secs_f64()));
    let figures: String = progress
        .score
        .figures
        .iter()
        .filter(|(_, (latencies, _))| latencies.count() > 0)
        .map(|(figure, (latencies, _))| {
            let at = |share| latency(latencies.quantile(share));
            format!(", {} p50 {} p99 {}", figure.name(), at(0.5), at(0.99))
        })
        .collect();
    format!("{at} of {of}, {} feeds{figures}, {}", progress.n_feeds, foot(progress))
}

fn view(progress: &Progress, columns: usize, style: Style) -> Vec<String> {
    let share = progress.at.as_secs_f64() / progress.of.as_secs_f64().max(1e-9);
    let (at, of) = (say::clock(progress.at.as_secs_f64()), say::clock(progress.of.as_secs_f64()));
    let around = format!("{at} / {of}  {} feeds", progress.n_feeds);
    let bar = bar(share, columns.saturating_sub(around.chars().count() + 4).min(60));
    let mut lines = vec![cut(&format!("  {bar}  {around}"), columns)];
    let head =
        format!("  {:<24} {:>9} {:>9} {:>9} {:>8} {:>7}", "", "p50", "p99", "slowest", "facts", "never");
    lines.push(style.paint(Colour::Faint, &cut(&head, columns)));
    for (figure, (latencies, _)) in &progress.score.figures {
        let at =
            |share| if latencies.count() == 0 { "-".to_owned() } else { latency(latencies.quantile(share)) };
        let (n, n_never) = (say::count(latencies.count()), say::count(latencies.n_never()));
        let row = format!(
            "  {:<24} {:>9} {:>9} {:>9} {n:>8} {n_never:>7}",
            figure.name(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
        let row = cut(&row, columns);
        lines.push(if latencies.n_never() > 0 { style.paint(Colour::Yellow, &row) } else { row });
    }
    lines.push(cut(&format!("  {}", foot(progress)), columns));
    lines
}

fn foot(progress: &Progress) -> String {
    let lateness = &progress.generator.lateness;
    let late = if lateness.count() == 0 { "-".to_owned() } else { latency(lateness.quantile(0.999)) };
    let ratio = progress.score.coverage.ratio();
    let coverage = say::percent(ratio.is_finite().then_some(ratio));
    format!("coverage {coverage}, own lateness p99.9 {late}")
}

fn bar(share: f64, columns: usize) -> String {
    let n_done = ((share.clamp(0.0, 1.0) * columns as f64).round() as usize).min(columns);
    format!("{}{}", "\u{2588}".repeat(n_done), "\u{2591}".repeat(columns - n_done))
}

/// A line that wrapped could not be taken away again.
fn cut(line: &str, columns: usize) -> String {
    line.chars().take(columns.max(1)).collect::<String>().trim_end().to_owned()
}

fn latency(latency: Option<Duration>) -> String {
    say::latency(latency.map(|latency| latency.as_secs_f64() * 1e3))
}

/// The table at the end: each objective and whether it holds, then the numbers. With a newline at its end.
#[must_use]
pub fn table(report: &Report, style: Style) -> String {
    let mut lines = vec![String::new()];
    lines.extend(report.objectives.iter().map(|one| objective(report, one, style)));
    if !report.objectives.is_empty() {
        lines.push(String::new());
    }
    let heads = ["p50", "p95", "p99", "max", "facts", "never"].map(|head| format!("{head:>10}")).concat();
    lines.push(style.paint(Colour::Faint, &format!("  {:<22}{heads}", "latency of")));
    for figure in &report.figures {
        let values = figure.latency.percentiles;
        let mut cells = [values.p50, values.p95, values.p99, values.max]
            .map(|value| if figure.latency.n == 0 { "-".to_owned() } else { say::latency(value) })
            .to_vec();
        cells.extend([say::count(figure.latency.n), say::count(figure.latency.n_never)]);
        let cells: String = cells.iter().map(|cell| format!("{cell:>10}")).collect();
        lines.push(format!("  {:<22}{cells}", figure.name));
    }
    let (words, coverage) = (say::percent(report.words.error_rate), say::percent(report.coverage.ratio));
    let late = match report.generator.lateness.n {
        0 => "-".to_owned(),
        _ => say::latency(report.generator.lateness.percentiles.p99_9),
    };
    lines.push(String::new());
    lines.push(format!("  word error rate {words}, coverage {coverage}, own lateness p99.9 {late}"));
    lines.push(format!("  {}", verdict(report, style)));
    lines.join("\n") + "\n"
}

fn objective(report: &Report, objective: &Objective, style: Style) -> String {
    let (verdict, colour) =
        if objective.met { ("holds", Colour::Green) } else { ("DOES NOT HOLD", Colour::Red) };
    let verdict = style.paint(colour, &format!("{verdict:<13}"));
    let (measured, bound) = (say::measured(report, objective), say::in_unit(objective.bound, objective.unit));
    format!("  {verdict}  {:<34}  {measured:>15}  {} {bound}", objective.name, objective.operator)
}

fn verdict(report: &Report, style: Style) -> String {
    let (colour, text) = match report.verdict {
        Verdict::Met => (Colour::Green, "all objectives met".to_owned()),
        Verdict::Missed => {
            let n_missed = report.objectives.iter().filter(|objective| !objective.met).count();
            (Colour::Red, format!("{n_missed} of {} objectives missed", report.objectives.len()))
        }
        Verdict::Saturated => {
            (Colour::Yellow, "generator saturated: these numbers are not about the server".to_owned())
        }
        Verdict::Unjudged => (Colour::Bold, "no objectives".to_owned()),
    };
    let feeds = match report.capacity {
        Some(capacity) => format!(", capacity {capacity} feeds"),
        None => format!(", {} feeds", report.n_feeds),
    };
    style.paint(colour, &text) + &feeds
}

/// The table of a comparison with an earlier report.
#[must_use]
pub fn comparison(changes: &[Change], style: Style) -> String {
    let say = |change: &Change, value: f64| match change.name.as_str() {
        "capacity" => format!("{value:.0}"),
        "coverage" | "error_rate" => say::percent(value.is_finite().then_some(value)),
        _ => say::latency(value.is_finite().then_some(value)),
    };
    let line = |change: &Change| {
        let (verdict, colour) = match change {
            Change { regressed: true, .. } => ("REGRESSED", Colour::Red),
            Change { is_noise: true, .. } => ("noise", Colour::Faint),
            Change { worse_by, .. } if *worse_by < 0.0 => ("better", Colour::Green),
            _ => ("holds", Colour::Green),
        };
        let (before, after) = (say(change, change.before), say(change, change.after));
        let worse_by = if change.worse_by.is_finite() {
            format!("{:+.1} %", change.worse_by * 100.0)
        } else {
            "+\u{221e}".to_owned()
        };
        let verdict = style.paint(colour, &format!("{verdict:<9}"));
        format!("  {verdict}  {:<34} {before:>12} -> {after:<12} {worse_by:>10}\n", change.name)
    };
    changes.iter().map(line).collect()
}

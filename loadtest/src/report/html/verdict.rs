//! The top of the page: what came of it, in a sentence, five numbers and a table.

use std::fmt::Write as _;

use super::escape::escape;
use crate::report::{Objective, Report, Unit, Verdict, say};

/// Banner, tiles and the table of objectives.
pub(super) fn section(report: &Report) -> String {
    format!("{}{}{}", banner(report), tiles(report), objectives(report))
}

fn banner(report: &Report) -> String {
    let n_all = report.objectives.len();
    let n_missed = report.objectives.iter().filter(|objective| !objective.met).count();
    let (class, sign, text) = match report.verdict {
        Verdict::Met if n_all == 1 => ("good", "\u{2713}", "The objective was met".to_owned()),
        Verdict::Met => ("good", "\u{2713}", format!("All {n_all} objectives were met")),
        Verdict::Missed => ("bad", "\u{2717}", format!("{n_missed} of {n_all} objectives missed")),
        Verdict::Saturated => (
            "warn",
            "!",
            "The load generator was late: these numbers are about it, not about the server".to_owned(),
        ),
        Verdict::Unjudged => ("calm", "i", "Measured, not judged: there were no objectives".to_owned()),
    };
    let feeds = if report.n_feeds == 1 {
        "1 feed".to_owned()
    } else {
        format!("{} feeds", say::count(report.n_feeds as u64))
    };
    format!(
        "<section class=\"banner {class}\" aria-label=\"Verdict\"><span class=\"sign\" aria-hidden=\"true\">{sign}</span>\
         <div><p class=\"verdict\">{text}</p><p>{feeds}, {} each, against <b>{}</b> at <code>{}</code></p></div></section>",
        say::span(report.length_s),
        escape(&report.target.kind),
        escape(&report.target.address),
    )
}

fn tiles(report: &Report) -> String {
    let mut html = "<ul class=\"tiles\">".to_owned();
    let mut tile = |name: &str, value: &str, more: &str| {
        let (name, value, more) = (escape(name), escape(value), escape(more));
        let _infallible = write!(html, "<li><span>{name}</span><b>{value}</b><small>{more}</small></li>");
    };
    match report.capacity {
        Some(capacity) => tile("capacity", &format!("{capacity} feeds"), "all objectives held up to here"),
        None if report.steps.is_empty() => {
            tile("feeds", &say::count(report.n_feeds as u64), "at once, real time")
        }
        None => tile("capacity", "none", "no number of feeds met all objectives"),
    }
    let main = report.figure("transcript.final").or_else(|| report.figures.first());
    if let Some(figure) = main {
        let values = figure.latency.percentiles;
        let more = format!("p50 {}, p99 {}", say::latency(values.p50), say::latency(values.p99));
        tile(&format!("{}, p95", figure.name), &say::latency(values.p95), &more);
    }
    let n_gaps: u64 = report.gaps.values().sum();
    let gaps = format!("{} s in {} gaps", say::digits(report.coverage.in_gaps_s), say::count(n_gaps));
    tile("audio analysed", &say::percent(report.coverage.ratio), &gaps);
    let lost = report.words.deleted.saturating_sub(report.words.in_gaps);
    let more = format!("{} of {} words lost without a gap", say::count(lost), say::count(report.words.said));
    tile("word error rate", &say::percent(report.words.error_rate), &more);
    let generator = &report.generator;
    let late = if generator.lateness.n == 0 {
        "\u{2013}".to_owned()
    } else {
        say::latency(generator.lateness.percentiles.p99_9)
    };
    tile(
        "lateness, p99.9",
        &late,
        &format!("of the generator; {} allowed", say::duration(generator.allowed_ms)),
    );
    html + "</ul>"
}

fn objectives(report: &Report) -> String {
    if report.objectives.is_empty() {
        return String::new();
    }
    let rows: String = report.objectives.iter().map(|objective| row(report, objective)).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\"><table class=\"slo\"><caption class=\"hidden\">Objectives</caption>\
         <thead><tr><th scope=\"col\">objective</th><th scope=\"col\">verdict</th><th scope=\"col\" class=\"n\">bar</th>\
         <th scope=\"col\" class=\"n\">measured</th><th scope=\"col\">used</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

fn row(report: &Report, objective: &Objective) -> String {
    let (class, verdict) = if objective.met { ("good", "\u{2713} met") } else { ("bad", "\u{2717} missed") };
    format!(
        "<tr class=\"{class}\"><th scope=\"row\"><code>{}</code></th><td class=\"state\">{verdict}</td>\
         <td class=\"n\">{} {}</td><td class=\"n\">{}</td><td>{}</td></tr>",
        escape(&objective.name),
        escape(&objective.operator),
        say::in_unit(objective.bound, objective.unit),
        say::measured(report, objective),
        used(objective).map_or_else(String::new, meter),
    )
}

/// How much of what is allowed was used, 1 is all: of the latency, or of the share that may be missing. `None` where nothing
/// is allowed, or nothing was measured.
fn used(objective: &Objective) -> Option<f64> {
    let Objective { measured, bound, unit, .. } = *objective;
    let used = match (measured, objective.operator.as_str()) {
        (Some(measured), "<" | "<=") if bound > 0.0 => measured / bound,
        (Some(measured), ">" | ">=") if unit == Unit::Ratio && bound < 1.0 => {
            (1.0 - measured) / (1.0 - bound)
        }
        (Some(measured), ">" | ">=") if measured > 0.0 => bound / measured,
        (None, "<" | "<=") if !objective.met => f64::INFINITY,
        _ => return None,
    };
    (used >= 0.0).then_some(used)
}

/// Longer than the whole where more was used than is allowed.
fn meter(used: f64) -> String {
    let width = (used * 100.0).clamp(1.0, 130.0);
    let said = match used * 100.0 {
        percent if percent >= 10_000.0 => "\u{221e}".to_owned(),
        percent if percent > 100.0 => format!("{:.0} %", percent.ceil()),
        percent => format!("{percent:.0} %"),
    };
    format!(
        "<svg class=\"meter\" viewBox=\"0 0 190 14\" aria-hidden=\"true\"><rect class=\"room\" y=\"2\" width=\"100\" height=\"10\" rx=\"2\"/>\
         <rect class=\"fill\" y=\"2\" width=\"{width:.1}\" height=\"10\" rx=\"2\"/><path class=\"bar-end\" d=\"M100 0v14\"/>\
         <text x=\"138\" y=\"11.5\">{said}</text></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::synthetic::objective;

    #[test]
    fn what_was_used_is_told_where_something_is_allowed() {
        let check = |operator: &str, bound: f64, measured: Option<f64>, expected: Option<f64>| {
            let unit = if bound < 1.0 { Unit::Ratio } else { Unit::Ms };
            let one = Objective {
                operator: operator.to_owned(),
                bound,
                unit,
                measured,
                ..objective("a:p95", false)
            };
            let close = match (used(&one), expected) {
                (Some(used), Some(expected)) => used == expected || (used - expected).abs() < 1e-9,
                (used, expected) => used.is_none() && expected.is_none(),
            };
            assert!(close, "{operator} {bound} {measured:?}: {:?}", used(&one));
        };
        check("<", 3_000.0, Some(1_500.0), Some(0.5));
        check(">=", 0.99, Some(0.995), Some(0.5));
        check(">=", 12.0, Some(24.0), Some(0.5));
        check("<", 3_000.0, None, Some(f64::INFINITY));
        check("==", 0.0, Some(3.0), None);
        check("<=", 0.0, Some(3.0), None);
        check(">=", 0.99, None, None);
    }
}

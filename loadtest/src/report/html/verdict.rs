//! The top of the page: what came of it, in a sentence, five numbers and a table.

use std::fmt::Write as _;

use super::escape::escape;
use crate::report::{Objective, Report, Unit, Verdict, say};

/// Banner, tiles and the table of objectives.
pub(super) fn section(report: &Report) -> String {
    format!("{}{}{}", banner(report), tiles(report), objectives(&report.objectives))
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

fn objectives(objectives: &[Objective]) -> String {
    if objectives.is_empty() {
        return String::new();
    }
    let rows: String = objectives.iter().map(row).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\"><table class=\"slo\"><caption class=\"hidden\">Objectives</caption>\
         <thead><tr><th scope=\"col\">objective</th><th scope=\"col\">verdict</th><th scope=\"col\" class=\"n\">bar</th>\
         <th scope=\"col\" class=\"n\">measured</th><th scope=\"col\">used</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

fn row(objective: &Objective) -> String {
    let (class, verdict) = if objective.met { ("good", "\u{2713} met") } else { ("bad", "\u{2717} missed") };
    let measured = match (objective.unit, objective.measured) {
        (Unit::Ms, measured) => say::latency(measured),
        (_, None) => "unknown".to_owned(),
        (unit, Some(measured)) => with_unit(measured, unit),
    };
    format!(
        "<tr class=\"{class}\"><th scope=\"row\"><code>{}</code></th><td class=\"state\">{verdict}</td><td class=\"n\">{} {}</td>\
         <td class=\"n\">{measured}</td><td>{}</td></tr>",
        escape(&objective.name),
        escape(&objective.operator),
        with_unit(objective.bound, objective.unit),
        meter(objective),
    )
}

/// With the digits that a bar is written with.
fn with_unit(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ms => say::duration(value),
        Unit::Ratio => say::percent(Some(value)),
        Unit::Count => say::digits(value),
    }
}

/// How much of what is allowed was used: of the latency, or of the share that may be missing. Longer than the whole where
/// the objective was missed.
fn meter(objective: &Objective) -> String {
    let used = match (objective.measured, objective.operator.starts_with('<'), objective.unit) {
        (None, ..) => f64::INFINITY,
        (Some(measured), true, _) => measured / objective.bound,
        (Some(measured), false, Unit::Ratio) => (1.0 - measured) / (1.0 - objective.bound),
        (Some(measured), false, _) => objective.bound / measured,
    };
    if used.is_nan() {
        return String::new();
    }
    let width = (used * 100.0).clamp(1.0, 130.0);
    let said = if used.is_finite() && used < 99.995 {
        format!("{:.0} %", used * 100.0)
    } else {
        "\u{221e}".to_owned()
    };
    format!(
        "<svg class=\"meter\" viewBox=\"0 0 190 14\" aria-hidden=\"true\"><rect class=\"room\" y=\"2\" width=\"100\" height=\"10\" rx=\"2\"/>\
         <rect class=\"fill\" y=\"2\" width=\"{width:.1}\" height=\"10\" rx=\"2\"/><path class=\"bar-end\" d=\"M100 0v14\"/>\
         <text x=\"138\" y=\"11.5\">{said}</text></svg>"
    )
}

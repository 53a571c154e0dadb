//! Tables: latencies by figure, words, gaps, marks, runs of a search, and where all of it comes from.

use std::fmt::Write as _;

use super::escape::escape;
use super::palette::series;
use crate::report::{Figure, Percentiles, Report, Step, say};

/// Percentiles and counts of each figure. Percentiles that are above all but the last fact are set apart: they say no more
/// than the maximum.
pub(super) fn figures(report: &Report) -> String {
    let heads =
        Percentiles::SHARES.map(|(name, _)| format!("<th scope=\"col\" class=\"n\">{name}</th>")).concat();
    let counts = ["facts", "late", "never", "twice", "wrong", "early"]
        .map(|name| format!("<th scope=\"col\" class=\"n\">{name}</th>"))
        .concat();
    let rows: String = report.figures.iter().enumerate().map(|(idx, one)| figure(idx, one)).collect();
    format!(
        "<table><thead><tr><th scope=\"col\">latency of</th>{heads}{counts}</tr></thead><tbody>{rows}</tbody></table>"
    )
}

fn figure(idx: usize, figure: &Figure) -> String {
    let n = figure.latency.n as f64;
    let mut cells = String::new();
    for ((_, share), value) in Percentiles::SHARES.iter().zip(figure.latency.percentiles.values()) {
        let is_max = *share < 1.0 && n * (1.0 - share) < 1.0;
        let class = if is_max { "n few" } else { "n" };
        let text = if figure.latency.n == 0 { "\u{2013}".to_owned() } else { say::latency(value) };
        let _infallible = write!(cells, "<td class=\"{class}\">{text}</td>");
    }
    let counts = figure.counts;
    for n in [counts.expected, counts.late, counts.missing, counts.duplicate, counts.wrong, counts.early] {
        let _infallible = write!(cells, "<td class=\"n\">{}</td>", say::count(n));
    }
    let swatch = format!("<span class=\"swatch {}\" aria-hidden=\"true\"></span>", series(idx));
    format!("<tr><th scope=\"row\">{swatch}{}</th>{cells}</tr>", escape(&figure.name))
}

/// Words and coverage, side by side with gaps.
pub(super) fn words(report: &Report) -> String {
    let (words, coverage) = (&report.words, &report.coverage);
    let lost = words.deleted.saturating_sub(words.in_gaps);
    let of_said = |n: u64| {
        let share = (words.said > 0).then(|| n as f64 / words.said as f64);
        format!("{} <small>{}</small>", say::count(n), say::percent(share))
    };
    let of_shown = (words.shown > 0).then(|| words.retracted as f64 / words.shown as f64);
    let left = pairs(&[
        ("said in the audio", say::count(words.said)),
        ("heard as another word", of_said(words.substituted)),
        ("not heard, and no gap tells of it", of_said(lost)),
        ("not heard, inside a gap", of_said(words.in_gaps)),
        ("heard, never said", of_said(words.inserted)),
        ("word error rate, without gaps", say::percent(words.error_rate)),
        (
            "shown, then taken back",
            format!("{} <small>{}</small>", say::count(words.retracted), say::percent(of_shown)),
        ),
    ]);
    let mut right = vec![
        ("audio sent", say::span(coverage.sent_s)),
        ("audio in gaps", format!("{} s", say::digits(coverage.in_gaps_s))),
        ("analysed", say::percent(coverage.ratio)),
    ];
    let reasons: Vec<(String, String)> =
        report.gaps.iter().map(|(reason, n)| (format!("gaps: {}", escape(reason)), say::count(*n))).collect();
    right.extend(reasons.iter().map(|(name, n)| (name.as_str(), n.clone())));
    format!("<div class=\"two\">{left}{}</div>", pairs(&right))
}

/// How far to trust the numbers.
pub(super) fn generator(report: &Report) -> String {
    let generator = &report.generator;
    let values = generator.lateness.percentiles;
    let state = if generator.lateness.n == 0 {
        "<p>Nothing was sent.</p>".to_owned()
    } else if generator.saturated {
        format!(
            "<p class=\"note warn\">99.9 % of all audio was to be sent within {} of its due time; it took {}. The generator \
             itself was the bottleneck: use a faster or quieter machine, or fewer feeds.</p>",
            say::duration(generator.allowed_ms),
            say::latency(values.p99_9)
        )
    } else {
        format!(
            "<p>99.9 % of all audio left within {} of its due time ({} allowed): the generator did not distort what was \
             measured.</p>",
            say::latency(values.p99_9),
            say::duration(generator.allowed_ms)
        )
    };
    let held = (generator.pieces > 0).then(|| generator.held_back as f64 / generator.pieces as f64);
    let cores = (report.length_s > 0.0).then(|| say::digits(generator.cpu_s / report.length_s));
    let left: Vec<(&str, String)> = Percentiles::SHARES
        .iter()
        .zip(values.values())
        .filter(|((name, _), _)| ["p50", "p95", "p99", "p99.9", "max"].contains(name))
        .map(|((name, _), value)| {
            (*name, if generator.lateness.n == 0 { "\u{2013}".to_owned() } else { say::latency(value) })
        })
        .collect();
    let right = pairs(&[
        ("pieces of audio sent", say::count(generator.pieces)),
        (
            "held back by the server",
            format!("{} <small>{}</small>", say::count(generator.held_back), say::percent(held)),
        ),
        ("processor", format!("{} s", say::digits(generator.cpu_s))),
        ("cores, on average", cores.unwrap_or_else(|| "\u{2013}".to_owned())),
    ]);
    format!("{state}<div class=\"two\">{}{right}</div>", pairs(&left))
}

/// The list that the numbers in the heat maps are about.
pub(super) fn marks(report: &Report) -> String {
    if report.marks.is_empty() {
        return String::new();
    }
    let item = |mark: &crate::report::Mark| {
        format!("<li><b>{}</b> {}</li>", say::clock(mark.at_s), escape(&mark.what))
    };
    let items: String = report.marks.iter().map(item).collect();
    format!("<ol class=\"marks\">{items}</ol>")
}

/// Each run of a ramp or a search, in the order that they were made.
pub(super) fn steps(report: &Report) -> String {
    let names: Vec<&str> = report.figures.iter().map(|figure| figure.name.as_str()).collect();
    let heads: String =
        names.iter().map(|name| format!("<th scope=\"col\" class=\"n\">{} p95</th>", escape(name))).collect();
    let rows: String =
        report.steps.iter().map(|one| step(one, &names, report.generator.allowed_ms)).collect();
    format!(
        "<table class=\"slo\"><thead><tr><th scope=\"col\" class=\"n\">feeds</th><th scope=\"col\">objectives</th>{heads}\
         <th scope=\"col\" class=\"n\">analysed</th><th scope=\"col\" class=\"n\">word errors</th>\
         <th scope=\"col\" class=\"n\">own lateness</th></tr></thead><tbody>{rows}</tbody></table>"
    )
}

fn step(step: &Step, names: &[&str], allowed_ms: f64) -> String {
    let cells: String = names
        .iter()
        .map(|name| step.percentiles.get(*name))
        .map(|values| values.map_or_else(|| "\u{2013}".to_owned(), |values| say::latency(values.p95)))
        .map(|text| format!("<td class=\"n\">{text}</td>"))
        .collect();
    let (class, verdict) = if step.met {
        ("good", "\u{2713} met".to_owned())
    } else {
        ("bad", format!("\u{2717} {}", escape(&step.missed.join(", "))))
    };
    // Of a run without audio there is no lateness.
    let late = if step.lateness_p99_9.is_some_and(|late| late > allowed_ms) { "n late" } else { "n" };
    format!(
        "<tr class=\"{class}\"><th scope=\"row\" class=\"n\">{}</th><td class=\"state\">{verdict}</td>{cells}\
         <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"{late}\">{}</td></tr>",
        step.n_feeds,
        say::percent(step.coverage),
        say::percent(step.error_rate),
        step.lateness_p99_9.map_or_else(|| "\u{2013}".to_owned(), |late| say::latency(Some(late))),
    )
}

/// Where all of it comes from.
pub(super) fn origin(report: &Report) -> String {
    let (machine, versions) = (&report.machine, &report.versions);
    let known = |text: &Option<String>| text.as_deref().map_or_else(|| "not known".to_owned(), escape);
    let left = pairs(&[
        (
            "server",
            format!(
                "{} <small><code>{}</code></small>",
                escape(&report.target.kind),
                escape(&report.target.address)
            ),
        ),
        ("version", known(&versions.target)),
        ("model", known(&versions.model)),
        ("load test", format!("aircheck-loadtest {}", escape(&versions.loadtest))),
        ("commit", format!("<code>{}</code>", known(&versions.commit))),
        ("started", escape(&report.started_at.to_string())),
    ]);
    let right = pairs(&[
        ("processor", escape(&machine.cpu)),
        ("cores", machine.cores.to_string()),
        ("memory", say::bytes(machine.memory_bytes)),
        ("kernel", format!("<code>{}</code>", escape(&machine.kernel))),
        ("load before the run", say::digits(machine.load_before)),
    ]);
    format!("<div class=\"two\">{left}{right}</div>")
}

/// Values are markup already.
pub(super) fn pairs(rows: &[(&str, String)]) -> String {
    let row = |(name, value): &(&str, String)| {
        format!("<tr><th scope=\"row\">{name}</th><td class=\"n\">{value}</td></tr>")
    };
    format!("<table class=\"pairs\"><tbody>{}</tbody></table>", rows.iter().map(row).collect::<String>())
}

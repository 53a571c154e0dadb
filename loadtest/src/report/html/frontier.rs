//! The page of a comparison: quality, latency and cost of each variant, two and two against each other.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::escape::escape;
use super::page::{Frame, section};
use super::palette::N_SERIES;
use super::scatter::{self, Scatter};
use super::tables::pairs;
use crate::report::frontier::{Frontier, Measure, Point};
use crate::report::say;

const CHARTS: [(&str, Scatter<'static>); 3] = [
    (
        "Quality against latency",
        Scatter {
            id: "wer-latency",
            title: "Word error rate by latency of words",
            across: Measure::Latency,
            up: Measure::ErrorRate,
        },
    ),
    (
        "Quality against cost",
        Scatter {
            id: "wer-cost",
            title: "Word error rate by feeds a core",
            across: Measure::Cost,
            up: Measure::ErrorRate,
        },
    ),
    (
        "Latency against cost",
        Scatter {
            id: "latency-cost",
            title: "Latency of words by feeds a core",
            across: Measure::Cost,
            up: Measure::Latency,
        },
    ),
];

/// One page without requests to anywhere, as that of a run.
#[must_use]
pub fn frontier_page(frontier: &Frontier) -> String {
    let (groups, names) = groups(frontier);
    let mut sections = banner(frontier);
    for (name, chart) in &CHARTS {
        let note = "A dot is a variant, hollow where it missed objectives. The line goes through those that no other beats on \
                    both axes; their numbers are those of the table.";
        let drawn = scatter::chart(chart, frontier, &groups, &names);
        if !drawn.is_empty() {
            sections += &section(name, note, &drawn);
        }
    }
    sections += &section(
        "All variants",
        BEST,
        &format!("<div class=\"scroll\" tabindex=\"0\">{}</div>", table(frontier)),
    );
    sections += &section("Where this comes from", "", &origin(frontier));
    Frame {
        title: &frontier.scenario,
        subtitle: &format!("frontier, {}", frontier.started_at.strftime("%-d %B %Y, %H:%M UTC")),
        footer: "Made from <code>frontier.json</code>; each variant has a report of its own beside it.",
        main: &sections,
    }
    .page()
}

const BEST: &str = "\u{2605}: met its objectives, and none of the others that did is at least as good in word error rate, latency of \
    words and feeds a core. What is chosen should be one of them. Differences of a few words or a tenth of a second may be noise: \
    measure twice.";

/// The colour of each variant, and what colours stand for: the first axis that is not the same everywhere, if there are
/// colours enough.
fn groups(frontier: &Frontier) -> (Vec<usize>, Vec<String>) {
    let values = |point: &Point, axis: &str| {
        point.values.get(axis).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let axes = frontier.variants.iter().flat_map(|point| point.values.keys()).collect::<BTreeSet<_>>();
    let axes = axes.into_iter().map(|axis| {
        let mut names = Vec::new();
        let of = |point: &Point| {
            let value = values(point, axis).unwrap_or_else(|| "others".to_owned());
            names.iter().position(|name| *name == value).unwrap_or_else(|| {
                names.push(value);
                names.len() - 1
            })
        };
        let groups: Vec<usize> = frontier.variants.iter().map(of).collect();
        (groups, names.iter().map(|name| format!("{axis} {name}")).collect::<Vec<_>>(), names)
    });
    // The axis of the most values says the most; among these one of names, not of numbers.
    let axes = axes.filter(|(_, names, _)| (2..=N_SERIES).contains(&names.len()));
    let is_named = |names: &[String]| names.iter().all(|name| name.parse::<f64>().is_err());
    axes.max_by_key(|(_, names, values)| (names.len(), is_named(values)))
        .map(|(groups, names, _)| (groups, names))
        .unwrap_or_else(|| (vec![0; frontier.variants.len()], Vec::new()))
}

fn banner(frontier: &Frontier) -> String {
    let n_all = frontier.variants.len();
    let best: Vec<String> = (1..)
        .zip(&frontier.variants)
        .filter(|(_, point)| point.is_best)
        .map(|(n, _)| n.to_string())
        .collect();
    let (class, sign, text) = match best.len() {
        0 => ("warn", "!", "No variant met its objectives".to_owned()),
        n => ("calm", "\u{2605}", format!("{n} of {n_all} variants are beaten by none")),
    };
    let which = if best.is_empty() { String::new() } else { format!("number {}; ", best.join(", ")) };
    format!(
        "<section class=\"banner {class}\" aria-label=\"Result\"><span class=\"sign\" aria-hidden=\"true\">{sign}</span>\
         <div><p class=\"verdict\">{text}</p><p>{which}each measured by <b>{}</b></p></div></section>",
        escape(&frontier.mode)
    )
}

fn table(frontier: &Frontier) -> String {
    let heads = ["feeds", "word errors", "word p95", "final p95", "analysed", "feeds a core"]
        .map(|name| format!("<th scope=\"col\" class=\"n\">{name}</th>"))
        .concat();
    let rows: String = (1..).zip(&frontier.variants).map(|(number, point)| row(number, point)).collect();
    format!(
        "<table class=\"slo\"><thead><tr><th scope=\"col\" class=\"n\">no.</th><th scope=\"col\">variant</th>{heads}\
         <th scope=\"col\">objectives</th></tr></thead><tbody>{rows}</tbody></table>"
    )
}

fn row(number: usize, point: &Point) -> String {
    let (class, verdict) = match &point.failure {
        None => ("good", "\u{2713} met".to_owned()),
        Some(why) => ("bad", format!("\u{2717} {}", escape(why))),
    };
    let star = if point.is_best { " \u{2605}" } else { "" };
    let secs =
        |secs: Option<f64>| secs.map_or_else(|| "\u{2013}".to_owned(), |secs| say::latency(Some(secs * 1e3)));
    let cost = point.feeds_per_core.map_or_else(|| "\u{2013}".to_owned(), |cost| format!("{cost:.2}"));
    let feeds = if point.n_feeds == 0 { "\u{2013}".to_owned() } else { point.n_feeds.to_string() };
    let numbers = [
        feeds,
        say::percent(point.error_rate),
        secs(point.word_first_seen_p95_s),
        secs(point.final_p95_s),
        say::percent(point.coverage),
        cost,
    ];
    let cells = numbers.iter().fold(String::new(), |mut cells, text| {
        let _infallible = write!(cells, "<td class=\"n\">{text}</td>");
        cells
    });
    format!(
        "<tr class=\"{class}\"><td class=\"n\">{number}{star}</td><th scope=\"row\">{}</th>{cells}<td class=\"why\">{verdict}</td></tr>",
        escape(&point.variant)
    )
}

fn origin(frontier: &Frontier) -> String {
    let (machine, versions) = (&frontier.machine, &frontier.versions);
    let known = |text: &Option<String>| text.as_deref().map_or_else(|| "not known".to_owned(), escape);
    let left = pairs(&[
        ("server", known(&versions.target)),
        ("load test", format!("aircheck-loadtest {}", escape(&versions.loadtest))),
        ("commit", format!("<code>{}</code>", known(&versions.commit))),
        ("started", escape(&frontier.started_at.to_string())),
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

//! The page around it all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::escape::escape;
use super::{capacity, heat, palette, percentile, resources, tables, verdict, waterfall};
use crate::report::{Report, say};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// One page without requests to anywhere: styles, script and charts lie within. Nothing in it runs but its own script.
#[must_use]
pub fn page(report: &Report) -> String {
    let sections: String =
        sections(report).into_iter().map(|(name, note, body)| section(name, note, &body)).collect();
    Frame {
        title: &report.scenario,
        subtitle: &format!("{}, {}", report.mode, started(report)),
        footer: &format!(
            "Made from <code>report.json</code> (<code>{}</code>), which holds every histogram.",
            crate::report::SCHEMA
        ),
        main: &format!("{}{sections}", verdict::section(report)),
    }
    .page()
}

/// What every page has. Title and subtitle are text, the rest is markup.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) subtitle: &'a str,
    pub(super) main: &'a str,
    pub(super) footer: &'a str,
}

impl Frame<'_> {
    pub(super) fn page(&self) -> String {
        let style = format!("{}{STYLE}", palette::css());
        // CSP level 3: only what has these hashes.
        let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
        let policy = format!("default-src 'none'; style-src {}; script-src {}", hash(&style), hash(SCRIPT));
        let (title, subtitle) = (escape(self.title), escape(self.subtitle));
        let Self { main, footer, .. } = self;
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
             <title>{title} \u{2013} aircheck load test</title><style>{style}</style></head><body>\
             <header><div><p class=\"brand\">aircheck load test</p><h1>{title}</h1><p class=\"soft\">{subtitle}</p></div>\
             <button id=\"theme\" type=\"button\" hidden>Dark</button></header><main>{main}</main>\
             <footer><p>{footer}</p></footer>\
             <div id=\"tip\" role=\"status\" hidden></div><script>{SCRIPT}</script></body></html>\n"
        )
    }
}

fn started(report: &Report) -> String {
    report.started_at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

pub(super) fn section(name: &str, note: &str, body: &str) -> String {
    let note = if note.is_empty() { String::new() } else { format!("<p class=\"soft\">{note}</p>") };
    format!("<section class=\"card\"><h2>{name}</h2>{note}{body}</section>")
}

/// Name, what to look for, content; those without content are left out.
fn sections(report: &Report) -> Vec<(&'static str, &'static str, String)> {
    let scroll = |table: String| format!("<div class=\"scroll\" tabindex=\"0\">{table}</div>");
    let curve = capacity::chart(report);
    let curve = if curve.is_empty() { curve } else { curve + &scroll(tables::steps(report)) };
    let maps = heat::charts(report);
    let maps = if maps.is_empty() { maps } else { maps + &tables::marks(report) };
    let all = [
        (
            "Capacity",
            "Each run is a dot, hollow where an objective was missed; lines go through the worst run of each number of feeds.",
            curve,
        ),
        (
            "Latency by percentile",
            "From the moment the audio that proves a fact was due until the fact was told. A line has to pass beneath its \
             diamond (the objective); what never came is infinite and leaves through the top.",
            percentile::chart(report) + &scroll(tables::figures(report)) + FEW,
        ),
        (
            "Latency over time",
            "Each column is what was due then, however late it came: stronger colour, more facts (logarithmic). Red above: \
             never came. Numbers: what was done meanwhile.",
            maps,
        ),
        ("Words and coverage", "", tables::words(report)),
        (
            "Stages of the server",
            "Means that the server states of itself, of what it told; means add up, percentiles do not.",
            waterfall::chart(report),
        ),
        ("What the server took", "", resources::chart(report)),
        ("The generator", "", tables::generator(report)),
        ("Where this comes from", "", tables::origin(report)),
        ("How it was measured", "", method(report)),
    ];
    all.into_iter().filter(|(.., body)| !body.is_empty()).collect()
}

const FEW: &str =
    "<p class=\"soft small\">Grey: fewer facts than such a percentile needs; it is the slowest one.</p>";

fn method(report: &Report) -> String {
    format!(
        "<details><summary>Open loop, due times, infinity, what is not measured</summary><ul>\
         <li><b>Open loop.</b> Every piece of audio of every feed has a due time fixed in advance and is sent then, whatever \
         the server does. A server that stalls does not slow the test down (no coordinated omission).</li>\
         <li><b>Due times.</b> Latency counts from the due time of the last sample that proves a fact, not from when it was \
         sent. When this program is late, that counts against the numbers, and past {} (p99.9) the run does not count at all.</li>\
         <li><b>Infinity.</b> A fact that was never told has infinite latency and takes part in every percentile.</li>\
         <li><b>Histograms.</b> Feeds and slices are merged, never averaged; values are exact to three digits (HdrHistogram).</li>\
         <li><b>Coverage and words.</b> Audio that the server says it did not analyse lowers coverage and not the word error \
         rate; words that vanish without such a gap are errors.</li>\
         <li><b>Not measured.</b> The network between real encoders and the server, encoders themselves, and anything beyond \
         the arrival of a message at this program.</li></ul></details>",
        say::duration(report.generator.allowed_ms)
    )
}

//! Numbers as people read them.

use super::{Objective, Report, Unit};

/// Milliseconds as measured, three digits: `0.24 ms`, `612 ms`, `1.70 s`, `2 min 5 s`; what is infinite never came.
pub(super) fn latency(ms: Option<f64>) -> String {
    ms.map_or_else(|| "\u{221e}".to_owned(), |ms| with_unit(ms, three_digits))
}

/// Milliseconds as chosen by people: `5 ms`, `1.5 s`.
pub(super) fn duration(ms: f64) -> String {
    with_unit(ms, digits)
}

fn with_unit(ms: f64, digits: fn(f64) -> String) -> String {
    match ms {
        0.0 => "0 ms".to_owned(),
        ms if ms < 999.5 => format!("{} ms", digits(ms)),
        ms if ms < 59_950.0 => format!("{} s", digits(ms / 1_000.0)),
        ms => span(ms / 1_000.0),
    }
}

/// What an objective measured; of nothing there is nothing to say, and what never came is infinite.
pub(super) fn measured(report: &Report, objective: &Objective) -> String {
    match (objective.measured, objective.unit) {
        (Some(measured), Unit::Ms) => latency(Some(measured)),
        (Some(measured), _) => in_unit(measured, objective.unit),
        (None, Unit::Ms)
            if !objective.met
                && report.figure(objective.subject()).is_none_or(|figure| figure.latency.n > 0) =>
        {
            latency(None)
        }
        (None, _) => "nothing was due".to_owned(),
    }
}

/// With the digits that a bar is written with.
pub(super) fn in_unit(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ms => duration(value),
        Unit::Ratio => percent(Some(value)),
        Unit::Count => digits(value),
    }
}

/// Seconds in whole ones: `5 min`, `2 min 5 s`, `1 h 30 min`.
pub(super) fn span(secs: f64) -> String {
    let secs = secs.round() as u64;
    let (hours, minutes, seconds) = (secs / 3_600, secs / 60 % 60, secs % 60);
    let parts = [(hours, "h"), (minutes, "min"), (if hours > 0 { 0 } else { seconds }, "s")];
    let said: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    if said.is_empty() { "0 s".to_owned() } else { said.join(" ") }
}

/// Position in a run: `4:07`.
pub(super) fn clock(secs: f64) -> String {
    let secs = secs.max(0.0).round() as u64;
    match secs / 3_600 {
        0 => format!("{}:{:02}", secs / 60, secs % 60),
        hours => format!("{hours}:{:02}:{:02}", secs / 60 % 60, secs % 60),
    }
}

/// Percent with the digits that tell it from 100 %: `99.93 %`; never rounded up to 100 % or down to 0 %.
pub(super) fn percent(share: Option<f64>) -> String {
    let Some(share) = share else { return "\u{2013}".to_owned() };
    let percent = share * 100.0;
    let text = format!("{percent:.2}");
    match text.as_str() {
        "100.00" if share < 1.0 => "> 99.99 %".to_owned(),
        "0.00" if share > 0.0 => "< 0.01 %".to_owned(),
        text => format!("{text} %"),
    }
}

/// A count in groups of three, with narrow spaces.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Bytes in binary units: `186 MiB`.
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut size, mut unit) = (n as f64, 0);
    while size >= 1_024.0 && unit + 1 < UNITS.len() {
        size /= 1_024.0;
        unit += 1;
    }
    format!("{} {}", digits(size), UNITS.get(unit).copied().unwrap_or_default())
}

/// Three digits, without zeros at the end of a fraction.
pub(super) fn digits(number: f64) -> String {
    let text = three_digits(number);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn three_digits(number: f64) -> String {
    match number.abs() {
        size if size >= 99.95 => format!("{number:.0}"),
        size if size >= 9.995 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::synthetic;

    #[test]
    fn nothing_and_never_are_told_apart() {
        let mut report = synthetic::report(1, 1, 5);
        let mut objective = synthetic::objective("word.first_seen?:p95", true);
        objective.measured = None;
        assert_eq!(measured(&report, &objective), "nothing was due");
        objective.met = false;
        assert_eq!(measured(&report, &objective), "\u{221e}");
        report.figures[0].latency.n = 0;
        assert_eq!(measured(&report, &objective), "nothing was due");
        assert_eq!(measured(&report, &synthetic::objective("coverage", false)), "98.10 %");
    }

    #[test]
    fn latencies_have_three_digits() {
        let check = |ms: f64, expected: &str| assert_eq!(latency(Some(ms)), expected);
        check(0.0, "0 ms");
        check(0.2404, "0.24 ms");
        check(5.0, "5.00 ms");
        check(99.96, "100 ms");
        check(612.4, "612 ms");
        check(999.6, "1.00 s");
        check(1_523.0, "1.52 s");
        check(59_960.0, "1 min");
        check(125_000.0, "2 min 5 s");
        check(5_400_000.0, "1 h 30 min");
        assert_eq!(latency(None), "\u{221e}");
        assert_eq!([5.0, 200.0, 1_500.0, 20_000.0].map(duration), ["5 ms", "200 ms", "1.5 s", "20 s"]);
    }

    #[test]
    fn shares_never_look_perfect_unless_they_are() {
        assert_eq!(percent(Some(1.0)), "100.00 %");
        assert_eq!(percent(Some(0.999_999)), "> 99.99 %");
        assert_eq!(percent(Some(0.000_001)), "< 0.01 %");
        assert_eq!(percent(Some(0.031_4)), "3.14 %");
        assert_eq!(percent(None), "\u{2013}");
    }

    #[test]
    fn counts_bytes_and_clocks() {
        assert_eq!((count(999).as_str(), count(1_234_567).as_str()), ("999", "1\u{202f}234\u{202f}567"));
        assert_eq!(
            (bytes(512).as_str(), bytes(195_035_136).as_str(), bytes(16 << 30).as_str()),
            ("512 B", "186 MiB", "16 GiB")
        );
        assert_eq!((clock(247.0).as_str(), clock(3_661.0).as_str()), ("4:07", "1:01:01"));
    }
}

//! Objectives from text; errors say which character was not expected, and what was.

use std::str::FromStr;

use engine::event::EventKind;
use thiserror::Error;

use super::super::duration::parse_duration;
use super::super::suggest::nearest;
use super::{Absence, Bound, Compare, Objective, Quantile, Subject, Tally};
use crate::measure::Figure;

/// What is no objective, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("objective \"{text}\", character {at}: {why}")]
pub struct ObjectiveError {
    text: String,
    /// From 1.
    at: usize,
    why: String,
}

/// What stands alone, without a colon.
const NUMBERS: [(&str, Subject); 4] = [
    ("coverage", Subject::Coverage),
    ("wer", Subject::ErrorRate),
    ("words.lost", Subject::WordsLost),
    ("words.retracted", Subject::WordsRetracted),
];

/// Figures other than alerts.
const FIGURES: [Figure; 4] = [Figure::WordFirstSeen, Figure::WordFinal, Figure::Final, Figure::BlockTaken];

impl FromStr for Objective {
    type Err = ObjectiveError;

    fn from_str(text: &str) -> Result<Self, ObjectiveError> {
        let error = |part: &str, why: String| {
            let before = text.get(..offset(part, text)).unwrap_or(text);
            ObjectiveError { text: text.to_owned(), at: before.chars().count() + 1, why }
        };
        let end = text.get(text.len()..).unwrap_or(text);
        let at = text.find(['<', '>', '=']);
        let at = at.ok_or_else(|| error(end, "expected <, <=, >, >= or ==".to_owned()))?;
        let (left, right) = text.split_at(at);
        let compare = Compare::ALL.into_iter().find(|(name, _)| right.starts_with(name));
        let (name, compare) = compare.ok_or_else(|| error(right, "=, expected ==".to_owned()))?;
        let (subject, absence) = subject(left.trim()).map_err(|(part, why)| error(part, why))?;
        let right = right.get(name.len()..).unwrap_or("").trim();
        let bound =
            bound(right, subject).map_err(|why| error(if right.is_empty() { end } else { right }, why))?;
        Ok(Self { subject, absence, compare, bound })
    }
}

/// Where `part` begins in the text that it is a part of, bytes.
fn offset(part: &str, whole: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

/// The part that is wrong, and why.
type Wrong<'a> = (&'a str, String);

fn subject(text: &str) -> Result<(Subject, Absence), Wrong<'_>> {
    let (name, what) = match text.split_once(':') {
        Some((name, what)) => (name.trim_end(), Some(what.trim_start())),
        None => (text, None),
    };
    let (name, absence) = match name.strip_suffix('?') {
        Some(name) => (name, Absence::Met),
        None => (name, Absence::Missed),
    };
    let number = NUMBERS.into_iter().find(|(number, _)| *number == name).map(|(_, subject)| subject);
    let subject = match (number, what) {
        (Some(subject), None) => subject,
        (Some(_), Some(what)) => return Err((what, format!("\"{what}\", expected no colon after {name}"))),
        (None, what) => {
            let figure = figure(name).ok_or_else(|| (name, no_figure(name)))?;
            let expected = "expected pNN, max, late, missing, wrong, duplicate or early";
            let what = what.ok_or_else(|| (name, format!("\"{name}\", {expected} after it and a colon")))?;
            part_of(figure, what).ok_or_else(|| (what, format!("\"{what}\", {expected}")))?
        }
    };
    Ok((subject, absence))
}

fn figure(name: &str) -> Option<Figure> {
    let other = FIGURES.into_iter().find(|figure| figure.name() == name);
    other.or_else(|| alerts().find(|kind| kind.name() == name).map(Figure::Alert))
}

/// Event types that have edges.
fn alerts() -> impl Iterator<Item = EventKind> {
    let has_edges = |kind: &EventKind| kind.name().starts_with("alert.") || *kind == EventKind::Segment;
    EventKind::ALL.into_iter().filter(has_edges)
}

fn no_figure(name: &str) -> String {
    let numbers = NUMBERS.into_iter().map(|(name, _)| name);
    let figures = FIGURES.into_iter().map(Figure::name).chain(alerts().map(EventKind::name));
    let all: Vec<&str> = numbers.chain(figures).collect();
    match nearest(name, all.iter().copied()) {
        Some(meant) => format!("\"{name}\" is nothing that is measured; did you mean \"{meant}\"?"),
        None => format!("\"{name}\" is nothing that is measured, expected one of {}", all.join(", ")),
    }
}

fn part_of(figure: Figure, what: &str) -> Option<Subject> {
    if what == "max" {
        return Some(Subject::Latency(figure, Quantile::MAX));
    }
    let tally = Tally::ALL.into_iter().find(|(name, _)| *name == what);
    let tally = tally.map(|(_, tally)| Subject::Tally(figure, tally));
    tally.or_else(|| {
        let percent = what.strip_prefix('p')?.parse().ok()?;
        Some(Subject::Latency(figure, Quantile::from_percent(percent)?))
    })
}

fn bound(text: &str, subject: Subject) -> Result<Bound, String> {
    if let Subject::Latency(..) = subject {
        return parse_duration(text).map(Bound::Time);
    }
    let is_count = matches!(
        subject,
        Subject::WordsLost
            | Subject::Tally(_, Tally::Missing | Tally::Wrong | Tally::Duplicate | Tally::Early)
    );
    let expected = if is_count { "a count such as 0" } else { "a share such as 1% or 0.01" };
    let wrong = || format!("\"{text}\", expected {expected}");
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| *number >= 0.0 && number.is_finite());
    match text.strip_suffix('%') {
        Some(percent) if !is_count => {
            let percent = number(percent.trim_end()).ok_or_else(wrong)?;
            Ok(Bound::Percent((percent * 1e6).round() / 1e8))
        }
        Some(_) => Err(wrong()),
        None => number(text)
            .filter(|number| !is_count || number.fract() == 0.0)
            .map(Bound::Plain)
            .ok_or_else(wrong),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn objectives_are_written_as_they_are_read() {
        for text in [
            "transcript.final:p95<3s",
            "transcript.final:p99.9<=1.5s",
            "word.first_seen:p50<700ms",
            "word.final:max<10s",
            "transcript.final:late<=1%",
            "transcript.final:late<=0.01",
            "coverage>=0.995",
            "coverage>=99.5%",
            "wer<=0.08",
            "words.lost<=0",
            "words.retracted<10%",
            "alert.dead_air:missing==0",
            "alert.clipping?:wrong==0",
            "alert.dead_air:duplicate<=2",
            "alert.dead_air:early==0",
            "transcript.final:p50>1us",
            "block.taken:p99<20ms",
        ] {
            assert_eq!(text.parse::<Objective>().unwrap().to_string(), text);
        }
        let spaced: Objective = " transcript.final : p95 < 3 s ".parse().unwrap();
        assert_eq!(spaced.to_string(), "transcript.final:p95<3s");
    }

    #[test]
    fn ranks_are_exact() {
        let objective: Objective = "transcript.final:p99.9<1s".parse().unwrap();
        assert_eq!(objective.latency().unwrap().1.share().to_bits(), 0.999_f64.to_bits());
    }

    #[test]
    fn errors_name_the_place_and_what_was_expected() {
        let check = |text: &str, expected: &str| {
            let error = text.parse::<Objective>().unwrap_err().to_string();
            assert_eq!(error, format!("objective \"{text}\", character {expected}"));
        };
        let parts = "expected pNN, max, late, missing, wrong, duplicate or early";
        check("transcript.final:q95<3s", &format!("18: \"q95\", {parts}"));
        check("transcript.final:p101<3s", &format!("18: \"p101\", {parts}"));
        check("transcript.final:p0<3s", &format!("18: \"p0\", {parts}"));
        check("transcript.final<3s", &format!("1: \"transcript.final\", {parts} after it and a colon"));
        check("transcript.final:p95", "21: expected <, <=, >, >= or ==");
        check("coverage=1", "9: =, expected ==");
        check("coverage:p95>1", "10: \"p95\", expected no colon after coverage");
        check("covrage>=0.995", "1: \"covrage\" is nothing that is measured; did you mean \"coverage\"?");
        check("coverage>=", "11: \"\", expected a share such as 1% or 0.01");
        check("coverage>=3s", "11: \"3s\", expected a share such as 1% or 0.01");
        check("wer<=-1", "6: \"-1\", expected a share such as 1% or 0.01");
        check("transcript.final:p95<3", "22: \"3\", expected a duration such as 300ms, 5s, 2m or 1.5h");
        check("alert.dead_air:missing<=1%", "25: \"1%\", expected a count such as 0");
        check("words.lost<=0.5", "13: \"0.5\", expected a count such as 0");
        check("", "1: expected <, <=, >, >= or ==");
        check(
            "müll<=1",
            "1: \"müll\" is nothing that is measured, expected one of coverage, wer, words.lost, \
            words.retracted, word.first_seen, word.final, transcript.final, block.taken, alert.dead_air, alert.clipping, \
            alert.phase, alert.mono, alert.channel_lost, alert.loudness, segment",
        );
    }
}

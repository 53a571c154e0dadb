//! Programmes, messages and scores as texts, and the one check of a feed. All times in the texts are milliseconds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::budget::Budgets;
use engine::event::EventKind;
use engine::time::{MediaTime, SampleRate, Span};

use super::{Alert, Edge, Heard, Judge, Observation, Observed, Verdict, Words};
use crate::pace::Anchor;
use crate::programme::{Fact, Programme, What};

/// Length of a word.
pub(super) const WORD: u64 = 400;

pub(super) fn ms(millis: u64) -> MediaTime {
    MediaTime::from_millis(millis)
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

fn span(text: &str) -> Span {
    let (start, end) = text.split_once("..").unwrap();
    Span::new(ms(number(start)), ms(number(end)))
}

fn kind(name: &str) -> EventKind {
    EventKind::from_name(&format!("alert.{name}")).unwrap()
}

/// Facts: `word@start`, `S@start..end` (a sentence of such words), `S@start..end=a,b` (of words without times), and
/// `dead_air@start..end`, `clipping@start..end`.
pub(super) fn programme(length: u64, facts: &str) -> Programme {
    let mut all = Vec::new();
    for text in facts.split_whitespace() {
        let (name, place) = text.split_once('@').unwrap();
        let (place, words) = place.split_once('=').unwrap_or((place, ""));
        let mut push = |what, span, proven_at| all.push(Fact { what, span, proven_at });
        if name == "S" {
            let words = words.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
            push(What::Sentence(words), span(place), span(place).end);
        } else if let Some(kind) = EventKind::from_name(&format!("alert.{name}")) {
            let (opens, closes) = if name == "dead_air" { (10_000, 1_000) } else { (100, 1_500) };
            let span = span(place);
            push(What::Opens(kind), span, span.start + ms(opens));
            push(What::Closes(kind), span, span.end + ms(closes));
        } else {
            let span = Span::new(ms(number(place)), ms(number(place) + WORD));
            push(What::Word(name.to_owned()), span, span.end);
        }
    }
    all.sort_by_key(|fact| fact.proven_at);
    let rate = SampleRate::new(8_000).unwrap();
    Programme { rate, samples: vec![0; length as usize * 8].into(), facts: all }
}

/// Words `text@start` or `text`.
fn words(part: &str, texts: &[&str]) -> Words {
    let (part, span) = part
        .split_once('[')
        .map_or((part, None), |(part, place)| (part, Some(span(place.trim_end_matches(']')))));
    let word = |text: &&str| match text.split_once('@') {
        Some((text, at)) => {
            Heard { text: text.to_owned(), span: Some(Span::new(ms(number(at)), ms(number(at) + WORD))) }
        }
        None => Heard { text: (*text).to_owned(), span: None },
    };
    Words { part: number(part), span, words: texts.iter().map(word).collect() }
}

/// `at i1 words`, `at f1[start..end] words`, `at open dead_air start`, `at close dead_air start..end`,
/// `at gap reason start..end`.
fn observed(line: &str, zero: Instant) -> Observed {
    let tokens: Vec<&str> = line.split_whitespace().collect();
    let alert = |edge, span| Alert { kind: kind(tokens[2]), edge, span, pair: String::new() };
    let what = match tokens[1] {
        "open" => {
            let start = ms(number(tokens[3]));
            Observation::Alert(alert(Edge::Open, Span::new(start, start)))
        }
        "close" => Observation::Alert(alert(Edge::Close, span(tokens[3]))),
        "gap" => Observation::Gap { reason: tokens[2].to_owned(), span: span(tokens[3]) },
        part if part.starts_with('i') => Observation::Interim(words(&part[1..], &tokens[2..])),
        part => Observation::Final(words(&part[1..], &tokens[2..])),
    };
    Observed { at: zero + Duration::from_millis(number(tokens[0])), what, stated: None }
}

/// One line a figure: latencies in the order of the due times, then the counts that are not zero.
pub(super) fn text(verdict: &Verdict) -> String {
    let mut text = String::new();
    for (figure, (latencies, counts)) in &verdict.score.figures {
        let mut points: Vec<_> = verdict.points.iter().filter(|point| point.figure == *figure).collect();
        points.sort_by_key(|point| point.due);
        let latency =
            |latency: Option<Duration>| latency.map_or("never".into(), |l| l.as_millis().to_string());
        let told: Vec<String> = points.iter().map(|point| latency(point.latency)).collect();
        assert_eq!(
            (latencies.count(), counts.n_expected),
            (told.len() as u64, told.len() as u64),
            "{figure:?}"
        );
        assert_eq!(latencies.n_never(), counts.n_missing);
        write!(text, "{}: {}", figure.name(), told.join(" ")).unwrap();
        let named = [
            ("late", counts.n_late),
            ("missing", counts.n_missing),
            ("duplicate", counts.n_duplicate),
            ("wrong", counts.n_wrong),
            ("early", counts.n_early),
        ];
        named.iter().filter(|(_, n)| *n > 0).for_each(|(name, n)| write!(text, ", {n} {name}").unwrap());
        text.push('\n');
    }
    let (words, coverage) = (verdict.score.words, verdict.score.coverage);
    let named = [
        ("said", words.n_said),
        ("substituted", words.n_substituted),
        ("deleted", words.n_deleted),
        ("inserted", words.n_inserted),
        ("in gaps", words.n_in_gaps),
        ("retracted", words.n_retracted),
        ("shown", words.n_shown),
        ("ms in gaps", coverage.in_gaps.as_millis() as u64),
    ];
    let told = named.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{n} {name}"));
    let gaps = verdict.score.gaps.iter().map(|(reason, n)| format!("{n} x {reason}"));
    text + &told.chain(gaps).collect::<Vec<_>>().join(", ")
}

/// What a judge is told.
enum Told {
    Leg(MediaTime, Anchor),
    Lost(Span),
    Observed(Observed),
}

/// `at leg from position due [held_until]`, where `due` is when media time 0 would have been, `at lost start..end`, or a
/// message.
fn told(line: &str, zero: Instant) -> (Instant, Told) {
    let tokens: Vec<&str> = line.split_whitespace().collect();
    let at = |idx: usize| zero + Duration::from_millis(number(tokens[idx]));
    let told = match tokens[1] {
        "leg" => {
            let anchor = Anchor::new(at(4), ms(number(tokens[3])));
            let held_until = tokens.get(5).map(|_| at(5));
            Told::Leg(ms(number(tokens[2])), Anchor { held_until, ..anchor })
        }
        "lost" => Told::Lost(span(tokens[2])),
        _ => Told::Observed(observed(line, zero)),
    };
    (at(0), told)
}

/// Judges feeds of `length` in steps of `step`, from `position` of the programme, with a grace of 15 s.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) round: u64,
    pub(super) facts: &'a str,
    pub(super) position: u64,
    pub(super) from: u64,
    pub(super) length: u64,
}

impl Case<'_> {
    pub(super) fn verdict(&self, lines: &[&str], step: u64) -> Verdict {
        let zero = Instant::now();
        let mut judge = Judge::new(Arc::new(programme(self.round, self.facts)), Budgets::default())
            .expecting_from(ms(self.from));
        judge.leg(MediaTime::ZERO, Anchor::new(zero, ms(self.position)));
        let mut rest: Vec<(Instant, Told)> = lines.iter().map(|line| told(line, zero)).collect();
        let at = |millis: u64| zero.checked_add(Duration::from_millis(millis));
        let mut total = Verdict::default();
        let mut now = step;
        while at(now).is_some_and(|now| now < at(self.length).unwrap() || rest.iter().any(|one| one.0 > now))
        {
            rest = tell(&mut judge, rest, at(now).unwrap());
            total.add(judge.judge(judge.due_by(at(now.saturating_sub(15_000)).unwrap())));
            now += step;
        }
        let rest = tell(&mut judge, rest, at(10 * self.length).unwrap());
        assert!(rest.is_empty(), "told after everything was judged");
        total.add(judge.finish(ms(self.length)));
        total
    }

    /// The score is the same however often the judge is asked.
    pub(super) fn check(&self, lines: &[&str], expected: &[&str]) {
        let lost = lines.iter().filter_map(|line| line.split_once(" lost "));
        let lost: u64 = lost.map(|(_, lost)| span(lost).duration().as_millis()).sum();
        for step in [1_000, 7_000, 10 * self.length] {
            let verdict = self.verdict(lines, step);
            assert_eq!(text(&verdict).lines().collect::<Vec<_>>(), expected, "in steps of {step} ms");
            let sent = Duration::from_millis(self.length - self.from - lost);
            assert_eq!(verdict.score.coverage.sent, sent);
        }
    }
}

/// Tells what was here by `now`; the rest is given back.
fn tell(judge: &mut Judge, all: Vec<(Instant, Told)>, now: Instant) -> Vec<(Instant, Told)> {
    let (here, later) = all.into_iter().partition(|one| one.0 <= now);
    for (_, told) in Vec::into_iter(here) {
        match told {
            Told::Leg(from, anchor) => judge.leg(from, anchor),
            Told::Lost(span) => judge.lost(span),
            Told::Observed(observed) => judge.hear(observed),
        }
    }
    later
}

impl Verdict {
    fn add(&mut self, other: Self) {
        self.score.merge(&other.score);
        self.points.extend(other.points);
    }
}

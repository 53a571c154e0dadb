//! Small programmes, what a server told of them, and the exact score. All times in the texts are milliseconds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::budget::Budgets;
use engine::event::EventKind;
use engine::time::{MediaTime, SampleRate, Span};

use super::{Alert, Edge, Heard, Judge, Observation, Observed, Verdict, Words};
use crate::measure::Figure;
use crate::pace::Anchor;
use crate::programme::{Fact, Programme, What};

/// Length of a word.
const WORD: u64 = 400;

fn ms(millis: u64) -> MediaTime {
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
fn programme(length: u64, facts: &str) -> Programme {
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
fn text(verdict: &Verdict) -> String {
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

/// Judges feeds of `length` in steps of `step`, from `position` of the programme, with a grace of 15 s.
struct Case<'a> {
    round: u64,
    facts: &'a str,
    position: u64,
    from: u64,
    length: u64,
}

impl Case<'_> {
    fn verdict(&self, lines: &[&str], step: u64) -> Verdict {
        let zero = Instant::now();
        let programme = Arc::new(programme(self.round, self.facts));
        let anchor = Anchor { due: zero, position: ms(self.position) };
        let mut judge = Judge::new(programme, anchor, Budgets::default()).expecting_from(ms(self.from));
        let mut rest: Vec<Observed> = lines.iter().map(|line| observed(line, zero)).collect();
        let mut total = Verdict::default();
        let mut now = step;
        while now < self.length {
            let (here, later) = rest.into_iter().partition(|one| one.at <= zero + Duration::from_millis(now));
            rest = later;
            Vec::into_iter(here).for_each(|one| judge.hear(one));
            total.add(judge.judge(ms(now.saturating_sub(15_000))));
            now += step;
        }
        rest.into_iter().for_each(|one| judge.hear(one));
        total.add(judge.finish(ms(self.length)));
        assert_eq!(total.score.coverage.sent, Duration::from_millis(self.length - self.from));
        total
    }

    /// The score is the same however often the judge is asked.
    fn check(&self, lines: &[&str], expected: &[&str]) {
        for step in [1_000, 7_000, u64::MAX] {
            let verdict = self.verdict(lines, step);
            assert_eq!(text(&verdict).lines().collect::<Vec<_>>(), expected, "in steps of {step} ms");
        }
    }
}

impl Verdict {
    fn add(&mut self, other: Self) {
        self.score.merge(&other.score);
        self.points.extend(other.points);
    }
}

/// One round of 20 s, from its start.
fn check(facts: &str, lines: &[&str], expected: &[&str]) {
    Case { round: 20_000, facts, position: 0, from: 0, length: 20_000 }.check(lines, expected);
}

const BRIDGE: &str = "S@1000..3400 the@1000 bridge@1500 is@2000 open@3000";

#[test]
fn told_in_time() {
    let lines = [
        "1900 i1 The@1000 bridge@1500",
        "2900 i1 The@1000 bridge@1500 is@2000",
        "4000 f1 The@1000 bridge@1500 is@2000 open.@3000",
    ];
    let expected = [
        "word.first_seen: 500 0 500 600",
        "word.final: 2600 2100 1600 600",
        "transcript.final: 600",
        "4 said, 3 shown",
    ];
    check(BRIDGE, &lines, &expected);
}

#[test]
fn without_times_it_is_the_same() {
    let lines = ["1900 i1 The bridge", "2900 i1 The bridge is", "4000 f1 The bridge is open."];
    let expected = [
        "word.first_seen: 500 0 500 600",
        "word.final: 2600 2100 1600 600",
        "transcript.final: 600",
        "4 said, 3 shown",
    ];
    check(BRIDGE, &lines, &expected);
    let lines = [
        "1900 i1[1000..1900] The bridge",
        "2900 i1 The bridge is",
        "4000 f1[1000..3500] The bridge is open.",
    ];
    check(BRIDGE, &lines, &[expected[0], expected[1], "transcript.final: 500", expected[3]]);
}

#[test]
fn told_late() {
    let lines = ["7000 f1 The@1000 bridge@1500 is@2000 open.@3000"];
    let expected = [
        "word.first_seen: 5600 5100 4600 3600, 4 late",
        "word.final: 5600 5100 4600 3600",
        "transcript.final: 3600, 1 late",
        "4 said",
    ];
    check(BRIDGE, &lines, &expected);
}

#[test]
fn never_told() {
    let expected = [
        "word.first_seen: never never never never, 4 missing",
        "word.final: never never never never, 4 missing",
        "transcript.final: never, 1 missing",
        "4 said, 4 deleted",
    ];
    check(BRIDGE, &[], &expected);
    let lines = ["1900 i1 The@1000 bridge@1500"];
    let expected = [
        "word.first_seen: 500 0 never never, 2 missing",
        "word.final: never never never never, 4 missing",
        "transcript.final: never, 1 missing",
        "4 said, 4 deleted, 2 shown",
    ];
    check(BRIDGE, &lines, &expected);
}

#[test]
fn wrong_words_are_told_all_the_same() {
    let lines = ["1950 i1 The@1000 fridge@1500", "4000 f1 The@1000 fridge@1500 is@2000 not@2500 open.@3000"];
    let expected = [
        "word.first_seen: 550 50 1600 600",
        "word.final: 2600 2100 1600 600",
        "transcript.final: 600",
        "4 said, 1 substituted, 1 inserted, 2 shown",
    ];
    check(BRIDGE, &lines, &expected);
}

#[test]
fn told_too_early() {
    let lines = ["1350 i1 The@1000 bridge@1500", "4000 f1 The@1000 bridge@1500 is@2000 open.@3000"];
    let expected = [
        "word.first_seen: 0 0 1600 600, 1 early",
        "word.final: 2600 2100 1600 600",
        "transcript.final: 600",
        "4 said, 2 shown",
    ];
    check(BRIDGE, &lines, &expected);
}

#[test]
fn what_is_taken_back_is_seen_again_when_it_is_right() {
    let lines = [
        "1900 i1 The@1000 fridge@1500",
        "2900 i1 The@1000 bridge@1500 is@2000",
        "4000 f1 The@1000 bridge@1500 is@2000 open.@3000",
    ];
    let expected = [
        "word.first_seen: 500 1000 500 600",
        "word.final: 2600 2100 1600 600",
        "transcript.final: 600",
        "4 said, 1 retracted, 4 shown",
    ];
    check(BRIDGE, &lines, &expected);
}

#[test]
fn a_gap_withdraws_the_promise() {
    let lines = [
        "2000 gap overload 1450..2100",
        "2050 gap overload 1450..2100",
        "2100 gap loss 1900..2300",
        "4000 f1 The@1000 open.@3000",
    ];
    let expected = [
        "word.first_seen: 2600 600",
        "word.final: 2600 600",
        "transcript.final: 600",
        "4 said, 2 deleted, 2 in gaps, 850 ms in gaps, 1 x loss, 1 x overload",
    ];
    check(BRIDGE, &lines, &expected);
    check(BRIDGE, &["9000 gap loss 900..3500"], &["4 said, 4 deleted, 4 in gaps, 2600 ms in gaps, 1 x loss"]);
}

#[test]
fn finals_may_come_in_any_order_and_twice() {
    let lines = [
        "4000 f2 is@2000 open.@3000",
        "4100 f1 The@1000 bridge@1500",
        "4200 f1 The@1000 bridge@1500",
        "4300 f2 is@2000 shut.@3000",
    ];
    let expected = [
        "word.first_seen: 2700 2200 1600 900",
        "word.final: 2700 2200 1900 900",
        "transcript.final: 2200 600, 2 duplicate",
        "4 said, 1 substituted",
    ];
    check(BRIDGE, &lines, &expected);
    let untimed = ["2000 i1 The bridge", "3500 i2 is open", "4000 f2 is open.", "4100 f1 The bridge"];
    let expected = [
        "word.first_seen: 600 100 1100 100",
        "word.final: 2700 2200 1600 600",
        "transcript.final: 2200 600",
        "4 said, 4 shown",
    ];
    check(BRIDGE, &untimed, &expected);
}

#[test]
fn words_without_known_times_count_as_words() {
    let facts = "S@1000..3400=the,bridge,is,open";
    let expected = ["transcript.final: 600", "4 said, 1 substituted, 1 deleted"];
    check(facts, &["4000 f1 The@1000 fridge@1500 open.@3000"], &expected);
    check(facts, &["4000 f1[1000..3400] The fridge open"], &expected);
    check(facts, &[], &["transcript.final: never, 1 missing", "4 said, 4 deleted"]);
}

#[test]
fn rounds_follow_one_another() {
    let case = Case { round: 5_000, facts: BRIDGE, position: 1_200, from: 0, length: 11_000 };
    let lines = [
        "300 f1 the@0",
        "3000 f2 bridge@300 is@800 open@1800",
        "8000 f3 the@4800 bridge@5300 is@5800 open@6800",
        "11000 f4 the@9800 bridge@10300",
    ];
    let expected = [
        "word.first_seen: 2300 1800 800 2800 2300 1800 800 800 300",
        "word.final: 2300 1800 800 2800 2300 1800 800 800 300",
        "transcript.final: 0 800 800 300",
        "9 said",
    ];
    case.check(&lines, &expected);
}

#[test]
fn what_begins_before_is_not_expected() {
    let case = Case { round: 5_000, facts: BRIDGE, position: 0, from: 5_000, length: 9_000 };
    let lines = [
        "1000 gap loss 0..4000",
        "3000 f1 nonsense@1000 bridge@1500 more@1900 nonsense@2000",
        "9000 f2 the@6000 bridge@6500 is@7000 open@8000",
    ];
    let expected = [
        "word.first_seen: 2600 2100 1600 600",
        "word.final: 2600 2100 1600 600",
        "transcript.final: 600",
        "4 said",
    ];
    case.check(&lines, &expected);
}

const DEAD: &str = "dead_air@2000..14000";

#[test]
fn alerts_are_told_once_and_in_time() {
    let told = ["12100 open dead_air 2010", "15200 close dead_air 2010..13990"];
    check(DEAD, &told, &["alert.dead_air: 100 200"]);
    check(DEAD, &["12300 open dead_air 2000"], &["alert.dead_air: 300 never, 1 late, 1 missing"]);
    check(DEAD, &["11000 open dead_air 2000", told[1]], &["alert.dead_air: 0 200, 1 early"]);
    check(DEAD, &[told[0], "12200 open dead_air 2000", told[1]], &["alert.dead_air: 100 200, 1 duplicate"]);
    check(DEAD, &[told[0], told[1], "5000 open dead_air 2300"], &["alert.dead_air: 100 200, 1 wrong"]);
    check("", &["5000 open clipping 3000"], &["alert.clipping: , 1 wrong"]);
}

#[test]
fn clipping_may_reach_to_the_pauses_around_it() {
    let told = ["5200 open clipping 4000", "8600 close clipping 4000..8000"];
    check("clipping@5000..7000", &told, &["alert.clipping: 100 100"]);
}

#[test]
fn a_gap_in_what_proves_an_alert_excuses_it() {
    let gap = "9000 gap loss 5000..6000";
    let later = ["16200 open dead_air 6000", "15200 close dead_air 6000..14000"];
    let counts = "1000 ms in gaps, 1 x loss";
    check(DEAD, &[gap], &[counts]);
    check(DEAD, &[gap, later[0], later[1]], &["alert.dead_air: 200", counts]);
    let words_only = "9000 gap recogniser_failed 5000..6000";
    let counts = "1000 ms in gaps, 1 x recogniser_failed";
    check(DEAD, &[words_only], &["alert.dead_air: never never, 2 missing", counts]);
}

#[test]
fn a_gap_told_late_counts_against_coverage() {
    let case = Case { round: 60_000, facts: "", position: 0, from: 0, length: 60_000 };
    let lines = ["50000 gap loss 4000..6000", "51000 gap loss 5000..7000"];
    case.check(&lines, &["3000 ms in gaps, 2 x loss"]);
}

#[test]
fn an_end_closes_what_is_open() {
    let case = Case { round: 60_000, facts: "dead_air@2000..40000", position: 0, from: 0, length: 20_000 };
    let lines = ["12100 open dead_air 2000", "20100 close dead_air 2000..20000"];
    case.check(&lines, &["alert.dead_air: 100"]);
    case.check(
        &["12100 open dead_air 2000", "17100 close dead_air 2000..17000"],
        &["alert.dead_air: 100, 1 wrong"],
    );
    let cut = Case { position: 5_000, ..case };
    let late = Case { from: 4_000, ..cut };
    late.check(&["3000 open clipping 3900"], &[]);
    cut.check(&["10100 open dead_air 0", "20100 close dead_air 0..20000"], &[]);
}

/// A thousand words, each told with a delay of its own: the delays come out as they went in.
#[test]
fn injected_delays_are_measured_exactly() {
    let mut seed = 7_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let n_words = 50;
    let facts: Vec<String> = (0..n_words).map(|n| format!("w{}@{}", n % 23, 500 * n)).collect();
    let (mut lines, mut seen, mut final_) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..1_000 {
        let (start, first, last) = (500 * n, random(3_000), 3_000 + random(5_000));
        let word = format!("w{}@{start}", n % n_words % 23);
        lines.push(format!("{} i{n} {word}", start + WORD + first));
        lines.push(format!("{} f{n} {word}", start + WORD + last));
        seen.push(first);
        final_.push(last);
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let case = Case { round: 500 * n_words, facts: &facts.join(" "), position: 0, from: 0, length: 500_000 };
    for step in [1_000, 60_000, u64::MAX] {
        let verdict = case.verdict(&lines, step);
        for (figure, delays) in [(Figure::WordFirstSeen, &seen), (Figure::WordFinal, &final_)] {
            let measured = verdict.points.iter().filter(|point| point.figure == figure);
            let measured: Vec<u64> =
                measured.map(|point| point.latency.unwrap().as_millis() as u64).collect();
            assert_eq!(&measured, delays, "{figure:?} in steps of {step} ms");
            // The histogram keeps three digits.
            let mut sorted = delays.clone();
            sorted.sort_unstable();
            let (p99, exact) = (verdict.score.figures[&figure].0.quantile(0.99).unwrap(), sorted[989]);
            assert!(p99.as_millis().abs_diff(u128::from(exact)) <= u128::from(exact / 1_000 + 1));
        }
        assert_eq!(verdict.score.words.error_rate(), 0.0);
    }
}

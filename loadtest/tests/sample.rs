//! The recorded sample that `make loadtest-sample` fetches: what is said in it lies where its facts say, its faults are
//! what they should be, and a server that tells all of it, late by known delays, is judged so.
#![allow(clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::budget::Budgets;
use engine::event::EventKind;
use engine::time::{MediaTime, Span};
use loadtest::measure::Figure;
use loadtest::pace::Anchor;
use loadtest::programme::{Programme, What};
use loadtest::truth::{Alert, Edge, Heard, Judge, Observation, Observed, Words};

/// Words said in a round: 22, 8 (twice), 14, 18 and 8, as they are compared.
const N_WORDS: usize = 78;

fn sample() -> Programme {
    Programme::sample().unwrap_or_else(|error| panic!("{error}"))
}

/// Level of a stretch, dBFS RMS.
fn level(programme: &Programme, span: Span) -> f64 {
    let frame = |at: MediaTime| at.to_frames(programme.rate) as usize;
    let samples = &programme.samples[frame(span.start)..frame(span.end)];
    let square = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64;
    10.0 * (square / 32_768.0_f64.powi(2)).log10()
}

#[test]
fn words_lie_where_speech_is() {
    let programme = sample();
    let words: Vec<(&str, Span)> = programme
        .facts
        .iter()
        .filter_map(|fact| match &fact.what {
            What::Word(word) => Some((word.as_str(), fact.span)),
            _ => None,
        })
        .collect();
    assert_eq!(words.len(), N_WORDS);
    assert_eq!(
        words.iter().take(4).map(|(word, _)| *word).collect::<Vec<_>>(),
        ["and", "mister", "john", "dashwood"]
    );
    for (word, span) in &words {
        // The quietest word is at -36.1 dBFS, room noise at -44.
        assert!(level(&programme, *span) > -38.0, "{word} at {}", span.start);
        assert!((20..1_000).contains(&span.duration().as_millis()), "{word} at {}", span.start);
    }
    assert!(words.windows(2).all(|pair| pair[0].1.end <= pair[1].1.start));
    let n_sentences = programme.facts.iter().filter(|fact| matches!(fact.what, What::Sentence(_))).count();
    assert_eq!(n_sentences, 6);
    assert!(programme.facts.iter().all(|fact| fact.proven_at <= programme.length()));
}

#[test]
fn one_dead_air_and_one_clipped_passage() {
    let programme = sample();
    let find = |what: &What| {
        let mut facts = programme.facts.iter().filter(|fact| fact.what == *what);
        let fact = facts.next().unwrap_or_else(|| panic!("no {what:?}"));
        assert!(facts.next().is_none(), "one {what:?}");
        fact
    };
    let dead = find(&What::Opens(EventKind::AlertDeadAir));
    assert_eq!(dead.span.duration(), MediaTime::from_secs(12));
    assert_eq!(dead.proven_at, dead.span.start + MediaTime::from_secs(10));
    // A pause follows the silence: sound sums up to 1 s after that.
    let back = find(&What::Closes(EventKind::AlertDeadAir)).proven_at.saturating_sub(dead.span.end);
    assert!((1_000..2_000).contains(&back.as_millis()), "{back}");
    let clipped = find(&What::Opens(EventKind::AlertClipping));
    let proof = clipped.proven_at.saturating_sub(clipped.span.start);
    assert!(clipped.span.start > dead.span.end && proof.as_millis() < 1_000, "{clipped:?}");
    assert!(find(&What::Closes(EventKind::AlertClipping)).span.end < programme.length());
}

/// Everything in `programme` as a server would tell it, `delay` after each proof: words one by one, a final a sentence.
fn told(programme: &Programme, delay: Duration) -> Vec<(MediaTime, Observation)> {
    let mut told = Vec::new();
    let mut words: Vec<Heard> = Vec::new();
    let mut part = 0;
    for fact in &programme.facts {
        let alert = |kind, edge, span| Observation::Alert(Alert { kind, edge, span, pair: String::new() });
        let what = match &fact.what {
            What::Word(text) => {
                words.push(Heard { text: text.clone(), span: Some(fact.span) });
                Observation::Interim(Words { part, span: None, words: words.clone() })
            }
            What::Sentence(_) => {
                part += 1;
                Observation::Final(Words { part: part - 1, span: None, words: std::mem::take(&mut words) })
            }
            What::Opens(kind) => alert(*kind, Edge::Open, Span::new(fact.span.start, fact.span.start)),
            What::Closes(kind) => alert(*kind, Edge::Close, fact.span),
        };
        told.push((fact.proven_at + MediaTime::from_millis(delay.as_millis() as u64), what));
    }
    told
}

#[test]
fn a_server_that_tells_all_of_it_is_judged_so() {
    let programme = Arc::new(sample());
    let delay = Duration::from_millis(123);
    let zero = Instant::now();
    let mut judge = Judge::new(Arc::clone(&programme), Budgets::default());
    judge.leg(MediaTime::ZERO, Anchor::new(zero, MediaTime::ZERO));
    for (at, what) in told(&programme, delay) {
        judge.hear(Observed { at: zero + at.to_duration(), what, stated: None });
    }
    let score = judge.finish(programme.length()).score;
    assert_eq!((score.words.n_said as usize, score.words.error_rate()), (N_WORDS, 0.0));
    assert_eq!((score.words.n_retracted, score.words.n_shown as usize), (0, N_WORDS));
    let alerts = [EventKind::AlertDeadAir, EventKind::AlertClipping].map(Figure::Alert);
    for (figure, n_expected) in
        [(Figure::WordFirstSeen, N_WORDS), (Figure::Final, 6), (alerts[0], 2), (alerts[1], 2)]
    {
        let (latencies, counts) = score.figures.get(&figure).unwrap_or_else(|| panic!("{figure:?}"));
        assert_eq!(counts.n_expected as usize, n_expected, "{figure:?}");
        let faults = [counts.n_late, counts.n_missing, counts.n_duplicate, counts.n_wrong, counts.n_early];
        assert_eq!(faults, [0; 5], "{figure:?}");
        // Three digits of the histogram.
        assert_eq!(latencies.quantile(0.5).map(|latency| latency.as_millis()), Some(123), "{figure:?}");
        assert_eq!(latencies.quantile(1.0).map(|latency| latency.as_millis()), Some(123), "{figure:?}");
    }
}

//! Tests of the transcriber: requests and decodes in, events out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use engine::event::{Body, Event, GapReason};
use engine::time::{MediaTime, SampleRate, Span};
use models::Transcription;

use super::{Heard, Outcome, Transcriber, TranscriberConfig};
use crate::utterances::{AskHead, Purpose, Voiced};
use Purpose::{Abandon, Confirm, Final, Partial, Speculative};

/// What happens to the transcriber.
enum Step {
    /// A request: utterance (its start in s), attempt, purpose, end of its audio in s.
    Ask(u64, u32, Purpose, u64),
    /// The decode of an earlier request, by utterance and attempt: words of one second each.
    Hear(u64, u32, &'static str),
    /// The same with another outcome.
    Come(u64, u32, Outcome),
    /// It was lost.
    Lose(u64, u32, GapReason),
    /// The recogniser failed at it.
    Fail(u64, u32, &'static str),
    /// The feed is over.
    GiveUp,
}
use Step::{Ask, Come, Fail, GiveUp, Hear, Lose};

fn label(event: &Event) -> String {
    let Span { start, end } = event.span;
    let at = format!("{}..{}@{}", start.as_secs_f64(), end.as_secs_f64(), event.proof.as_secs_f64());
    match &event.body {
        Body::Partial(t) => {
            let (stable, rest) = t.text.split_at(t.stable_bytes);
            format!("partial {} {at} {stable}|{rest}", t.utterance)
        }
        Body::Final(t) => {
            assert_eq!((t.stable_bytes, t.model.as_str(), t.degraded), (t.text.len(), "script", 1));
            format!("final {} {at} {}", t.utterance, t.text)
        }
        Body::Gap(gap) => {
            let cause = gap.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("gap {at} {} {:?}{cause}", gap.frames, gap.reason)
        }
        other => panic!("{other:?}"),
    }
}

struct Bench {
    transcriber: Transcriber,
    asked: Vec<AskHead>,
    events: Vec<Event>,
}

impl Bench {
    fn new(pending_max: usize) -> Self {
        let config =
            TranscriberConfig { pending_max, ..TranscriberConfig::new(SampleRate::new(48_000).unwrap()) };
        Self { transcriber: Transcriber::new(config).unwrap(), asked: Vec::new(), events: Vec::new() }
    }

    fn head(&self, utterance: u64, attempt: u32) -> AskHead {
        let is_it = |head: &&AskHead| (head.utterance, head.attempt) == (utterance, attempt);
        *self.asked.iter().find(is_it).expect("it was asked for")
    }

    fn step(&mut self, step: &Step) {
        let events = &mut self.events;
        let mut out = |event: &Event| events.push(event.clone());
        match step {
            Ask(utterance, attempt, purpose, end) => {
                let end = MediaTime::from_secs(*end);
                let head = AskHead {
                    utterance: *utterance,
                    attempt: *attempt,
                    purpose: *purpose,
                    span: Span::new(MediaTime::from_secs(*utterance), end),
                    speech_end: end,
                    proof: end + MediaTime::from_secs(1),
                    voiced: Voiced::default(),
                };
                self.asked.push(head);
                self.transcriber.asked(&head, &mut out);
            }
            Hear(utterance, attempt, text) => {
                let mut transcription = Transcription::default();
                for (at, word) in text.split_whitespace().enumerate() {
                    transcription.push_word(word, at * 16_000..(at + 1) * 16_000, 0.5);
                }
                self.come(*utterance, *attempt, &Outcome::Said { hole: None }, &transcription);
            }
            Come(utterance, attempt, outcome) => {
                let mut transcription = Transcription::default();
                transcription.push_word("word", 0..16_000, 0.5);
                self.come(*utterance, *attempt, outcome, &transcription);
            }
            Lose(utterance, attempt, reason) => {
                let head = self.head(*utterance, *attempt);
                let events = &mut self.events;
                self.transcriber.lost(&head, *reason, &mut |event: &Event| events.push(event.clone()));
            }
            Fail(utterance, attempt, cause) => {
                let head = self.head(*utterance, *attempt);
                let events = &mut self.events;
                self.transcriber.failed(&head, cause, &mut |event: &Event| events.push(event.clone()));
            }
            GiveUp => self.transcriber.give_up(GapReason::RecogniserFailed, &mut out),
        }
    }

    fn come(&mut self, utterance: u64, attempt: u32, outcome: &Outcome, transcription: &Transcription) {
        let head = self.head(utterance, attempt);
        let heard = Heard { head: &head, outcome, transcription, model: "script", degraded: 1 };
        let events = &mut self.events;
        self.transcriber.heard(&heard, &mut |event: &Event| events.push(event.clone()));
    }
}

fn check(steps: &[Step], expected: &[&str]) -> Bench {
    let mut bench = Bench::new(2);
    for step in steps {
        bench.step(step);
    }
    assert_eq!(bench.events.iter().map(label).collect::<Vec<_>>(), expected);
    bench
}

const SAID: Outcome = Outcome::Said { hole: None };

#[test]
fn partials_are_proven_by_their_newest_word_and_shown_once() {
    let steps = [
        Ask(0, 1, Partial, 2),
        Hear(0, 1, "good evening"),
        Ask(0, 2, Partial, 4),
        Hear(0, 2, "Good evening all of"),
        Ask(0, 3, Partial, 5),
        Hear(0, 3, "Good evening all of"),
        Ask(0, 4, Partial, 6),
        Hear(0, 4, "Good evening all of"),
    ];
    let expected = [
        "partial 0 0..2@2 |good evening",
        "partial 0 0..4@4 Good evening| all of",
        "partial 0 0..4@6 Good evening all of|",
    ];
    let bench = check(&steps, &expected);
    let Body::Partial(partial) = &bench.events[2].body else { panic!("not a partial") };
    assert_eq!(partial.words[3].span, Span::new(MediaTime::from_secs(3), MediaTime::from_secs(4)));
    assert_eq!((partial.confidence, partial.words[3].confidence), (0.5, 0.5));
}

#[test]
fn a_final_needs_no_partial_and_its_words_stay_within_its_audio() {
    let expected = ["final 10 10..12@13 well then no"];
    let bench = check(&[Ask(10, 1, Final, 12), Hear(10, 1, "well then no")], &expected);
    let Body::Final(said) = &bench.events[0].body else { panic!("not a final") };
    assert_eq!(said.words[2].span, Span::new(MediaTime::from_secs(12), MediaTime::from_secs(12)));
}

#[test]
fn a_partial_after_its_final_was_asked_for_and_an_older_one_are_ignored() {
    let steps = [
        Ask(0, 1, Partial, 2),
        Ask(0, 2, Partial, 3),
        Hear(0, 2, "a b c"),
        Hear(0, 1, "x y"),
        Ask(0, 3, Partial, 4),
        Ask(0, 4, Final, 5),
        Hear(0, 3, "a b c d"),
        Hear(0, 4, "a b c d e"),
        Hear(0, 3, "a b c d"),
    ];
    check(&steps, &["partial 0 0..3@3 |a b c", "final 0 0..5@6 a b c d e"]);
}

#[test]
fn a_confirmed_speculation_is_the_final_whichever_comes_first() {
    let early = [Ask(0, 1, Speculative, 2), Hear(0, 1, "a b"), Ask(0, 1, Confirm, 2)];
    check(&early, &["partial 0 0..2@2 |a b", "final 0 0..2@3 a b"]);
    let late = [Ask(0, 1, Speculative, 2), Ask(0, 1, Confirm, 2), Hear(0, 1, "a b")];
    check(&late, &["final 0 0..2@3 a b"]);
}

#[test]
fn an_abandoned_speculation_is_only_a_partial() {
    let steps = [
        Ask(0, 1, Speculative, 2),
        Hear(0, 1, "a b"),
        Ask(0, 1, Abandon, 2),
        Ask(0, 2, Final, 4),
        Hear(0, 2, "a b c d"),
    ];
    check(&steps, &["partial 0 0..2@2 |a b", "final 0 0..4@5 a b c d"]);
    let late = [
        Ask(0, 1, Speculative, 2),
        Ask(0, 1, Abandon, 2),
        Hear(0, 1, "a b"),
        Ask(0, 2, Speculative, 4),
        Ask(0, 2, Confirm, 4),
        Hear(0, 1, "a b"),
        Hear(0, 2, "a b c d"),
    ];
    check(&late, &["partial 0 0..2@2 |a b", "final 0 0..4@5 a b c d"]);
}

#[test]
fn a_speculation_that_is_not_confirmed_is_never_a_final() {
    let steps = [
        Ask(0, 1, Final, 2),
        Ask(5, 1, Speculative, 7),
        Hear(5, 1, "c d"),
        Hear(0, 1, "a b"),
        Ask(5, 1, Abandon, 8),
        GiveUp,
    ];
    check(
        &steps,
        &[
            "partial 5 5..7@7 |c d",
            "final 0 0..2@3 a b",
            "partial 5 5..8@9 |",
            "gap 5..8@9 144000 RecogniserFailed",
        ],
    );
}

#[test]
fn finals_come_in_the_order_of_their_utterances() {
    let steps = [Ask(0, 1, Final, 2), Ask(5, 1, Final, 7), Hear(5, 1, "c d"), Hear(0, 1, "a b")];
    check(&steps, &["final 0 0..2@3 a b", "final 5 5..7@8 c d"]);
}

#[test]
fn what_fails_is_a_gap_in_frames_of_the_feed() {
    let steps = [Ask(1, 1, Final, 3), Come(1, 1, Outcome::Looping)];
    check(&steps, &["gap 1..3@4 96000 RecogniserFailed: it repeated itself"]);
    let steps = [Ask(1, 1, Final, 3), Fail(1, 1, "exited with signal 11"), Hear(1, 1, "late")];
    check(&steps, &["gap 1..3@4 96000 RecogniserFailed: exited with signal 11"]);
    let steps = [Ask(1, 1, Final, 3), Lose(1, 1, GapReason::Overload), Hear(1, 1, "late")];
    check(&steps, &["gap 1..3@4 96000 Overload"]);
    let hole = Outcome::Said { hole: Some(32_000..64_000) };
    let expected = ["gap 3..5@6 96000 RecogniserFailed: it left speech out", "final 1 1..5@6 word"];
    check(&[Ask(1, 1, Final, 5), Come(1, 1, hole)], &expected);
}

#[test]
fn lost_partials_and_speculations_are_no_gap() {
    let steps = [
        Ask(0, 1, Partial, 1),
        Lose(0, 1, GapReason::Overload),
        Ask(0, 2, Speculative, 2),
        Lose(0, 2, GapReason::Overload),
        Ask(0, 2, Confirm, 2),
        Hear(0, 2, "a b"),
    ];
    check(&steps, &["final 0 0..2@3 a b"]);
}

#[test]
fn nothing_said_takes_back_what_was_shown() {
    check(&[Ask(0, 1, Final, 2), Come(0, 1, Outcome::Nothing)], &[]);
    let steps = [
        Ask(0, 1, Partial, 1),
        Come(0, 1, SAID),
        Ask(0, 2, Partial, 2),
        Come(0, 2, Outcome::Looping),
        Ask(0, 3, Final, 3),
        Come(0, 3, Outcome::Nothing),
    ];
    check(&steps, &["partial 0 0..1@1 |word", "partial 0 0..3@4 |"]);
}

#[test]
fn nothing_is_silently_lost() {
    // Three finals where two may wait: the oldest is given up.
    let three =
        [Ask(0, 1, Final, 1), Ask(2, 1, Final, 3), Ask(4, 1, Final, 5), Hear(4, 1, "c"), Hear(2, 1, "b")];
    let expected = ["gap 0..1@2 48000 Overload", "final 2 2..3@4 b", "final 4 4..5@6 c"];
    check(&three, &expected);
    // An utterance that is never closed.
    let steps = [Ask(0, 1, Partial, 1), Ask(5, 1, Final, 6), Hear(5, 1, "b")];
    check(&steps, &["gap 0..1@2 48000 Loss", "final 5 5..6@7 b"]);
    // The end of the feed.
    let steps = [Ask(0, 1, Final, 1), Ask(2, 1, Final, 3), Hear(2, 1, "b"), GiveUp];
    let bench = check(&steps, &["gap 0..1@2 48000 RecogniserFailed", "final 2 2..3@4 b"]);
    assert_eq!(bench.transcriber.n_pending(), 0);
    let waiting = check(&[Ask(0, 1, Final, 1), Ask(2, 1, Partial, 3)], &[]);
    assert_eq!(waiting.transcriber.n_pending(), 1);
}

#[test]
fn the_limit_is_checked() {
    let config = TranscriberConfig { pending_max: 1, ..TranscriberConfig::new(SampleRate::HZ_16000) };
    let error = Transcriber::new(config).unwrap_err();
    assert_eq!(error.to_string(), "pending_max is 1, expected 2 to 1000");
}

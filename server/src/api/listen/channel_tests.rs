//! Tests of what is said about a channel: events in, lines out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use engine::event::{
    Body, Data, Feed, FeedState, Gap, GapReason, Onset, Settled, Settling, SpokenWord, Transcript,
};
use engine::time::{MediaTime, Span};

use super::channel::{Channel, Wanted};
use super::query::Query;
use super::wire::{Message, Origin};
use Settling::{Cut, Demand, End, Endpoint, Quiet};

fn span(start_ms: u64, end_ms: u64) -> Span {
    Span::new(MediaTime::from_millis(start_ms), MediaTime::from_millis(end_ms))
}

fn data(span: Span, body: Body) -> Data<Body> {
    Data { feed: "a".into(), epoch: 1, span, body, latency: None }
}

/// Text of an utterance, a word of 100 ms each from its start; numbered by its start in ms.
fn transcript(utterance: u64, text: &str) -> (Span, Transcript) {
    let word = |(at, text): (u64, &str)| {
        let start = utterance + 100 * at;
        SpokenWord { text: text.into(), span: span(start, start + 100), confidence: 0.5 }
    };
    let words: Vec<SpokenWord> = (0..).zip(text.split_whitespace()).map(word).collect();
    let end = words.last().map_or(utterance, |word| word.span.end.as_millis());
    (span(utterance, end), Transcript { utterance, text: text.into(), words, ..Transcript::default() })
}

fn partial(utterance: u64, text: &str) -> Data<Body> {
    let (span, transcript) = transcript(utterance, text);
    data(span, Body::Partial(transcript))
}

fn said(utterance: u64, text: &str) -> Data<Body> {
    let (span, transcript) = transcript(utterance, text);
    data(span, Body::Final(transcript))
}

fn settled(by: Settling, until_ms: u64, last_final: impl Into<Option<u64>>) -> Data<Body> {
    data(span(until_ms, until_ms), Settled { by, last_final: last_final.into() }.into())
}

fn feed(state: FeedState, at_ms: u64) -> Data<Body> {
    let feed = Feed { state, reason: None, codec: None, rate_hz: None, channels: Some(2) };
    data(span(at_ms, at_ms), feed.into())
}

fn line(message: &Message) -> String {
    match message {
        Message::Results(results) => {
            let [alternative] = &results.channel.alternatives;
            let marks = [
                (results.is_final, "final"),
                (results.speech_final, "speech_final"),
                (results.from_finalize, "from_finalize"),
            ];
            let marks: Vec<&str> =
                marks.iter().filter(|(is_set, _)| *is_set).map(|(_, mark)| *mark).collect();
            let end = results.start + results.duration;
            format!("{:.2}..{end:.2} {} {:?}", results.start, marks.join("+"), alternative.transcript)
        }
        other => serde_json::to_string(other).unwrap(),
    }
}

/// What is said to a client with `query` about these events and the end of the feed.
fn check(query: &str, events: &[Data<Body>], expected: &[&str]) -> Channel {
    let query = Query::parse(query).unwrap();
    let origin = Origin::new("id".into(), "model");
    let whole = MediaTime::from_secs(9);
    let mut channel = Channel::new([0, 1], Wanted::from(&query), origin.into(), whole);
    let mut lines = Vec::new();
    let mut say = |message: Message| lines.push(line(&message));
    events.iter().for_each(|event| channel.take(event, &mut say));
    channel.finish(&mut say);
    assert_eq!(lines, expected);
    channel
}

const INTERIMS: &str = "interim_results=true";

#[test]
fn finals_cover_everything_with_the_silence_before_them() {
    let events = [
        feed(FeedState::Format, 0),
        settled(Quiet, 1_000, None),
        said(1_200, "one two"),
        settled(Endpoint, 2_000, 1_200),
        settled(Quiet, 2_500, 1_200),
        feed(FeedState::Ended, 3_333),
        settled(End, 3_340, 1_200),
    ];
    let expected = ["0.00..2.00 final+speech_final \"one two\"", "2.00..3.33 final+speech_final \"\""];
    let channel = check("", &events, &expected);
    assert_eq!((channel.duration().as_millis(), channel.n_channels(), channel.is_heard()), (3_333, 2, true));
}

#[test]
fn long_silence_is_covered_piece_by_piece() {
    let quiet = |until: u64| settled(Quiet, until * 1_000, None);
    let events: Vec<_> = (1..=11).map(quiet).collect();
    check(
        "",
        &events,
        &["0.00..5.00 final \"\"", "5.00..10.00 final \"\"", "10.00..11.00 final+speech_final \"\""],
    );
}

#[test]
fn what_is_settled_waits_for_its_final_and_interims_for_both() {
    let events = [
        partial(100, "one"),
        settled(Quiet, 100, None),
        partial(100, "one two"),
        settled(Endpoint, 1_000, 100),
        partial(1_000, "three"),
        partial(1_000, "three four"),
        said(100, "one two"),
        settled(Quiet, 1_000, 100),
        partial(100, "late"),
        feed(FeedState::Ended, 2_000),
    ];
    let expected = [
        "0.00..0.20  \"one\"",
        "0.00..0.30  \"one two\"",
        "0.00..1.00 final+speech_final \"one two\"",
        "1.00..1.20  \"three four\"",
        "1.00..2.00 final+speech_final \"\"",
    ];
    check(INTERIMS, &events, &expected);
    let without = ["0.00..1.00 final+speech_final \"one two\"", "1.00..2.00 final+speech_final \"\""];
    check("", &events, &without);
}

/// A partial of words of a second each, of which `stable` stays.
fn slow(utterance: u64, stable: &str, rest: &str) -> Data<Body> {
    let Data { span: place, body, .. } = partial(utterance, [stable, rest].join(" ").trim());
    let Body::Partial(mut transcript) = body else { panic!("a partial") };
    transcript.stable_bytes = stable.len();
    for (at, word) in (0..).zip(&mut transcript.words) {
        let start = utterance + 1_000 * at;
        word.span = span(start, start + 1_000);
    }
    data(place, Body::Partial(transcript))
}

#[test]
fn a_long_utterance_has_finals_before_it_ends() {
    let events = [
        settled(Quiet, 500, None),
        slow(500, "", "one two three"),
        slow(500, "one two", "three four"),
        slow(500, "one two three", "for"),
        slow(500, "one two three four five", ""),
        slow(500, "one two three four five", "six"),
        // It places its words of 100 ms where others were said before.
        said(500, "One to three, four fife six seven"),
        settled(Endpoint, 9_000, 500),
        slow(500, "one two three four five six", "late"),
        partial(9_000, "next"),
        feed(FeedState::Ended, 11_000),
    ];
    let expected = [
        "0.00..3.50  \"one two three\"",
        "0.00..2.50 final \"one two\"",
        "2.50..4.50  \"three four\"",
        "2.50..4.50  \"three for\"",
        "2.50..5.50 final \"three four five\"",
        "5.50..6.50  \"six\"",
        "5.50..9.00 final+speech_final \"six seven\"",
        "9.00..9.10  \"next\"",
        "9.00..11.00 final+speech_final \"\"",
    ];
    check(INTERIMS, &events, &expected);
}

#[test]
fn what_was_said_early_stays_where_the_rest_is_taken_back() {
    let taken_back = [
        settled(Quiet, 500, None),
        slow(500, "one two", "three four"),
        slow(500, "", ""),
        settled(Endpoint, 5_000, None),
        feed(FeedState::Ended, 6_000),
    ];
    let expected = [
        "0.00..2.50 final \"one two\"",
        "2.50..4.50  \"three four\"",
        "2.50..2.50  \"\"",
        "2.50..5.00 final+speech_final \"\"",
        "5.00..6.00 final+speech_final \"\"",
    ];
    check(INTERIMS, &taken_back, &expected);
}

#[test]
fn a_cut_is_no_end_of_speech_and_a_demand_is_told_even_of_nothing() {
    let events = [
        said(0, "one"),
        settled(Cut, 12_000, 0),
        settled(Demand, 12_500, 0),
        settled(Demand, 12_500, 0),
        feed(FeedState::Ended, 12_500),
    ];
    let expected = [
        "0.00..12.00 final \"one\"",
        "12.00..12.50 final+speech_final+from_finalize \"\"",
        "12.50..12.50 final+speech_final+from_finalize \"\"",
    ];
    check("", &events, &expected);
}

#[test]
fn the_end_of_a_stretch_before_a_gap_is_settled_by_what_follows() {
    let events =
        [said(0, "one"), settled(End, 1_010, 0), settled(Quiet, 3_000, 0), feed(FeedState::Ended, 3_500)];
    check("", &events, &["0.00..1.01 final+speech_final \"one\"", "1.01..3.50 final+speech_final \"\""]);
}

#[test]
fn what_was_never_settled_is_said_at_the_end() {
    let events = [settled(Endpoint, 1_000, 500), feed(FeedState::Ended, 2_000)];
    check("", &events, &["0.00..1.00 final+speech_final \"\"", "1.00..2.00 final+speech_final \"\""]);
    check("", &[said(0, "one"), feed(FeedState::Ended, 2_000)], &["0.00..2.00 final+speech_final \"one\""]);
    check("", &[], &[]);
}

#[test]
fn onsets_and_silences_are_told_where_that_is_asked_for() {
    let onset = data(span(1_100, 1_100), Onset { utterance: 900 }.into());
    let events = [
        onset,
        said(1_000, "one"),
        settled(Endpoint, 1_900, 1_000),
        settled(Quiet, 2_050, 1_000),
        settled(Quiet, 2_100, 1_000),
        settled(Quiet, 4_000, 1_000),
    ];
    let expected = [
        r#"{"type":"SpeechStarted","channel":[0,1],"timestamp":1.1}"#,
        "0.00..1.90 final+speech_final \"one\"",
        r#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":1.1}"#,
        "1.90..4.00 final+speech_final \"\"",
    ];
    check("vad_events=true&interim_results=true&utterance_end_ms=1000", &events, &expected);
    check("", &events, &[expected[1], expected[3]]);
}

#[test]
fn gaps_are_told_where_that_is_asked_for_and_are_no_holes() {
    let gap = data(span(500, 700), Gap { frames: 3_200, reason: GapReason::Overload }.into());
    let events = [gap, settled(Endpoint, 1_000, None)];
    let told = r#"{"type":"AircheckGap","channel":[0,1],"start":0.5,"duration":0.2,"reason":"overload"}"#;
    check("extra=aircheck_gaps:true", &events, &[told, "0.00..1.00 final+speech_final \"\""]);
    check("", &events, &["0.00..1.00 final+speech_final \"\""]);
}

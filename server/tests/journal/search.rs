//! Searching what was said: exact times, context, and queries that mean nothing to SQLite.

use jiff::Timestamp;
use server::journal::{Hit, JournalError, Search};

use crate::support::Bench;

/// Two feeds; utterances begin every 10 s of media time, words every 0.5 s.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.feed("a", 1), bench.feed("b", 2));
    a.say_final(1, 10_000, "Good morning, this is the news.");
    a.beat();
    a.say_final(2, 20_000, "The old bridge is closed. The bridge re-opens on Café day.");
    a.say_final(3, 30_000, "That's all; don't go.");
    b.say_final(1, 10_000, "A bridge too far");
    bench.shown();
    bench
}

fn find(bench: &Bench, text: &str) -> Vec<Hit> {
    let search = Search { text: text.into(), limit: 10, ..Search::default() };
    bench.journal().reader().unwrap().search(&search).unwrap()
}

/// The words that were found, each with its times.
fn check(bench: &Bench, text: &str, expected: &[&str]) {
    let marks = |hit: &Hit| {
        let mark = |mark: &server::journal::Mark| {
            format!("{} {}..{}", &hit.text[mark.bytes.clone()], mark.start_ms, mark.end_ms)
        };
        hit.marks.iter().map(mark).collect::<Vec<_>>().join(", ")
    };
    let found: Vec<String> = find(bench, text).iter().map(marks).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn words_phrases_and_beginnings_with_their_exact_times() {
    let bench = bench();
    check(&bench, "news", &["news 12500..12900"]);
    check(&bench, "BRIDGE", &["bridge 10500..10900", "bridge 21000..21400, bridge 23000..23400"]);
    check(&bench, "\"bridge is closed\"", &["bridge is closed 21000..22400"]);
    check(&bench, "closed bridge far", &[]);
    check(&bench, "cafe", &["Café 24500..24900"]);
    check(&bench, "reop*", &[]);
    check(&bench, "ope*", &["opens 23500..23900"]);
    check(&bench, "don't", &["don't 31000..31400"]);
    check(&bench, "re-opens", &["re-opens 23500..23900"]);
    check(&bench, "absent", &[]);
}

#[test]
fn a_hit_says_where_and_when_it_was_and_what_was_said_around_it() {
    let bench = bench();
    let hits = find(&bench, "closed");
    let [hit] = hits.as_slice() else { panic!("{hits:?}") };
    assert_eq!((hit.feed.as_str(), hit.epoch, hit.utterance, hit.id.as_str()), ("a", 1, 2, "a-1-3"));
    assert_eq!((hit.start_ms, hit.end_ms), (22_000, 22_400));
    assert_eq!(hit.before, "Good morning, this is the news.");
    assert_eq!(hit.after, "That's all; don't go.");
    let said = bench.journal().reader().unwrap().finals("a", None, None, 10).unwrap();
    // The utterance begins at 20 s, the word two seconds later.
    assert_eq!(hit.time.duration_since(said[1].time).as_millis(), 2_000);
    let first = &find(&bench, "news")[0];
    assert_eq!((first.before.as_str(), first.after.as_str()), ("", hit.text.as_str()));
}

#[test]
fn nothing_in_a_query_is_syntax() {
    let bench = bench();
    let hostile = [
        "bridge OR",
        "NEAR(bridge",
        "text:bridge",
        "-bridge",
        "bridge AND NOT",
        "(",
        "{a b}:c",
        "^bridge",
        "a + b",
        "\"",
        "\"\"",
        "bridge\"",
        "'; DROP TABLE events; --",
        "' OR 1=1",
        "*",
        "**",
        "bridge\0",
        "said",
        "\u{1}",
        "bridge' || (SELECT 1) || '",
        "\\",
        "%",
        "_",
    ];
    let mut reader = bench.journal().reader().unwrap();
    for text in hostile {
        let search = Search { text: text.into(), limit: 10, ..Search::default() };
        match reader.search(&search) {
            Ok(_) | Err(JournalError::Query { .. }) => {}
            Err(error) => panic!("{text:?}: {error}"),
        }
    }
    check(&bench, "bridge", &["bridge 10500..10900", "bridge 21000..21400, bridge 23000..23400"]);
}

#[test]
fn by_feed_time_and_page() {
    let bench = bench();
    let mut reader = bench.journal().reader().unwrap();
    let mut find = |search: Search| -> Vec<u64> {
        let search = Search { text: "the*".into(), limit: search.limit.max(1), ..search };
        reader.search(&search).unwrap().iter().map(|hit| hit.cursor).collect()
    };
    let any = || Search { limit: 10, ..Search::default() };
    assert_eq!(find(any()), [3, 1]);
    assert_eq!(find(Search { limit: 1, ..any() }), [3]);
    assert_eq!(find(Search { before: Some(3), ..any() }), [1]);
    assert_eq!(find(Search { feeds: vec!["b".into()], ..any() }), [0_u64; 0]);
    assert_eq!(find(Search { from: Some(Timestamp::MAX), ..any() }), [0_u64; 0]);
    assert_eq!(find(Search { to: Some(Timestamp::MAX), from: Some(Timestamp::UNIX_EPOCH), ..any() }), [3, 1]);
}

#[test]
fn a_transcript_of_a_time_in_order() {
    let bench = bench();
    let mut reader = bench.journal().reader().unwrap();
    let all = reader.finals("a", None, None, 10).unwrap();
    assert_eq!(all.iter().map(|said| said.utterance).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((all[1].start_ms, all[1].end_ms, all[1].words.len()), (20_000, 25_400, 11));
    assert_eq!(all[1].words[1].text, "old");
    let some = reader.finals("a", Some(all[1].time), Some(all[2].time), 10).unwrap();
    assert_eq!(some, [all[1].clone()]);
    assert_eq!(reader.finals("nobody", None, None, 10).unwrap(), []);
}

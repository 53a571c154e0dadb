//! What is shown is on disk, and what is read later is what was shown.

use engine::event::{Body, EventKind, Feed as FeedFacts, FeedState};
use engine::time::{MediaTime, Span};
use server::journal::{JournalConfig, JournalError, Opening, Range};
use server::publish::Hub;

use crate::support::{Bench, all, value};

#[test]
fn what_is_read_is_byte_for_byte_what_was_shown() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.feed("a", 1), bench.feed("b", 7));
    for n in 0..300 {
        a.beat();
        b.say_final(n, n * 2_000, "the bridge is \"closed\" {\"recordedtime\":\"\"}");
        if n % 50 == 0 {
            bench.shown();
        }
    }
    a.beat();
    let shown = bench.shown();
    let stored = bench.read_all();
    assert_eq!(stored.len(), 601);
    for (shown, stored) in shown.iter().rev().zip(stored.iter().rev()) {
        assert_eq!(shown.cursor, Some(stored.cursor));
        assert_eq!(shown.line, stored.line);
        assert_eq!(serde_json::to_vec(&shown.record.envelope).unwrap(), stored.line);
    }
    bench.reopen();
    assert_eq!(bench.opening, Opening::Resumed { n_events: 601 });
    assert_eq!(bench.read_all(), stored);
}

#[test]
fn an_event_says_how_long_the_journal_took() {
    let mut bench = Bench::new();
    bench.feed("a", 1).say(engine::event::Event::new(
        Span::default(),
        MediaTime::ZERO,
        Body::Feed(FeedFacts {
            state: FeedState::Live,
            reason: None,
            codec: None,
            rate_hz: None,
            channels: None,
        }),
    ));
    let shown = bench.shown();
    let line = value(&shown[0].line);
    let latency = &line["data"]["latency"];
    let total = shown[0].record.total.unwrap().as_micros();
    assert_eq!(latency["total_ms"], u64::try_from((total + 500) / 1_000).unwrap());
    assert_eq!(latency["met"], total <= 100_000);
    assert!(latency["stages_ms"]["journal"].is_u64(), "{line}");
}

#[test]
fn an_ephemeral_event_is_shown_and_not_kept() {
    let mut bench = Bench::new();
    let mut feed = bench.feed("a", 1);
    feed.meter();
    feed.beat();
    let shown = bench.shown();
    assert_eq!(shown.iter().map(|event| event.cursor).collect::<Vec<_>>(), [None, Some(1)]);
    let kept = bench.read_all();
    assert_eq!((kept.len(), kept[0].cursor), (1, 1));
}

#[test]
fn ranges_by_feed_type_place_and_time() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.feed("a", 1), bench.feed("b", 1));
    for n in 0..10 {
        a.beat();
        b.say_final(n, n * 1_000, "word");
    }
    bench.shown();
    let count = |range: Range| bench.read(range).len();
    assert_eq!(count(Range { feeds: vec!["a".into()], ..all() }), 10);
    assert_eq!(count(Range { feeds: vec!["a".into(), "b".into()], ..all() }), 20);
    assert_eq!(count(Range { feeds: vec!["c' OR 1".into()], ..all() }), 0);
    assert_eq!(count(Range { kinds: vec![EventKind::TranscriptFinal], after: Some(10), ..all() }), 5);
    assert_eq!(count(Range { limit: 3, ..all() }), 3);
    let time = |idx: usize| value(&bench.read_all()[idx].line)["time"].as_str().unwrap().parse().unwrap();
    let feeds = vec!["a".to_owned()];
    // Events of feed a are at even places, one a second; the end is exclusive.
    let some = bench.read(Range { feeds, from: Some(time(4)), to: Some(time(10)), ..all() });
    assert_eq!(some.iter().map(|event| event.cursor).collect::<Vec<_>>(), [5, 7, 9]);
    assert_eq!(bench.journal().reader().unwrap().newest().unwrap(), 20);
}

#[test]
fn what_is_read_in_pages_is_whole_while_events_come() {
    let mut bench = Bench::new();
    let mut feed = bench.feed("a", 1);
    let mut reader = bench.journal().reader().unwrap();
    let (mut read, mut after) = (Vec::new(), 0);
    while read.len() < 2_000 {
        for _ in 0..if read.len() < 1_500 { 40 } else { 500 } {
            feed.beat();
        }
        let page = reader.range(&Range { after: Some(after), limit: 64, ..all() }).unwrap();
        after = page.last().map_or(after, |event| event.cursor);
        read.extend(page);
    }
    let shown = bench.shown();
    assert!(read.iter().zip(1..).all(|(event, cursor)| event.cursor == cursor));
    let known = |cursor| shown.iter().find(|event| event.cursor == Some(cursor));
    assert!(read.iter().all(|event| known(event.cursor).is_none_or(|shown| shown.line == event.line)));
}

#[test]
fn a_later_run_goes_on_where_the_earlier_one_ended() {
    let mut bench = Bench::new();
    assert_eq!(bench.opening, Opening::Fresh);
    assert_eq!(bench.journal().last_run("a").unwrap(), None);
    let id = bench.journal().reader().unwrap().id().to_owned();
    let mut feed = bench.feed("a", 3);
    (0..5).for_each(|_| feed.beat());
    bench.reopen();
    let last = bench.journal().last_run("a").unwrap().unwrap();
    assert_eq!((last.epoch, last.end, last.has_ended), (3, MediaTime::from_secs(4), false));
    let mut feed = bench.feed("a", 4);
    feed.beat();
    let ended =
        FeedFacts { state: FeedState::Ended, reason: None, codec: None, rate_hz: None, channels: None };
    feed.say(engine::event::Event::new(Span::default(), MediaTime::ZERO, Body::Feed(ended)));
    let shown = bench.shown();
    assert_eq!(shown.last().unwrap().record.envelope.id, "a-4-2");
    assert_eq!(shown.last().unwrap().cursor, Some(7));
    let last = bench.journal().last_run("a").unwrap().unwrap();
    assert_eq!((last.epoch, last.has_ended), (4, true));
    assert_eq!(bench.journal().reader().unwrap().id(), id);
}

#[test]
fn a_feed_that_counts_anew_in_the_same_epoch_does_not_stop_the_journal() {
    let mut bench = Bench::new();
    bench.feed("a", 1).beat();
    bench.feed("a", 1).beat();
    bench.reopen();
    bench.feed("a", 1).beat();
    bench.shown();
    let lines: Vec<_> = bench.read_all().iter().map(|event| value(&event.line)).collect();
    let ids: Vec<_> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a-1-1", "a-1-2", "a-1-3"]);
    assert_eq!(lines[2]["sequence"], "00000000000000000003");
}

#[test]
fn one_process_at_a_time() {
    let bench = Bench::new();
    let second = server::journal::Journal::open(JournalConfig::new(&bench.path), Hub::default().into());
    match second {
        Err(error @ JournalError::InUse { .. }) => {
            let pid = std::process::id().to_string();
            let message = error.to_string();
            assert!(message.contains(&pid) && message.contains("journal.db"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::at(&folder.path().join("deep/er/journal.db"));
    bench.feed("a", 1).beat();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&bench.path), mode(bench.path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(mode(&bench.path.with_extension("db-wal")), 0o600);
}

#[test]
fn a_closed_journal_takes_nothing() {
    use server::publish::Sink;
    let mut bench = Bench::new();
    bench.feed("a", 1).beat();
    let record = bench.shown()[0].record.clone();
    let mut sink = bench.journal().sink("a", 1);
    bench.journal.take().unwrap().close();
    assert_eq!(sink.take(&record).unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
}

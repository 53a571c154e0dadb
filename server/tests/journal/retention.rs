//! Retention: the oldest goes, by age and by size; what a later run needs stays.

use std::time::Duration;

use engine::event::{Body, Event, Feed as FeedFacts, FeedState};
use engine::time::{MediaTime, Span};
use server::journal::{JournalConfig, Opening, Retention, Search};

use crate::support::{Bench, until};

fn bench(path: &std::path::Path, retention: Retention) -> Bench {
    Bench::with(JournalConfig { retention, ..JournalConfig::new(path) })
}

#[test]
fn what_is_too_old_goes_with_its_words_and_places_are_not_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut young = bench(&path, Retention::default());
    let (mut a, mut b) = (young.feed("a", 1), young.feed("b", 4));
    (0..200).for_each(|n| a.say_final(n, n * 1_000, "the old bridge"));
    let ended =
        FeedFacts { state: FeedState::Ended, reason: None, codec: None, rate_hz: None, channels: None };
    b.say(Event::new(Span::default(), MediaTime::ZERO, Body::Feed(ended)));
    young.feed("a", 2).beat();
    young.shown();
    young.journal.take().unwrap().close();

    let mut old = bench(&path, Retention { age: Some(Duration::ZERO), bytes: None });
    let mut reader = old.journal().reader().unwrap();
    // The newest event stays, whatever its age.
    until(|| old.read_all().len() == 1);
    let search = Search { text: "bridge".into(), limit: 10, ..Search::default() };
    assert_eq!(reader.search(&search).unwrap(), []);
    let last = old.journal().last_run("b").unwrap().unwrap();
    assert_eq!((last.epoch, last.has_ended), (4, true));
    assert_eq!(old.journal().last_run("a").unwrap().unwrap().epoch, 2);
    old.feed("b", 4).beat();
    let shown = old.shown();
    assert_eq!((shown[0].cursor, shown[0].record.envelope.id.as_str()), (Some(203), "b-4-2"));
    until(|| old.read_all().len() == 1);
    old.reopen();
    assert_eq!(old.opening, Opening::Resumed { n_events: 1 });
}

#[test]
fn what_is_too_much_goes_and_the_disk_gets_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let bytes = 1 << 20;
    let mut bench = bench(&path, Retention { age: None, bytes: Some(bytes) });
    let mut feed = bench.feed("a", 1);
    let text = "many words ".repeat(60);
    for n in 0..1_500 {
        feed.say_final(n, n * 100_000, &text);
        if n % 500 == 0 {
            bench.shown();
        }
    }
    bench.shown();
    until(|| {
        let n = bench.read_all().len();
        n < 1_000 && n > 1
    });
    bench.reopen_with(Retention { age: None, bytes: Some(bytes) });
    until(|| std::fs::metadata(&path).unwrap().len() < 3 * bytes);
    let kept = bench.read_all();
    assert_eq!(kept.last().unwrap().cursor, 1_500);
    assert!(kept.windows(2).all(|pair| pair[0].cursor + 1 == pair[1].cursor));
    bench.reopen();
    assert!(matches!(bench.opening, Opening::Resumed { .. }), "{:?}", bench.opening);
}

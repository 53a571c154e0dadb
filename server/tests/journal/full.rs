//! G3: the disk is full, or does not take anything for another reason. Analysis goes on, nothing is shown, and
//! everything comes in order when there is room again.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine::event::Body;
use engine::time::MediaTime;
use rusqlite::Connection;
use server::journal::{Health, JournalConfig};

use crate::support::{Bench, until, value};

/// A file system in memory: small, but with room for what is written each time before it is full.
struct Small(PathBuf);

impl Small {
    /// `None`: not possible here.
    fn mount(at: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=160m", "tmpfs"]).arg(at).stderr(std::process::Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut ballast = fs::File::options().create(true).append(true).open(self.0.join("ballast")).unwrap();
        for len in [65_536, 4_096, 1] {
            while ballast.write_all(&vec![0; len]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn is_fine(bench: &Bench) -> bool {
    bench.journal().state().health == Health::Fine
}

#[test]
fn a_full_disk_loses_nothing_and_needs_no_restart() {
    let folder = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(folder.path()) else {
        println!("not checked: nothing can be mounted here (root)");
        return;
    };
    let mut bench = Bench::at(&folder.path().join("journal.db"));
    let mut feed = bench.feed("a", 1);
    let (mut n_posted, mut n_shown) = (0, 0);
    for n in 0..20 {
        small.fill();
        while is_fine(&bench) {
            feed.say_final(n_posted, n_posted * 1_000, "words for a disk that is full");
            n_posted += 1;
            // However fast the machine, what waits does not fill the disk that is to be found full.
            until(|| bench.journal().state().waiting < 64 || !is_fine(&bench));
        }
        let state = bench.journal().state();
        assert!(state.waiting > 0 && state.dropped == 0, "{state:?}");
        assert!(
            matches!(&state.health, Health::Degraded { reason, .. } if reason.contains("journal.db: ")),
            "{state:?}"
        );
        let held = bench.shown_now();
        n_shown += held.len();
        (0..10).for_each(|_| feed.beat());
        n_posted += 10;
        assert_eq!(bench.shown_now().len(), 0, "round {n}");
        small.free();
        n_shown += bench.shown().len();
        assert_eq!(n_shown as u64, n_posted, "round {n}");
        assert!(is_fine(&bench));
    }
    check_gapless(&bench, n_posted);
    bench.reopen();
    check_gapless(&bench, n_posted);
    drop(bench);
}

fn check_gapless(bench: &Bench, n: u64) {
    let sequences: Vec<_> =
        bench.read_all().iter().map(|event| value(&event.line)["sequence"].clone()).collect();
    assert_eq!(sequences, (1..=n).map(|n| format!("{n:020}")).collect::<Vec<_>>());
}

/// A journal that cannot be written: somebody else is at it.
fn blocked(bench: &Bench) -> Connection {
    let other = Connection::open(&bench.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

#[test]
fn what_cannot_wait_any_longer_is_lost_and_the_loss_is_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let config = JournalConfig { waiting_max: 10, ..JournalConfig::new(folder.path().join("journal.db")) };
    let mut bench = Bench::with(config);
    let (mut a, mut b, mut c) = (bench.feed("a", 1), bench.feed("b", 1), bench.feed("c", 1));
    a.beat();
    bench.shown();
    let other = blocked(&bench);
    a.beat();
    until(|| !is_fine(&bench));
    // In hand: a's second. Of c three are lost and nothing follows; of b two are lost; of a its third to 22nd.
    (0..3).for_each(|_| c.beat());
    (0..2).for_each(|_| b.beat());
    (0..25).for_each(|_| a.beat());
    (0..5).for_each(|_| b.beat());
    let state = bench.journal().state();
    assert_eq!((state.dropped, state.waiting), (25, 11));
    assert_eq!(bench.shown_now().len(), 0);
    other.execute_batch("COMMIT").unwrap();
    let shown = bench.shown();
    let ids: Vec<&str> = shown.iter().map(|event| event.record.envelope.id.as_str()).collect();
    let expected = ["a-1-2", "a-1-3", "a-1-4", "a-1-5", "a-1-6", "a-1-7", "a-1-8"];
    assert_eq!(ids.iter().filter(|id| id.starts_with('a')).copied().collect::<Vec<_>>(), expected);
    let of_b = ["b-1-1", "b-1-2", "b-1-3", "b-1-4", "b-1-5", "b-1-6"];
    assert_eq!(ids.iter().filter(|id| id.starts_with('b')).copied().collect::<Vec<_>>(), of_b);
    assert_eq!(ids.iter().filter(|id| id.starts_with('c')).copied().collect::<Vec<_>>(), ["c-1-1"]);
    let gap = |id: &str| {
        let event = shown.iter().find(|event| event.record.envelope.id == id).unwrap();
        assert_eq!(value(&event.line)["data"]["reason"], "journal");
        let Body::Gap(gap) = &event.record.envelope.data.body else { panic!("{event:?}") };
        let cause = gap.cause.clone().unwrap();
        let span = event.record.envelope.data.span;
        (cause.split(" because").next().unwrap().to_owned(), span.start, span.end)
    };
    let secs = MediaTime::from_secs;
    // a's third says second 2, its 22nd second 21.
    assert_eq!(gap("a-1-3"), ("20 events could not be kept".to_owned(), secs(2), secs(21)));
    assert_eq!(gap("b-1-1"), ("2 events could not be kept".to_owned(), secs(0), secs(1)));
    assert_eq!(gap("c-1-1"), ("3 events could not be kept".to_owned(), secs(0), secs(2)));
    let stored = bench.read_all();
    assert!(shown.iter().all(|event| stored.iter().any(|stored| stored.line == event.line)));
    drop(folder);
}

#[test]
fn a_journal_that_is_closed_while_it_cannot_be_written_ends_all_the_same() {
    let mut bench = Bench::new();
    bench.feed("a", 1).beat();
    bench.shown();
    let other = blocked(&bench);
    bench.feed("b", 1).beat();
    until(|| !is_fine(&bench));
    bench.journal.take().unwrap().close();
    assert_eq!(bench.shown_now().len(), 0);
    other.execute_batch("COMMIT").unwrap();
}

#[test]
fn a_moment_without_the_disk_changes_nothing_but_the_latency() {
    let mut bench = Bench::new();
    let mut feed = bench.feed("a", 1);
    feed.beat();
    bench.shown();
    let other = blocked(&bench);
    (0..600).for_each(|_| feed.beat());
    until(|| !is_fine(&bench));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(bench.shown().len(), 600);
    assert!(is_fine(&bench));
    check_gapless(&bench, 601);
}

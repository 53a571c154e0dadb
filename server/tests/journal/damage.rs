//! G14: a damaged journal is found, moved aside, and never silently served.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use server::journal::{JournalConfig, JournalError, Opening, Range, Reader, Search, Stored};
use tempfile::TempDir;

use crate::support::{Bench, Random, all, count_of};

/// A closed journal of a few hundred events, and what is in it.
fn closed() -> (TempDir, PathBuf, Vec<Stored>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut bench = Bench::at(&path);
    let (mut a, mut b) = (bench.feed("a", 1), bench.feed("b", 2));
    for n in 0..150 {
        a.beat();
        b.say_final(n, n * 4_000, &format!("utterance number{n} of the bridge that was closed again"));
        if n % 10 == 0 {
            bench.shown();
        }
    }
    bench.shown();
    let (events, texts) = (bench.read_all(), found(&mut bench.journal().reader().unwrap()).unwrap());
    bench.journal.take().unwrap().close();
    assert!(!path.with_extension("db-wal").exists());
    (folder, path, events, texts)
}

fn found(reader: &mut Reader) -> Result<Vec<String>, JournalError> {
    let search = Search { text: "bridge".into(), limit: 1_000, ..Search::default() };
    Ok(reader.search(&search)?.into_iter().map(|hit| hit.text).collect())
}

fn flip(path: &Path, offset: u64, bit: u8) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    byte[0] ^= bit;
    file.write_all_at(&byte, offset).unwrap();
}

#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    let (folder, path, events, texts) = closed();
    let len = fs::metadata(&path).unwrap().len();
    let mut random = Random(14);
    let (mut n_damaged, mut n_same) = (0, 0);
    for n in 0..count_of("AIRCHECK_FLIPS", 60, 500) {
        let copy = folder.path().join(format!("{n}/journal.db"));
        fs::create_dir(copy.parent().unwrap()).unwrap();
        fs::copy(&path, &copy).unwrap();
        let (offset, bit) = (random.below(len), 1 << random.below(8));
        flip(&copy, offset, bit);
        let bench = Bench::at(&copy);
        match &bench.opening {
            Opening::Damaged { moved_to, reason } => {
                n_damaged += 1;
                assert!(!reason.is_empty() && fs::metadata(moved_to).unwrap().len() == len);
                assert_eq!(bench.read_all(), []);
            }
            Opening::Resumed { n_events } => {
                n_same += 1;
                assert_eq!(*n_events, events.len() as u64, "byte {offset}, bit {bit}");
                assert_eq!(bench.read_all(), events, "byte {offset}, bit {bit}");
                assert_eq!(
                    found(&mut bench.journal().reader().unwrap()).unwrap(),
                    texts,
                    "byte {offset}, bit {bit}"
                );
            }
            Opening::Fresh => panic!("byte {offset}, bit {bit}: taken for a new journal"),
        }
        drop(bench);
        fs::remove_dir_all(copy.parent().unwrap()).unwrap();
    }
    println!("{n_damaged} found, {n_same} without effect");
    assert!(n_damaged > n_same);
}

/// Damages a closed journal; it must be moved aside for a reason with these words, and the new one must work.
fn check_damage(damage: impl FnOnce(&Path), expected: &str) {
    let (_folder, path, ..) = closed();
    damage(&path);
    let mut bench = Bench::at(&path);
    let Opening::Damaged { moved_to, reason } = bench.opening.clone() else { panic!("{:?}", bench.opening) };
    assert!(reason.contains(expected), "{reason}, expected {expected}");
    assert!(moved_to.file_name().unwrap().to_str().unwrap().starts_with("journal.damaged-"), "{moved_to:?}");
    bench.feed("a", 1).beat();
    assert_eq!((bench.shown().len(), bench.read_all().len()), (1, 1));
    bench.reopen();
    assert_eq!(bench.opening, Opening::Resumed { n_events: 1 });
}

/// Runs a statement on the closed file, as a program that is none of ours might.
fn meddle(sql: &'static str) -> impl FnOnce(&Path) {
    move |path| rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap()
}

#[test]
fn damage_of_every_kind_is_named() {
    let cut = |path: &Path| OpenOptions::new().write(true).open(path).unwrap().set_len(20_000).unwrap();
    check_damage(cut, "malformed");
    check_damage(|path| fs::write(path, "").unwrap(), "empty");
    check_damage(|path| fs::write(path, "not a journal at all ".repeat(99)).unwrap(), "not a database");
    check_damage(|path| fs::rename(path, path.with_extension("db-wal")).unwrap(), "missing");
    check_damage(
        meddle("UPDATE events SET line = replace(line, 'closed', 'opened') WHERE cursor = 100"),
        "event 100: its checksum",
    );
    check_damage(meddle("UPDATE events SET sequence = 999 WHERE cursor = 300"), "event 300: its checksum");
    check_damage(meddle("DELETE FROM events WHERE cursor = 100"), "the one before 101 is missing");
    check_damage(meddle("DELETE FROM events WHERE cursor > 290"), "missing");
    check_damage(meddle("DELETE FROM events WHERE cursor < 3"), "hole");
    check_damage(meddle("UPDATE batches SET wall_ms = wall_ms + 1"), "checksum");
    check_damage(meddle("DELETE FROM batches WHERE batch = 1"), "visible");
    check_damage(meddle("UPDATE streams SET feed = 'c' WHERE feed = 'b'"), "stream");
    check_damage(meddle("UPDATE settings SET value = 'x' WHERE key = 'id'"), "setting id: its checksum");
    check_damage(meddle("DELETE FROM settings WHERE key = 'id'"), "identity");
    check_damage(meddle("DROP INDEX events_by_time"), "tables");
    check_damage(meddle("PRAGMA user_version = 2"), "tables");
    check_damage(meddle("INSERT INTO said (rowid, text) VALUES (7, 'never said')"), "the index of words");
    check_damage(meddle("INSERT INTO said (said) VALUES ('delete-all')"), "the index of words");
}

#[test]
fn a_damaged_row_that_is_read_is_an_error_that_names_it() {
    let mut bench = Bench::new();
    let mut feed = bench.feed("a", 1);
    (0..20).for_each(|n| feed.say_final(n, n * 1_000, "the bridge"));
    bench.shown();
    meddle("UPDATE events SET line = replace(line, 'bridge', 'tunnel') WHERE cursor = 12")(&bench.path);
    let mut reader = bench.journal().reader().unwrap();
    assert_eq!(reader.range(&Range { limit: 11, ..all() }).unwrap().len(), 11);
    let error = reader.range(&all()).unwrap_err().to_string();
    assert!(error.contains("event 12 is damaged") && error.contains("journal.db"), "{error}");
    assert!(reader.finals("a", None, None, 99).unwrap_err().to_string().contains("event 12"));
    assert!(found(&mut reader).unwrap_err().to_string().contains("event 12"));
}

#[test]
fn what_the_first_look_does_not_reach_is_found_in_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut bench = Bench::at(&path);
    let mut feed = bench.feed("a", 1);
    let text = "a long text that fills the file ".repeat(600);
    for n in 0..1_700 {
        feed.say_final(n, n * 1_000, if n == 5 { "altered" } else { text.split_at(12_000 + n as usize).0 });
        if n % 100 == 0 {
            bench.shown();
        }
    }
    bench.shown();
    bench.journal.take().unwrap().close();
    meddle("UPDATE events SET line = replace(line, 'altered', 'falters') WHERE cursor = 6")(&path);
    let bench = Bench::at(&path);
    assert_eq!(bench.opening, Opening::Resumed { n_events: 1_700 });
    crate::support::until(|| bench.journal().state().damage.is_some());
    let damage = bench.journal().state().damage.unwrap();
    assert!(damage.contains("event 6: its checksum"), "{damage}");
    drop(bench);
    let bench = Bench::at(&path);
    assert!(
        matches!(&bench.opening, Opening::Damaged { reason, .. } if reason.contains("event 6")),
        "{:?}",
        bench.opening
    );
}

#[test]
fn a_journal_of_a_newer_program_is_left_alone() {
    let (_folder, path, ..) = closed();
    let crc = {
        let mut crc = crc32fast::Hasher::new();
        for text in ["setting", "schema", "2"] {
            crc.update(&(text.len() as u64).to_le_bytes());
            crc.update(text.as_bytes());
        }
        crc.finalize()
    };
    let sql =
        format!("PRAGMA user_version = 2; UPDATE settings SET value = '2', crc = {crc} WHERE key = 'schema'");
    rusqlite::Connection::open(&path).unwrap().execute_batch(&sql).unwrap();
    let opened = server::journal::Journal::open(JournalConfig::new(&path), Default::default());
    assert!(matches!(opened, Err(JournalError::Newer { expected: 1, actual: 2, .. })), "{opened:?}");
    assert!(path.exists());
}

#[test]
fn a_journal_that_cannot_be_opened_is_not_taken_for_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    fs::create_dir(&path).unwrap();
    let opened = server::journal::Journal::open(JournalConfig::new(&path), Default::default());
    let message = opened.unwrap_err().to_string();
    assert!(message.contains("journal.db"), "{message}");
    assert!(path.is_dir());
}

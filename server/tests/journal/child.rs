//! A process that writes a journal and says what was shown, until it is killed: this executable once more.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use engine::time::MediaTime;
use rusqlite::Connection;
use server::journal::{Journal, JournalConfig, Stored};
use server::publish::Hub;

use crate::support::{Bench, Feed, PATIENCE, value};

const PATH: &str = "AIRCHECK_TEST_JOURNAL";
const PLAIN: &str = "AIRCHECK_TEST_PLAIN";

/// Feeds of the child.
const FEEDS: [&str; 3] = ["a", "b", "c"];

/// What a child does: nothing when it is run as one of the tests.
#[test]
fn child() {
    let Some(path) = std::env::var_os(PATH) else { return };
    if std::env::var_os(PLAIN).is_some() {
        plain(Path::new(&path));
    } else {
        write(Path::new(&path));
    }
}

fn write(path: &Path) {
    let hub = Arc::new(Hub::default());
    let mut shown = hub.subscribe();
    let (journal, _) = Journal::open(JournalConfig::new(path), hub).unwrap();
    let mut feeds = FEEDS.map(|name| {
        let epoch = journal.last_run(name).unwrap().map_or(1, |last| last.epoch + 1);
        (Feed::new(&journal, name, epoch), 0)
    });
    let mut out = std::io::stdout().lock();
    loop {
        for (feed, n) in &mut feeds {
            *n += 1;
            feed.beat();
            feed.say_final(*n, *n * 1_000, "what was said before the power went");
        }
        while let Ok(event) = shown.try_recv() {
            writeln!(out, "\n{} {}", event.cursor.unwrap(), std::str::from_utf8(&event.line).unwrap())
                .unwrap();
        }
        if feeds[0].1 % 20 == 0 {
            assert!(journal.barrier(PATIENCE));
        }
    }
}

/// The negative control: a table of numbers, committed without waiting for the disk.
fn plain(path: &Path) {
    let conn = Connection::open(path).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.pragma_update(None, "synchronous", "NORMAL").unwrap();
    conn.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)").unwrap();
    let mut out = std::io::stdout().lock();
    for n in 1_i64.. {
        conn.execute("INSERT INTO t VALUES (?)", [n]).unwrap();
        writeln!(out, "\n{n} {{}}").unwrap();
    }
}

/// A running child, and what it has shown so far.
pub(crate) struct Witness {
    child: Child,
    lines: Receiver<String>,
    pub(crate) seen: Vec<Stored>,
}

impl Witness {
    pub(crate) fn start(path: &Path, is_plain: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child::child", "--exact", "--nocapture", "--test-threads=1"]).env(PATH, path);
        if is_plain {
            command.env(PLAIN, "1");
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        // Larger than what a child says between two looks, so that it is never held up for long.
        let (to, lines) = sync_channel(100_000);
        let pass = move || pass(BufReader::new(out), &to);
        std::thread::Builder::new().name("witness".into()).spawn(pass).unwrap();
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits until it has shown `n` events, and `more` after that.
    pub(crate) fn see(&mut self, n: usize, more: Duration) {
        while self.seen.len() < n {
            let line = self.lines.recv_timeout(PATIENCE).expect("the child shows nothing");
            self.seen.extend(parse(&line));
        }
        std::thread::park_timeout(more);
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Kills it. All that it has shown.
    pub(crate) fn kill(mut self) -> Vec<Stored> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.seen.extend(self.lines.iter().filter_map(|line| parse(&line)));
        self.seen
    }
}

fn pass(out: BufReader<ChildStdout>, to: &std::sync::mpsc::SyncSender<String>) {
    for line in out.lines().map_while(Result::ok) {
        if to.send(line).is_err() {
            return;
        }
    }
}

/// A whole line: number, space, JSON.
fn parse(line: &str) -> Option<Stored> {
    let (cursor, line) = line.split_once(' ')?;
    let cursor = cursor.parse().ok()?;
    line.ends_with('}').then(|| Stored { cursor, line: bytes::Bytes::from(line.to_owned()) })
}

/// What was seen is in the journal, and nothing has a hole.
pub(crate) fn check_kept(path: &Path, seen: &[Stored]) {
    let bench = Bench::at(path);
    assert!(matches!(bench.opening, server::journal::Opening::Resumed { .. }), "{:?}", bench.opening);
    let kept = bench.read_all();
    let mut is_last_batch = false;
    for seen in seen {
        let found = kept.binary_search_by_key(&seen.cursor, |kept| kept.cursor);
        let found = &kept[found.unwrap_or_else(|_| panic!("event {} was shown and is lost", seen.cursor))];
        // Of the batch that was shown last, the stamp may have been lost: nothing else, and nothing before it.
        is_last_batch |= found.line != seen.line;
        assert!(!is_last_batch || facts(&found.line) == facts(&seen.line), "{found:?}\n{seen:?}");
    }
    assert!(kept.iter().zip(1..).all(|(event, cursor)| event.cursor == cursor));
    let mut next = std::collections::BTreeMap::new();
    for event in &kept {
        let line = value(&event.line);
        let run = (line["data"]["feed"].to_string(), line["data"]["epoch"].as_u64().unwrap());
        let next = next.entry(run).or_insert(1_u64);
        assert_eq!(line["sequence"], format!("{next:020}"), "{line}");
        *next += 1;
    }
    let last = bench.journal().last_run("a").unwrap();
    assert!(last.is_none_or(|last| last.end > MediaTime::ZERO || kept.len() < 8), "{last:?}");
}

/// An event without what says when it became visible.
fn facts(line: &[u8]) -> serde_json::Value {
    let mut line = value(line);
    line["recordedtime"].take();
    let latency = &mut line["data"]["latency"];
    if latency.is_object() {
        ["total_ms", "met"].iter().for_each(|name| drop(latency[name].take()));
        latency["stages_ms"]["journal"].take();
    }
    line
}

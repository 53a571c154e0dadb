//! Feeds that say things, a journal that keeps them, and the hub that shows them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::event::{Body, Event, Heartbeat, Meter, SpokenWord, Transcript};
use engine::time::{MediaTime, Span};
use jiff::Timestamp;
use server::journal::{Journal, JournalConfig, JournalSink, Opening, Range, Retention, Stored};
use server::publish::{FeedIdentity, Hub, Now, Passage, Published, Recorder, Sink, WallClock};
use tempfile::TempDir;
use tokio::sync::broadcast;

/// Longer than anything here takes; only a failure waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Events that may wait to be looked at by a test: more than any makes.
const READERS_BEHIND: usize = 100_000;

/// A journal in a folder of its own, and all that it shows.
pub(crate) struct Bench {
    pub(crate) journal: Option<Journal>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) opening: Opening,
    pub(crate) path: PathBuf,
    seen: broadcast::Receiver<Arc<Published>>,
    _folder: Option<TempDir>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut bench = Self::at(&folder.path().join("journal.db"));
        bench._folder = Some(folder);
        bench
    }

    pub(crate) fn at(path: &Path) -> Self {
        Self::with(JournalConfig::new(path))
    }

    pub(crate) fn with(config: JournalConfig) -> Self {
        let hub = Arc::new(Hub::new(READERS_BEHIND, Vec::new()));
        let seen = hub.subscribe();
        let path = config.path.clone();
        let (journal, opening) = Journal::open(config, Arc::clone(&hub)).unwrap();
        Self { journal: Some(journal), hub, opening, path, seen, _folder: None }
    }

    pub(crate) fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    pub(crate) fn feed(&self, name: &str, epoch: u64) -> Feed {
        Feed::new(self.journal(), name, epoch)
    }

    /// All that was shown since it was asked last, once everything posted is visible.
    pub(crate) fn shown(&mut self) -> Vec<Arc<Published>> {
        assert!(self.journal().barrier(PATIENCE), "{:?}", self.journal().state());
        self.shown_now()
    }

    pub(crate) fn read(&self, range: Range) -> Vec<Stored> {
        self.journal().reader().unwrap().range(&range).unwrap()
    }

    pub(crate) fn read_all(&self) -> Vec<Stored> {
        self.read(all())
    }

    /// All that was shown since it was asked last.
    pub(crate) fn shown_now(&mut self) -> Vec<Arc<Published>> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }

    /// Closes the journal and opens it again.
    pub(crate) fn reopen(&mut self) {
        self.reopen_with(Retention::default());
    }

    pub(crate) fn reopen_with(&mut self, retention: Retention) {
        self.journal.take().unwrap().close();
        let config = JournalConfig { retention, ..JournalConfig::new(&self.path) };
        let (journal, opening) = Journal::open(config, Arc::clone(&self.hub)).unwrap();
        (self.journal, self.opening) = (Some(journal), opening);
    }
}

/// Everything.
pub(crate) fn all() -> Range {
    Range { limit: 1_000_000, ..Range::default() }
}

/// A feed that says things.
pub(crate) struct Feed {
    recorder: Recorder,
    sink: JournalSink,
    n: u64,
}

impl Feed {
    pub(crate) fn new(journal: &Journal, name: &str, epoch: u64) -> Self {
        let identity = FeedIdentity { name: name.to_owned(), epoch };
        let clock = WallClock::File { start: Timestamp::now() };
        Self { recorder: Recorder::new(identity, clock), sink: journal.sink(name, epoch), n: 0 }
    }

    pub(crate) fn say(&mut self, event: Event) {
        self.post(event, Passage::direct(Instant::now()));
    }

    pub(crate) fn post(&mut self, event: Event, passage: Passage) {
        let record = self.recorder.record(event, passage, Now::read());
        self.sink.take(&record).unwrap();
    }

    /// A sign of life at second `n` of the feed.
    pub(crate) fn beat(&mut self) {
        let watermark = MediaTime::from_secs(self.n);
        self.n += 1;
        let beat = Heartbeat { watermark, lag_ms: 3, coverage: 1.0 };
        self.say(Event::new(Span::new(watermark, watermark), watermark, beat));
    }

    pub(crate) fn meter(&mut self) {
        let meter = Meter { momentary_lufs: Some(-23.0), short_term_lufs: None, true_peak_dbtp: None };
        self.say(Event::new(Span::default(), MediaTime::ZERO, meter));
    }

    /// An utterance from `start_ms` on: half a second a word, of which it lasts 400 ms.
    pub(crate) fn say_final(&mut self, utterance: u64, start_ms: u64, text: &str) {
        let span = |idx: u64| {
            let start = start_ms + idx * 500;
            Span::new(MediaTime::from_millis(start), MediaTime::from_millis(start + 400))
        };
        let words: Vec<SpokenWord> = text
            .split_whitespace()
            .zip(0..)
            .map(|(word, idx)| SpokenWord { text: word.to_owned(), span: span(idx), confidence: 0.9 })
            .collect();
        let end = words.last().map_or(span(0).end, |word| word.span.end);
        let transcript = Transcript {
            utterance,
            text: text.to_owned(),
            stable_bytes: text.len(),
            language: "en".into(),
            confidence: 0.9,
            words,
            degraded: 0,
            model: "tiny.en-q8_0".into(),
        };
        self.say(Event::new(Span::new(span(0).start, end), end, Body::Final(transcript)));
    }
}

/// The value of a line.
pub(crate) fn value(line: &[u8]) -> serde_json::Value {
    serde_json::from_slice(line).unwrap()
}

/// How often something is tried: `few` times, `many` with `AIRCHECK_SOAK=1`, or as the variable `name` says.
pub(crate) fn count_of(name: &str, few: u64, many: u64) -> u64 {
    let number = |name| std::env::var(name).ok().and_then(|n| n.parse().ok());
    let is_soak = number("AIRCHECK_SOAK").is_some_and(|n: u64| n > 0);
    number(name).unwrap_or(if is_soak { many } else { few })
}

/// Waits until something is so, giving way to other threads.
pub(crate) fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it did not happen");
        std::thread::yield_now();
    }
}

/// Numbers that look random and are the same in every run (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Less than `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % n
    }
}

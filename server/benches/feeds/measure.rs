//! What the feeds get: delays of words, finals and signals, taken from their events.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use engine::event::{Body, Data};
use engine::time::MediaTime;
use server::publish::{Record, Sink};

use crate::heard::Heard;

/// An utterance that ends this near to the end of the audio was ended by it, not by a pause.
const CUT_OFF: MediaTime = MediaTime::from_millis(500);

/// Collects from all feeds.
pub(crate) struct Probe {
    length: MediaTime,
    is_over: AtomicBool,
    began: OnceLock<Instant>,
    seen: Mutex<Seen>,
}

/// What was collected.
#[derive(Default)]
pub(crate) struct Seen {
    /// From the end of a word to the first event that shows it, s.
    pub(crate) words: Vec<f64>,
    /// From the endpoint's last sample to the final, s.
    pub(crate) finals: Vec<f64>,
    /// Of alerts and segments, from the proof to the event, s.
    pub(crate) signals: Vec<f64>,
    pub(crate) n_partials: u64,
    /// A feed each.
    pub(crate) heard: Vec<Heard>,
}

impl Probe {
    /// For feeds of `length`.
    pub(crate) fn new(n_feeds: usize, length: Duration) -> Self {
        let heard = (0..n_feeds).map(|_| Heard::default()).collect();
        Self {
            length: MediaTime::from_millis(length.as_millis() as u64),
            is_over: AtomicBool::new(false),
            began: OnceLock::new(),
            seen: Mutex::new(Seen { heard, ..Seen::default() }),
        }
    }

    pub(crate) fn begin(&self, at: Instant) {
        self.began.set(at).expect("begun once");
    }

    /// No more audio comes.
    pub(crate) fn over(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// That of feed `idx`.
    pub(crate) fn sink(self: &Arc<Self>, idx: usize) -> Box<dyn Sink> {
        Box::new(FeedSink { probe: Arc::clone(self), idx, shown: BTreeMap::new() })
    }

    /// What was collected so far; from then on there is nothing.
    pub(crate) fn seen(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// That all feeds end at once is the bench's doing: how long that takes is not theirs.
    fn is_cut_off(&self, data: &Data<Body>) -> bool {
        let is_at_end = data.span.end + CUT_OFF >= self.length;
        self.is_over.load(Ordering::Acquire) && (is_at_end || !matches!(data.body, Body::Final(_)))
    }
}

struct FeedSink {
    probe: Arc<Probe>,
    idx: usize,
    /// End of the last word shown, by utterance.
    shown: BTreeMap<u64, MediaTime>,
}

impl Sink for FeedSink {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        let now = self.probe.began.get().map_or(Duration::ZERO, Instant::elapsed).as_secs_f64();
        let data = &record.envelope.data;
        let mut seen = self.probe.seen.lock().unwrap();
        seen.heard[self.idx].take(data);
        if self.probe.is_cut_off(data) {
            return Ok(());
        }
        let total = record.total.map(|total| total.as_secs_f64());
        let transcript = match &data.body {
            Body::Partial(transcript) => {
                seen.n_partials += 1;
                transcript
            }
            Body::Final(transcript) => {
                seen.finals.extend(total);
                transcript
            }
            Body::Segment(_) | Body::Alert(_) => {
                seen.signals.extend(total);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let shown = self.shown.entry(transcript.utterance).or_default();
        for word in transcript.words.iter().filter(|word| word.span.end > *shown) {
            seen.words.push(now - word.span.end.as_secs_f64());
        }
        *shown = transcript.words.last().map_or(*shown, |word| word.span.end.max(*shown));
        if matches!(data.body, Body::Final(_)) {
            self.shown.remove(&transcript.utterance);
        }
        Ok(())
    }
}

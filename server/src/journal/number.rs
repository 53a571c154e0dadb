//! From what feeds post to rows: places in the journal, and sequences that stay gapless where events were lost.

use engine::event::{Body, Data, Envelope, EventId, GapReport};
use jiff::Timestamp;

use super::row::{EventRow, StreamRow};
use super::stamp::{HandOver, strip};
use super::store::{Store, Stream, wire};
use super::waiting::{Lost, Posted, Run, Waiting};
use crate::publish::Record;

/// A row, and the record that is shown when it is on disk.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) row: EventRow,
    pub(super) record: Record,
}

/// When something comes into the hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    /// When it was handed over, by the run's own clock, us.
    pub(super) run_us: i64,
    /// Why events before it may have been lost.
    pub(super) why: &'a str,
}

/// What is written next.
#[derive(Debug, Default)]
pub(super) struct Hand {
    /// Streams that no row exists for yet.
    pub(super) streams: Vec<StreamRow>,
    /// Events in order.
    pub(super) events: Vec<Prepared>,
    /// How many of them were posted; the others say what was lost.
    pub(super) n_posted: u64,
}

impl Hand {
    /// Takes an event, after what says what was lost before it.
    pub(super) fn take(&mut self, posted: Posted, moment: Moment<'_>, store: &mut Store, waiting: &Waiting) {
        let Posted { mut record, sequence, .. } = posted;
        let run = (record.envelope.data.feed.clone(), record.envelope.data.epoch);
        let mut stream = self.stream(&run, store);
        if sequence > stream.expected.unwrap_or(1) {
            for lost in waiting.lost_before(&run, sequence) {
                let gap = gap(&run, stream.next, &lost, moment.why);
                self.push(gap, HandOver { run_us: moment.run_us, total_us: None }, &mut stream, store);
            }
        }
        stream.expected = sequence.checked_add(1);
        if i64::try_from(sequence) != Ok(stream.next) {
            record.envelope.renumber(EventId::Durable(u64::try_from(stream.next).unwrap_or(0)));
        }
        let total_us = record.total.filter(|_| record.envelope.data.latency.is_some());
        let total_us = total_us.map(|total| i64::try_from(total.as_micros()).unwrap_or(i64::MAX));
        self.push(record, HandOver { run_us: moment.run_us, total_us }, &mut stream, store);
        self.n_posted += 1;
        store.streams.insert(run, stream);
    }

    /// Says what was lost of a feed of which nothing more waits.
    pub(super) fn take_lost(&mut self, run: &Run, lost: &Lost, moment: Moment<'_>, store: &mut Store) {
        let mut stream = self.stream(run, store);
        let gap = gap(run, stream.next, lost, moment.why);
        self.push(gap, HandOver { run_us: moment.run_us, total_us: None }, &mut stream, store);
        stream.expected = lost.last.checked_add(1);
        store.streams.insert(run.clone(), stream);
    }

    fn stream(&mut self, run: &Run, store: &mut Store) -> Stream {
        if let Some(stream) = store.streams.get(run) {
            return *stream;
        }
        let stream = store.next_stream;
        store.next_stream += 1;
        let epoch = wire(run.1);
        self.streams.push(StreamRow { stream, feed: run.0.clone(), epoch, gone: 0, last: None });
        Stream { stream, next: 1, expected: None }
    }

    fn push(&mut self, mut record: Record, hand_over: HandOver, stream: &mut Stream, store: &mut Store) {
        strip(&mut record.envelope);
        let data = &record.envelope.data;
        let time: Option<Timestamp> = record.envelope.time.parse().ok();
        let row = EventRow {
            cursor: store.next_cursor,
            stream: stream.stream,
            sequence: stream.next,
            kind: data.body.kind(),
            batch: store.next_batch,
            time_ms: time.map_or(hand_over.run_us / 1_000, |time| time.as_millisecond()),
            end_ms: wire(data.span.end.as_millis()),
            hand_over,
            // Cannot fail: an envelope has no maps with keys that are no strings.
            line: serde_json::to_string(&record.envelope).unwrap_or_default(),
        };
        store.next_cursor += 1;
        stream.next += 1;
        self.events.push(Prepared { row, record });
    }
}

/// Event number `next` of `run`, which says what was lost.
fn gap(run: &Run, next: i64, lost: &Lost, why: &str) -> Record {
    let body =
        Body::Gap(GapReport::events_lost(&format!("{} events could not be kept because {why}", lost.n)));
    let data = Data { feed: run.0.clone(), epoch: run.1, span: lost.span, body, latency: None };
    let id = EventId::Durable(u64::try_from(next).unwrap_or(0));
    Record { envelope: Envelope::new(id, data, lost.time.clone(), String::new()), total: None }
}

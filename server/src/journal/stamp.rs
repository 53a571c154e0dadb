//! When events became visible, which is known only after they were written: the stamps of batches, and how a stored
//! line is completed with them. The same function completes the line that is shown live and the one that is read later.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::event::{Body, Envelope};
use jiff::Timestamp;

use crate::publish::Record;

/// Stamps of batches that readers may still need from memory: at most 100 batches a second, 10 s of them.
const RECENT_MAX: usize = 1_000;
const RECORDED: &str = "\"recordedtime\":\"";
const BUDGET: &str = "\"latency\":{\"budget_ms\":";
const NO_TOTAL: &str = ",\"total_ms\":0,\"met\":false,";
/// Ends of stages, latency, data and envelope.
const LINE_END: &str = "}}}}";

/// When a batch became visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// By the run's own clock: wall time at its start and monotonic since, us.
    pub(super) run_us: i64,
    /// By the wall clock, ms since 1970.
    pub(super) wall_ms: i64,
}

/// How long an event was on its way before it was handed over, and when that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HandOver {
    /// By the run's own clock, us.
    pub(super) run_us: i64,
    /// Arrival to hand-over, us. `None`: the event states no latency.
    pub(super) total_us: Option<i64>,
}

impl HandOver {
    /// From hand-over to visible.
    pub(super) fn wait(self, stamp: Stamp) -> Duration {
        micros(stamp.run_us.saturating_sub(self.run_us))
    }

    fn total(self, stamp: Stamp) -> Option<Duration> {
        self.total_us.map(|total| micros(total).saturating_add(self.wait(stamp)))
    }
}

fn micros(us: i64) -> Duration {
    Duration::from_micros(u64::try_from(us).unwrap_or(0))
}

/// Takes out of an envelope what [`complete`] puts in.
pub(super) fn strip(envelope: &mut Envelope<Body>) {
    envelope.recordedtime.clear();
    if let Some(latency) = &mut envelope.data.latency {
        (latency.total_ms, latency.met, latency.stages_ms.journal) = (0, false, None);
    }
}

/// Puts into a record what is known since its batch became visible.
pub(super) fn complete_record(record: &mut Record, hand_over: HandOver, stamp: Stamp) {
    record.envelope.recordedtime = rfc3339(stamp.wall_ms);
    if let Some(total) = hand_over.total(stamp) {
        record.total = Some(total);
        let latency = &mut record.envelope.data.latency;
        *latency = latency.map(|latency| latency.after_journal(total, hand_over.wait(stamp)));
    }
}

/// The line of a stripped envelope with what is known since its batch became visible. `None`: it is not such a line.
pub(super) fn complete(line: &str, hand_over: HandOver, stamp: Stamp) -> Option<String> {
    // Within strings quotes are escaped: these words can only be names of fields, and `latency` is the last field.
    let (before, after) = line.split_at(line.find(RECORDED)? + RECORDED.len());
    let mut whole = String::with_capacity(line.len() + 64);
    whole.push_str(before);
    whole.push_str(&rfc3339(stamp.wall_ms));
    let Some(total) = hand_over.total(stamp) else {
        whole.push_str(after);
        return Some(whole);
    };
    let (facts, latency) = after.split_at(after.rfind(BUDGET)? + BUDGET.len());
    let (budget, stages) = latency.split_at(latency.find(NO_TOTAL)?);
    let stages = stages.strip_prefix(NO_TOTAL)?.strip_suffix(LINE_END)?;
    let met = total <= Duration::from_millis(budget.parse().ok()?);
    let separator = if stages.ends_with('{') { "" } else { "," };
    let (total_ms, wait_ms) = (whole_ms(total), whole_ms(hand_over.wait(stamp)));
    whole.push_str(facts);
    whole.push_str(&format!(
        "{budget},\"total_ms\":{total_ms},\"met\":{met},{stages}{separator}\"journal\":{wait_ms}{LINE_END}"
    ));
    Some(whole)
}

/// Whole milliseconds, rounded to the nearest, as in every latency.
fn whole_ms(duration: Duration) -> u128 {
    (duration.as_micros() + 500) / 1_000
}

/// RFC 3339 in UTC with milliseconds.
pub(super) fn rfc3339(wall_ms: i64) -> String {
    format!("{:.3}", timestamp(wall_ms))
}

/// The time that is `wall_ms` after 1970.
pub(super) fn timestamp(wall_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(wall_ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Stamps that may not be in the file yet: a stamp is written with the batch after its own.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<(i64, Stamp)>>);

impl Recent {
    /// From now on readers see the batch.
    pub(super) fn add(&self, batch: i64, stamp: Stamp) {
        let mut recent = self.lock();
        if recent.len() >= RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back((batch, stamp));
    }

    /// The stamp of a batch. `None`: the batch is not visible yet.
    pub(super) fn of(&self, batch: i64) -> Option<Stamp> {
        let recent = self.lock();
        recent.iter().rev().find(|(known, _)| *known == batch).map(|(_, stamp)| *stamp)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(i64, Stamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use engine::budget::Budget;
    use engine::event::{Data, EventId, Latency, Metadata, Stages};
    use engine::time::Span;

    use super::*;

    /// Strips and completes, and compares with the whole envelope as serde writes it.
    fn check(title: &str, latency: Option<Latency>, expected: &str) {
        let body = Body::Metadata(Metadata { title: title.into(), artist: None, url: None });
        let data = Data { feed: "a".into(), epoch: 1, span: Span::default(), body, latency };
        let mut envelope = Envelope::new(EventId::Durable(3), data, "T".into(), "earlier".into());
        strip(&mut envelope);
        let stripped = serde_json::to_string(&envelope).unwrap();
        let hand_over = HandOver { run_us: 1_000_000, total_us: latency.map(|_| 80_400) };
        let stamp = Stamp { run_us: 1_012_600, wall_ms: 1_500 };
        let mut record = Record { envelope, total: None };
        complete_record(&mut record, hand_over, stamp);
        let line = complete(&stripped, hand_over, stamp).unwrap();
        assert_eq!(line, serde_json::to_string(&record.envelope).unwrap());
        assert!(line.contains("\"recordedtime\":\"1970-01-01T00:00:01.500Z\""), "{line}");
        assert!(line.contains(expected), "{line}");
    }

    #[test]
    fn a_completed_line_is_what_serde_writes() {
        let total = Duration::from_millis(80);
        let latency = |stages| Some(Latency::new(Budget::from_millis(100), total, Duration::ZERO, stages));
        let hostile =
            "\"recordedtime\":\"x\", \"latency\":{\"budget_ms\":1,\"total_ms\":0,\"met\":false,}}}}";
        let expected = "\"total_ms\":93,\"met\":true,\"algorithmic_ms\":0,\"stages_ms\":{\"journal\":13}}}}";
        check(hostile, latency(Stages::default()), expected);
        let stages = Stages { lane: Some(1), publish: Some(79), ..Stages::default() };
        check("x", latency(stages), "{\"lane\":1,\"publish\":79,\"journal\":13}}}}");
        check(hostile, None, "\"span\":{\"start_ms\":0,\"end_ms\":0},");
    }

    #[test]
    fn a_line_that_is_none_is_not_completed() {
        let hand_over = HandOver { run_us: 0, total_us: Some(1) };
        let stamp = Stamp { run_us: 0, wall_ms: 0 };
        for line in
            ["", "{}", "{\"recordedtime\":\"\"}", "{\"recordedtime\":\"\",\"latency\":{\"budget_ms\":x}}}}"]
        {
            assert_eq!(complete(line, hand_over, stamp), None, "{line}");
        }
    }

    #[test]
    fn only_recent_stamps_are_remembered() {
        let recent = Recent::default();
        let stamp = Stamp { run_us: 0, wall_ms: 0 };
        (0..=RECENT_MAX as i64).for_each(|batch| recent.add(batch, stamp));
        assert_eq!((recent.of(0), recent.of(1)), (None, Some(stamp)));
    }
}

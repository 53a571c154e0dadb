//! What a run comes to: counts over everything published.

use std::collections::BTreeMap;

use engine::budget::Budget;
use engine::continuity::Conservation;
use engine::event::{Body, EventKind, LoudnessReport, LoudnessScope, Phase, SegmentKind};
use engine::latency::EventLatencies;
use engine::time::MediaTime;

use super::Record;

/// Counts over the records of one feed.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Frames received, analysed, in gaps.
    pub conservation: Conservation,
    /// Media time up to which the feed was seen.
    pub duration: MediaTime,
    /// Words in finals.
    pub n_words: u64,
    /// Finals.
    pub n_utterances: u64,
    /// Confirmed keywords.
    pub n_keywords: u64,
    /// Media time of each kind of segment.
    pub segments: BTreeMap<SegmentKind, (u64, MediaTime)>,
    /// Alerts opened, by type.
    pub alerts: BTreeMap<EventKind, u64>,
    /// Gaps, and the media time in them.
    pub gaps: (u64, MediaTime),
    /// Loudness of the programme.
    pub loudness: Option<LoudnessReport>,
    /// Latencies of events that react to audio.
    pub latencies: EventLatencies,
    /// Records published.
    pub n_events: u64,
}

impl Tally {
    /// Counts a record.
    pub fn count(&mut self, record: &Record) {
        let data = &record.envelope.data;
        self.n_events += 1;
        if let (Some(total), Some(latency)) = (record.total, &data.latency) {
            self.latencies.record(data.body.kind(), Budget::from_millis(latency.budget_ms), total);
        }
        match &data.body {
            Body::Final(transcript) => {
                self.n_utterances += 1;
                self.n_words += transcript.words.len() as u64;
            }
            Body::Keyword(k) if k.state == engine::event::KeywordState::Confirmed => self.n_keywords += 1,
            Body::Segment(segment) if segment.phase == Phase::Close => {
                let (count, time) = self.segments.entry(segment.kind).or_default();
                *count += 1;
                *time = *time + data.span.duration();
            }
            Body::Alert(alert) if alert.phase == Phase::Open => {
                *self.alerts.entry(data.body.kind()).or_default() += 1;
            }
            Body::Gap(_) => {
                self.gaps.0 += 1;
                self.gaps.1 = self.gaps.1 + data.span.duration();
            }
            Body::LoudnessReport(report) if report.scope == LoudnessScope::Programme => {
                self.loudness = Some(*report);
            }
            _ => {}
        }
    }
}

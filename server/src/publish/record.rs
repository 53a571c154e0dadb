//! From an operator's event to a record: identity, wall time, latency.

use std::time::{Duration, Instant};

use engine::budget::Budgets;
use engine::event::{
    Body, ClockStep, Data, Envelope, Event, EventId, FeedState, Heartbeat, Latency, Phase, Stages,
};
use engine::latency::Arrivals;
use engine::time::{MediaTime, Span};
use jiff::Timestamp;

use super::clock::{WallClock, rfc3339};
use super::stated::StatedTimes;

/// Blocks whose arrival is remembered: 40 s of a live feed, longer than any transcript may take.
const ARRIVALS: usize = 2_048;

/// What arrives within this time of a feed that goes live, before it or after it, may be a burst of old audio: a
/// server sends what it has to whoever connects (Icecast within 0.5 s), and an encoder what it kept during a stall.
const BURST: Duration = Duration::from_millis(1_250);
/// Audio that was heard longer than this before it arrived is old. Less is a server that sends in pieces.
const OLD: Duration = Duration::from_millis(250);

/// Name and epoch of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedIdentity {
    /// Name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Rises at each start.
    pub epoch: u64,
}

/// The way an event took, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub struct Passage {
    /// When a worker took the block that completed the proof.
    pub taken_at: Option<Instant>,
    /// When the operators had stated the fact, or asked for recognition.
    pub stated_at: Instant,
    /// Waiting for a recogniser.
    pub queued: Option<Duration>,
    /// Recognition.
    pub recognised: Option<Duration>,
}

impl Passage {
    /// The way of a fact that no operator stated (a feed's state): it is known at `now`.
    #[must_use]
    pub fn direct(now: Instant) -> Self {
        Self { taken_at: None, stated_at: now, queued: None, recognised: None }
    }
}

/// The present, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For latency.
    pub instant: Instant,
    /// For people.
    pub wall: Timestamp,
}

impl Now {
    /// Reads the clocks.
    #[must_use]
    pub fn read() -> Self {
        Self { instant: Instant::now(), wall: Timestamp::now() }
    }
}

/// A published event.
#[derive(Clone, Debug)]
pub struct Record {
    /// As it goes over the wire.
    pub envelope: Envelope<Body>,
    /// Arrival to visible. `None` where nothing arrived, or what arrived was old audio of a burst.
    pub total: Option<Duration>,
}

/// Makes records of one feed.
#[derive(Debug)]
pub struct Recorder {
    identity: FeedIdentity,
    clock: WallClock,
    /// What the source says, which knows better.
    stated: StatedTimes,
    arrivals: Arrivals,
    /// When the feed went live last.
    live_at: Option<Instant>,
    durable: u64,
    ephemeral: u64,
    budgets: Budgets,
}

impl Recorder {
    /// A recorder that counts from 1.
    #[must_use]
    pub fn new(identity: FeedIdentity, clock: WallClock) -> Self {
        Self {
            identity,
            clock,
            stated: StatedTimes::default(),
            arrivals: Arrivals::new(ARRIVALS),
            live_at: None,
            durable: 0,
            ephemeral: 0,
            budgets: Budgets::default(),
        }
    }

    /// The same, for a feed that promises `budgets`.
    #[must_use]
    pub fn promising(self, budgets: Budgets) -> Self {
        Self { budgets, ..self }
    }

    /// Audio up to `end` arrived at `at`.
    pub fn arrived(&mut self, end: MediaTime, at: Instant) {
        self.arrivals.note(end, at);
        self.clock.arrived(end, at);
    }

    /// What follows `position` was heard at `wall`, says the source.
    pub fn heard_at(&mut self, position: MediaTime, wall: Timestamp) {
        self.stated.state(position, wall);
    }

    /// A sign of life at `now`: everything that arrived before the watermark has been through the operators.
    #[must_use]
    pub fn heartbeat(&self, now: Instant, coverage: f64) -> Event {
        let (watermark, at) = self.arrivals.latest().unwrap_or((MediaTime::ZERO, now));
        let lag_ms = u64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(u64::MAX);
        Event::new(Span::new(watermark, watermark), watermark, Heartbeat { watermark, lag_ms, coverage })
    }

    /// Looks at the wall clock: somebody may have set it.
    pub fn look_at_clock(&mut self, now: Now) -> Option<Event> {
        let by = self.clock.look(now)?;
        let here = self.arrivals.latest().map_or(MediaTime::ZERO, |(end, _)| end);
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Some(Event::new(Span::new(here, here), here, ClockStep { by_ms }))
    }

    /// The record of `event`, visible at `now`.
    pub fn record(&mut self, event: Event, passage: Passage, now: Now) -> Record {
        let Now { instant: now, wall } = now;
        let kind = event.kind();
        let id = self.next_id(kind.is_ephemeral());
        let heard = fact_position(&event);
        if matches!(&event.body, Body::Feed(feed) if feed.state == FeedState::Live) {
            self.live_at = Some(passage.stated_at);
        }
        let is_reaction = passage.taken_at.is_some();
        let arrived = if is_reaction { self.arrivals.at(event.proof) } else { Some(passage.stated_at) };
        // No promise holds for what was old before we had it.
        let arrived = arrived.filter(|&at| !(is_reaction && self.is_burst(event.proof, at)));
        let total = arrived.map(|at| now.saturating_duration_since(at));
        let algorithmic = event.proof.saturating_sub(event.span.end).to_duration();
        let latency = total.zip(self.budgets.of(kind)).map(|(total, budget)| {
            Latency::new(budget, total, algorithmic, stages(passage, arrived.unwrap_or(now), now))
        });
        let data = Data {
            feed: self.identity.name.clone(),
            epoch: self.identity.epoch,
            span: event.span,
            body: event.body,
            latency,
        };
        let time = rfc3339(self.stated.at(heard).unwrap_or_else(|| self.clock.at(heard)));
        Record { envelope: Envelope::new(id, data, time, rfc3339(wall)), total }
    }

    /// Whether the audio up to `proof` came at `at` in a burst, as far as is known by now.
    fn is_burst(&self, proof: MediaTime, at: Instant) -> bool {
        let is_near = |live: Instant| at.max(live).saturating_duration_since(at.min(live)) <= BURST;
        self.live_at.is_some_and(is_near) && self.clock.age(proof, at) > OLD
    }

    fn next_id(&mut self, ephemeral: bool) -> EventId {
        if ephemeral {
            self.ephemeral += 1;
            EventId::Ephemeral(self.ephemeral)
        } else {
            self.durable += 1;
            EventId::Durable(self.durable)
        }
    }
}

/// Where in the audio the fact happened: the end of what is over, else the start.
fn fact_position(event: &Event) -> MediaTime {
    let phase = match &event.body {
        Body::Alert(alert) => alert.phase,
        Body::Segment(segment) => segment.phase,
        _ => Phase::Open,
    };
    match phase {
        Phase::Open => event.span.start,
        Phase::Close => event.span.end,
    }
}

fn stages(passage: Passage, arrived: Instant, now: Instant) -> Stages {
    let millis = |d: Duration| u64::try_from((d.as_micros() + 500) / 1_000).unwrap_or(u64::MAX);
    let between = |from: Instant, to: Instant| millis(to.saturating_duration_since(from));
    let recognition = passage.queued.unwrap_or_default() + passage.recognised.unwrap_or_default();
    Stages {
        lane: passage.taken_at.map(|taken| between(arrived, taken)),
        operators: passage.taken_at.map(|taken| between(taken, passage.stated_at)),
        queue: passage.queued.map(millis),
        recognise: passage.recognised.map(millis),
        publish: Some(millis(now.saturating_duration_since(passage.stated_at).saturating_sub(recognition))),
        journal: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use engine::event::{Feed, Gap, GapReason, Meter};

    use super::*;

    #[test]
    fn durable_events_are_gapless_and_latency_counts_from_the_proof() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let now = |millis| Now { instant: at(millis), wall: Timestamp::UNIX_EPOCH };
        let identity = FeedIdentity { name: "wxyz".into(), epoch: 7 };
        let mut recorder = Recorder::new(identity, WallClock::file());
        recorder.arrived(MediaTime::from_secs(1), at(1_000));
        recorder.arrived(MediaTime::from_secs(2), at(2_000));
        let span = Span::new(MediaTime::ZERO, MediaTime::from_millis(700));
        let gap = || Event::new(span, MediaTime::from_secs(1), Gap { frames: 5, reason: GapReason::Loss });
        let meter = Meter { momentary_lufs: None, short_term_lufs: None, true_peak_dbtp: None };
        let passage = Passage {
            taken_at: Some(at(1_010)),
            stated_at: at(1_015),
            queued: Some(Duration::from_millis(100)),
            recognised: None,
        };
        let first = recorder.record(gap(), passage, now(1_120));
        let meter = recorder.record(Event::new(span, MediaTime::from_secs(2), meter), passage, now(2_001));
        let second = recorder.record(gap(), passage, now(1_120));
        let ids = [&first, &meter, &second].map(|r| r.envelope.id.clone());
        assert_eq!(ids, ["wxyz-7-1", "wxyz-7-e1", "wxyz-7-2"]);
        let latency = first.envelope.data.latency.unwrap();
        assert_eq!((latency.total_ms, latency.algorithmic_ms, latency.met), (120, 300, false));
        let stages = latency.stages_ms;
        assert_eq!(
            (stages.lane, stages.operators, stages.queue, stages.publish),
            (Some(10), Some(5), Some(100), Some(5))
        );
    }

    /// Four seconds arrive at once when the feed goes live; then a second more, in time.
    #[test]
    fn no_promise_holds_for_a_burst_of_old_audio() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let identity = FeedIdentity { name: "wxyz".into(), epoch: 1 };
        let mut recorder = Recorder::new(identity, WallClock::live());
        let total = |recorder: &mut Recorder, proof_ms, body: Body, taken_at, now_ms| {
            let proof = MediaTime::from_millis(proof_ms);
            let passage = Passage { taken_at, stated_at: at(10), queued: None, recognised: None };
            let now = Now { instant: at(now_ms), wall: Timestamp::UNIX_EPOCH };
            let record = recorder.record(Event::new(Span::new(proof, proof), proof, body), passage, now);
            assert_eq!(record.total.is_some(), record.envelope.data.latency.is_some());
            record.total.map(|total| total.as_millis())
        };
        let live = Feed { state: FeedState::Live, reason: None, codec: None, rate_hz: None, channels: None };
        assert_eq!(total(&mut recorder, 0, live.into(), None, 20), Some(10));
        (1..=40).for_each(|n| recorder.arrived(MediaTime::from_millis(100 * n), at(5)));
        recorder.arrived(MediaTime::from_millis(5_000), at(1_005));
        let gap = || Body::from(Gap { frames: 5, reason: GapReason::Loss });
        let mut check = |proof_ms, expected| {
            assert_eq!(total(&mut recorder, proof_ms, gap(), Some(at(10)), 2_005), expected, "{proof_ms}");
        };
        check(100, None);
        check(3_700, None);
        // At the live edge, in the burst and after it.
        check(4_000, Some(2_000));
        check(5_000, Some(1_000));
    }
}

//! Metrics for Prometheus: what each feed promised and had, what became of its audio, its state. Names are in one enum;
//! durations in seconds, audio in seconds, as gauges where they only rise by parts of one. And the log.

pub mod log;
mod metric;
mod process;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use engine::continuity::Conservation;
use engine::event::{Body, EventKind, FeedState, GapReport};
use engine::time::MediaTime;
use metrics::{Counter, Gauge, Histogram, Label, counter, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use crate::journal::{Health, JournalState, Quantiles};
use crate::publish::{Record, Sink};
pub use metric::Metric;
pub use process::{resources, vital};

/// Bounds of the buckets of latencies, s: every budget is one.
const BUCKETS: [f64; 16] =
    [0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.5, 10.0];

/// Whom all guests are counted as. No feed can have this name.
const GUESTS: &str = "/v1/listen";
/// Time between two upkeeps, as in the exporter of [`serve`].
const UPKEEP: Duration = Duration::from_secs(5);

/// Counts in this process, for [`PrometheusHandle::render`] to show. Needs [`upkeep`].
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    Metric::ALL.into_iter().for_each(Metric::describe);
    process::started();
    Ok(handle)
}

/// Sorts what was measured into buckets, for ever: until then every measurement is kept, which fills the memory where
/// nobody scrapes.
pub async fn upkeep(metrics: PrometheusHandle) {
    let mut due = tokio::time::interval(UPKEEP);
    loop {
        due.tick().await;
        metrics.run_upkeep();
    }
}

/// The metrics of this process for Prometheus, without feeds that are no more. What was counted of them stays in memory: a
/// feed that is added again goes on where it was.
#[must_use]
pub fn render(metrics: &PrometheusHandle, is_there: impl Fn(&str) -> bool) -> String {
    let text = metrics.render();
    text.split_inclusive('\n').filter(|line| feed_of(line).is_none_or(&is_there)).collect()
}

/// The feed that a line of the text format is about.
fn feed_of(line: &str) -> Option<&str> {
    // Names of feeds have no quotes in them.
    let (_, labels) = line.split_once("feed=\"")?;
    let (feed, _) = labels.split_once('"')?;
    (feed != GUESTS).then_some(feed)
}

/// Serves the metrics of this process at `http://address/metrics`, from a thread of its own.
pub fn serve(address: SocketAddr) -> Result<(), BuildError> {
    PrometheusBuilder::new().with_http_listener(address).set_buckets(&BUCKETS)?.install()?;
    Metric::ALL.into_iter().for_each(Metric::describe);
    process::started();
    Ok(())
}

/// Says how the journal fares.
pub fn journal(state: &JournalState) {
    let is_fine = state.health == Health::Fine;
    for (name, is_it) in [("fine", is_fine), ("degraded", !is_fine)] {
        gauge!(Metric::JournalState.name(), "state" => name).set(if is_it { 1.0 } else { 0.0 });
    }
    gauge!(Metric::JournalWaiting.name()).set(state.waiting as f64);
    gauge!(Metric::JournalSize.name()).set(state.bytes as f64);
    counter!(Metric::JournalDropped.name()).absolute(state.dropped);
    counter!(Metric::JournalCommits.name()).absolute(state.commits);
    counter!(Metric::JournalEvents.name()).absolute(state.events);
    for (metric, Quantiles { p50, p99, max }) in
        [(Metric::JournalCommit, state.commit), (Metric::JournalVisible, state.visible)]
    {
        for (quantile, time) in [("0.5", p50), ("0.99", p99), ("1", max)] {
            gauge!(metric.name(), "quantile" => quantile).set(time.as_secs_f64());
        }
    }
}

/// Why a connection was closed that wanted something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// All places were taken when it came.
    Full,
    /// It had not said what it wants, and another one came.
    GaveWay,
}

/// Counts a connection that was closed because too many were there.
pub fn turned_away(why: TurnedAway) {
    let why = match why {
        TurnedAway::Full => "full",
        TurnedAway::GaveWay => "gave_way",
    };
    counter!(Metric::TurnedAway.name(), "why" => why).increment(1);
}

/// Counts what a feed publishes.
pub struct Telemetry {
    feed: String,
    latencies: BTreeMap<EventKind, (Histogram, Counter)>,
    /// By name; waiting and service of the same stage have a name each.
    stages: BTreeMap<(&'static str, &'static str), Histogram>,
    rate_hz: u32,
    received: Gauge,
    analysed: Gauge,
    shed: Gauge,
    coverage: Gauge,
    watermark: Gauge,
    lag: Gauge,
    degrade_level: Gauge,
}

impl Telemetry {
    /// For the feed of this name; after [`serve`].
    #[must_use]
    pub fn new(feed: String) -> Self {
        let label = feed.clone();
        Self::with(feed, move |metric| gauge!(metric.name(), "feed" => label.clone()))
    }

    /// For a guest: its latencies, counted with those of all guests. It has no gauges; each guest would leave its own
    /// behind, for ever.
    #[must_use]
    pub fn of_guest() -> Self {
        Self::with(GUESTS.to_owned(), |_| Gauge::noop())
    }

    fn with(feed: String, gauge: impl Fn(Metric) -> Gauge) -> Self {
        Self {
            received: gauge(Metric::Received),
            analysed: gauge(Metric::Analysed),
            shed: gauge(Metric::Shed),
            coverage: gauge(Metric::Coverage),
            watermark: gauge(Metric::Watermark),
            lag: gauge(Metric::Lag),
            degrade_level: gauge(Metric::DegradeLevel),
            feed,
            latencies: BTreeMap::new(),
            stages: BTreeMap::new(),
            rate_hz: 0,
        }
    }

    fn labels(&self, more: &[(&'static str, &'static str)]) -> Vec<Label> {
        let own = Label::new("feed", self.feed.clone());
        more.iter().map(|(key, value)| Label::new(*key, *value)).chain([own]).collect()
    }

    fn latency(&mut self, record: &Record) {
        let data = &record.envelope.data;
        let kind = data.body.kind();
        let (Some(latency), Some(total)) = (&data.latency, record.total) else { return };
        if !self.latencies.contains_key(&kind) {
            let labels = self.labels(&[("event", kind.name())]);
            let histogram = metrics::histogram!(Metric::EventLatency.name(), labels.clone());
            self.latencies.insert(kind, (histogram, counter!(Metric::DeadlinesMissed.name(), labels)));
        }
        if let Some((histogram, missed)) = self.latencies.get(&kind) {
            histogram.record(total.as_secs_f64());
            missed.increment(u64::from(!latency.met));
        }
        let stages = &latency.stages_ms;
        let (wait, service) = (Metric::StageWait.name(), Metric::StageService.name());
        let of = [
            ((wait, "lane"), stages.lane),
            ((service, "operators"), stages.operators),
            ((wait, "recognise"), stages.queue),
            ((service, "recognise"), stages.recognise),
            ((service, "publish"), stages.publish),
            ((service, "journal"), stages.journal),
        ];
        for ((name, stage), millis) in of {
            if let Some(millis) = millis {
                let labels = self.labels(&[("stage", stage)]);
                let histogram =
                    self.stages.entry((name, stage)).or_insert_with(|| metrics::histogram!(name, labels));
                histogram.record(millis as f64 / 1e3);
            }
        }
    }

    /// Counts an event that became visible.
    pub fn saw(&mut self, record: &Record) {
        self.latency(record);
        match &record.envelope.data.body {
            Body::Feed(feed) if feed.state == FeedState::Format => self.rate_hz = feed.rate_hz.unwrap_or(0),
            Body::Feed(feed) => self.state(feed.state),
            Body::Degraded(engine) | Body::Recovered(engine) => {
                self.degrade_level.set(f64::from(engine.step));
            }
            Body::Heartbeat(beat) => self.lag.set(beat.lag_ms as f64 / 1e3),
            Body::Gap(gap) => self.gap(gap),
            _ => {}
        }
    }

    fn gap(&self, gap: &GapReport) {
        let labels = self.labels(&[("reason", gap.reason.name())]);
        let secs = gap.frames as f64 / f64::from(self.rate_hz.max(1));
        if self.rate_hz > 0 {
            gauge!(Metric::GapReason.name(), labels).increment(secs);
        }
    }

    /// Takes what became of all frames so far; everything up to `end` is known.
    pub fn count(&self, total: Conservation, end: MediaTime) {
        let secs = |frames: u64| frames as f64 / f64::from(self.rate_hz.max(1));
        let Conservation { received, analysed, in_gaps } = total;
        if self.rate_hz > 0 {
            self.received.set(secs(received));
            self.analysed.set(secs(analysed));
            self.shed.set(secs(in_gaps));
            self.coverage.set(total.coverage());
        }
        self.watermark.set(end.as_secs_f64());
    }

    /// The feed does not run any more: nothing of it is late, and nobody is to be woken.
    pub fn over(&self) {
        self.lag.set(0.0);
        self.degrade_level.set(0.0);
        self.state(FeedState::Ended);
    }

    fn state(&self, now: FeedState) {
        if self.feed == GUESTS {
            return;
        }
        for state in FeedState::LASTING {
            let labels = self.labels(&[("state", state.name())]);
            gauge!(Metric::State.name(), labels).set(if state == now { 1.0 } else { 0.0 });
        }
    }
}

impl Sink for Telemetry {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        self.saw(record);
        Ok(())
    }

    fn counted(&mut self, total: Conservation, end: MediaTime) {
        self.count(total, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_budget_is_the_bound_of_a_bucket() {
        for kind in EventKind::ALL {
            let Some(budget) = kind.budget() else { continue };
            let secs = budget.duration().as_secs_f64();
            assert!(BUCKETS.contains(&secs), "{kind:?}: {secs} s");
        }
        assert!(BUCKETS.is_sorted());
    }

    #[test]
    fn lines_are_about_feeds_or_not() {
        assert_eq!(feed_of("aircheck_lag_seconds{feed=\"wxyz\"} 0.1\n"), Some("wxyz"));
        assert_eq!(feed_of("aircheck_feed_state{state=\"down\",feed=\"a.b-c\"} 1\n"), Some("a.b-c"));
        for line in ["# TYPE aircheck_lag_seconds gauge\n", "aircheck_journal_size_bytes 7\n", "\n"] {
            assert_eq!(feed_of(line), None);
        }
        assert_eq!(feed_of("aircheck_deadlines_missed_total{event=\"gap\",feed=\"/v1/listen\"} 0\n"), None);
    }

    #[test]
    fn names_are_distinct_and_say_their_unit() {
        for (idx, metric) in Metric::ALL.into_iter().enumerate() {
            let name = metric.name();
            assert!(Metric::ALL[..idx].iter().all(|other| other.name() != name), "{name}");
            let has_unit = ["_seconds", "_total", "_ratio", "_level", "_state", "_events", "_bytes"]
                .iter()
                .any(|unit| name.ends_with(unit));
            assert!(name.starts_with("aircheck_") && has_unit, "{name}");
        }
    }
}

//! The promises as Prometheus watches over them: recording rules and burn-rate alerts. Measures nothing itself.
//!
//! Windows and burn rates are those of the Google SRE Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts": of what
//! an objective allows in 30 days, 14.4 times too fast uses up 2 % in an hour, 6 times 5 % in 6 hours, 3 times 10 % in a day,
//! once 10 % in 3 days. The short window ends an alert soon after its cause has.

use std::fmt::Write;

use engine::budget::Budget;
use engine::event::EventKind;

use crate::config::{Config, FeedSpec, SloConfig};
use crate::telemetry::Metric;

/// Windows that something is averaged over.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

/// How fast what is allowed may be used up, over two windows.
struct Burn {
    rate: f64,
    long: &'static str,
    short: &'static str,
    severity: &'static str,
}

const BURNS: [Burn; 4] = [
    Burn { rate: 14.4, long: "1h", short: "5m", severity: "page" },
    Burn { rate: 6.0, long: "6h", short: "30m", severity: "page" },
    Burn { rate: 3.0, long: "1d", short: "2h", severity: "ticket" },
    Burn { rate: 1.0, long: "3d", short: "6h", severity: "ticket" },
];

/// Late events of a type in the long window that there are at least before anybody is told: of a type that comes once an hour,
/// one late event would be the whole hour.
const LATE_MIN: u32 = 3;

/// A service-level indicator: what share of something is not as promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Indicator {
    Latency,
    Coverage,
    Freshness,
}

impl Indicator {
    const ALL: [Self; 3] = [Self::Latency, Self::Coverage, Self::Freshness];

    const fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Coverage => "coverage",
            Self::Freshness => "freshness",
        }
    }

    const fn alert(self) -> &'static str {
        match self {
            Self::Latency => "AircheckLatencyBurn",
            Self::Coverage => "AircheckCoverageBurn",
            Self::Freshness => "AircheckFreshnessBurn",
        }
    }

    const fn objective(self, slo: &SloConfig) -> f64 {
        match self {
            Self::Latency => slo.latency,
            Self::Coverage => slo.coverage,
            Self::Freshness => slo.freshness,
        }
    }

    /// What an alert says; Prometheus fills in the labels.
    fn summary(self, slo: &SloConfig) -> String {
        let budget_ms = slo.freshness_budget_ms;
        match self {
            Self::Latency => {
                "{{ $labels.event }} events of feed {{ $labels.feed }} are later than promised".to_owned()
            }
            Self::Coverage => "audio of feed {{ $labels.feed }} arrives and is not analysed".to_owned(),
            Self::Freshness => {
                format!("the newest audio of feed {{{{ $labels.feed }}}} is older than {budget_ms} ms")
            }
        }
    }

    /// The share that is not as promised, over a window.
    fn error(self, window: &str) -> String {
        match self {
            Self::Latency => {
                let (missed, all) = (Metric::DeadlinesMissed.name(), Metric::EventLatency.name());
                format!("rate({missed}[{window}]) / rate({all}_count[{window}])")
            }
            // Gauges that only rise, and begin anew with the feed, as counters do. What is on its way is not lost: never
            // below 0.
            Self::Coverage => {
                let (analysed, received) = (Metric::Analysed.name(), Metric::Received.name());
                format!("clamp_min(1 - rate({analysed}[{window}]) / rate({received}[{window}]), 0)")
            }
            Self::Freshness => format!("avg_over_time({STALE}[{window}])"),
        }
    }

    /// Whether the share is above `limit` in both windows of a burn, of enough to matter.
    fn burning(self, burn: &Burn, limit: f64) -> String {
        let Burn { long, short, .. } = burn;
        let both = format!("{} > {limit} and {} > {limit}", self.series(long), self.series(short));
        match self {
            Self::Latency => {
                format!("{both} and increase({}[{long}]) >= {LATE_MIN}", Metric::DeadlinesMissed.name())
            }
            Self::Coverage | Self::Freshness => both,
        }
    }

    /// Name of the share over a window.
    fn series(self, window: &str) -> String {
        format!("aircheck:{}_error:ratio_rate{window}", self.name())
    }
}

/// 1 where the newest audio of a feed is too old, else 0.
const STALE: &str = "aircheck:stale:bool";

/// Where it says what to do about an alert: a page for each, in this repository.
const RUNBOOKS: &str = "docs/runbooks";

/// The rules as a file for Prometheus.
#[must_use]
pub fn rules(config: &Config) -> String {
    let mut text = String::from(HEAD);
    budgets(&mut text, &config.feeds);
    for indicator in Indicator::ALL {
        group(&mut text, &config.slo, indicator);
    }
    text
}

const HEAD: &str = "\
# Generated by `aircheck slo export`. Windows and burn rates: Google SRE Workbook, chapter 5.
# Latency is counted by aircheck_deadlines_missed_total, against the budget of each feed and event type, whatever that is: the
# buckets of aircheck_event_latency_seconds would only do for budgets that are the bound of a bucket.
groups:
";

/// The promised latencies as series, to be drawn beside what was measured: the usual ones by type, those that were set by
/// feed as well.
fn budgets(text: &mut String, feeds: &[FeedSpec]) {
    text.push_str("  - name: aircheck-budgets\n    rules:\n");
    let mut promise = |kind: EventKind, budget: Option<Budget>, feed: Option<&str>| {
        let Some(budget) = budget else { return };
        record(
            text,
            "aircheck:event_budget_seconds",
            &format!("vector({})", budget.duration().as_secs_f64()),
        );
        let _ = write!(text, "        labels:\n          event: {}\n", quoted(kind.name()));
        if let Some(feed) = feed {
            let _ = writeln!(text, "          feed: {}", quoted(feed));
        }
    };
    for kind in EventKind::ALL {
        promise(kind, kind.budget(), None);
        for feed in feeds {
            let budget = feed.budgets().of(kind);
            if budget != kind.budget() {
                promise(kind, budget, Some(feed.name.as_str()));
            }
        }
    }
}

fn group(text: &mut String, slo: &SloConfig, indicator: Indicator) {
    let _ = write!(text, "  - name: aircheck-{}\n    rules:\n", indicator.name());
    if indicator == Indicator::Freshness {
        let secs = slo.freshness_budget_ms as f64 / 1e3;
        record(text, STALE, &format!("{} > bool {secs}", Metric::Lag.name()));
    }
    for window in WINDOWS {
        record(text, &indicator.series(window), &indicator.error(window));
    }
    let objective = indicator.objective(slo);
    for burn in BURNS {
        let Burn { rate, long, severity, .. } = burn;
        let limit = (rate * (1.0 - objective) * 1e6).round() / 1e6;
        let expr = indicator.burning(&burn, limit);
        let summary = format!("{}: {rate} times what {objective} allows over {long}", indicator.summary(slo));
        let _ = write!(text, "      - alert: {}\n        expr: {}\n", indicator.alert(), quoted(&expr));
        let _ = write!(text, "        labels:\n          severity: {severity}\n          window: {long}\n");
        let _ = write!(text, "        annotations:\n          summary: {}\n", quoted(&summary));
        let _ = writeln!(text, "          runbook: {RUNBOOKS}/{}.md", indicator.alert());
    }
}

fn record(text: &mut String, name: &str, expr: &str) {
    let _ = write!(text, "      - record: {name}\n        expr: {}\n", quoted(expr));
}

/// Text in quotes, as YAML takes it: JSON does.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

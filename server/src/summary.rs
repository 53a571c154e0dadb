//! The summary of a run, as a table for people and as JSON for programs.

use std::fmt::Write as _;
use std::time::Duration;

use engine::event::{LoudnessProfile, LoudnessReport};
use serde::Serialize;

use crate::publish::Tally;

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// What was analysed, as the user named it (without secrets).
    pub input: String,
    /// Length of the audio, s.
    pub duration_s: f64,
    /// How long the run took, s.
    pub elapsed_s: f64,
    /// Duration over elapsed.
    pub times_real_time: f64,
    /// Analysed / received, 0..=1.
    pub coverage: f64,
    /// Gaps.
    pub gaps: u64,
    /// Model, where there was recognition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Words in finals.
    pub words: u64,
    /// Finals.
    pub utterances: u64,
    /// Confirmed keywords.
    pub keywords: u64,
    /// By kind of sound.
    pub segments: Vec<SegmentRow>,
    /// By type of alert.
    pub alerts: Vec<AlertRow>,
    /// Loudness of the programme beside its target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loudness: Option<LoudnessRow>,
    /// Latency by type of event.
    pub latencies: Vec<LatencyRow>,
}

/// Segments of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentRow {
    /// Kind of sound.
    pub kind: engine::event::SegmentKind,
    /// How many.
    pub count: u64,
    /// How long together, s.
    pub total_s: f64,
}

/// Alerts of one type.
#[derive(Clone, Debug, Serialize)]
pub struct AlertRow {
    /// Type of event.
    pub alert: &'static str,
    /// How many were opened.
    pub count: u64,
}

/// Loudness beside its target.
#[derive(Clone, Debug, Serialize)]
pub struct LoudnessRow {
    /// What was measured.
    #[serde(flatten)]
    pub report: LoudnessReport,
    /// Recommendation.
    pub profile: LoudnessProfile,
    /// Its target, LUFS.
    pub target_lufs: f64,
}

/// Latency of one type of event against its budget.
#[derive(Clone, Debug, Serialize)]
pub struct LatencyRow {
    /// Type of event.
    pub event: &'static str,
    /// How many.
    pub count: u64,
    /// Promised, ms.
    pub budget_ms: u64,
    /// Half were at least as fast, ms.
    pub p50_ms: f64,
    /// 95 % were at least as fast, ms.
    pub p95_ms: f64,
    /// 99 % were at least as fast, ms.
    pub p99_ms: f64,
    /// Within the budget.
    pub met: u64,
    /// Past it.
    pub missed: u64,
}

/// Names of a run that its tally does not know.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// What was analysed.
    pub input: String,
    /// How long the run took.
    pub elapsed: Duration,
    /// Model, where there was recognition.
    pub model: Option<String>,
    /// Recommendation to compare loudness with, and its target, LUFS.
    pub target: (LoudnessProfile, f64),
}

impl Summary {
    /// The summary of a run.
    #[must_use]
    pub fn new(facts: RunFacts, tally: &Tally) -> Self {
        let (duration_s, elapsed_s) = (tally.duration.as_secs_f64(), facts.elapsed.as_secs_f64());
        let (profile, target_lufs) = facts.target;
        Self {
            input: facts.input,
            duration_s,
            elapsed_s,
            times_real_time: if elapsed_s > 0.0 { duration_s / elapsed_s } else { 0.0 },
            coverage: tally.conservation.coverage(),
            gaps: tally.gaps.0,
            model: facts.model,
            words: tally.n_words,
            utterances: tally.n_utterances,
            keywords: tally.n_keywords,
            segments: segments(tally),
            alerts: tally.alerts.iter().map(|(k, n)| AlertRow { alert: k.name(), count: *n }).collect(),
            loudness: tally.loudness.map(|report| LoudnessRow { report, profile, target_lufs }),
            latencies: latencies(tally),
        }
    }

    /// A table of at most 100 columns.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_table(&mut out);
        out
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "input       {}", self.input)?;
        writeln!(
            out,
            "audio       {} in {} ({:.1} x real time)",
            length(self.duration_s),
            length(self.elapsed_s),
            self.times_real_time
        )?;
        writeln!(out, "coverage    {:.3} %, {}", self.coverage * 100.0, number(self.gaps, "gap"))?;
        if let Some(model) = &self.model {
            let (words, utterances) = (number(self.words, "word"), number(self.utterances, "utterance"));
            writeln!(out, "transcript  {words} in {utterances} ({model})")?;
        }
        if self.keywords > 0 {
            writeln!(out, "keywords    {}", self.keywords)?;
        }
        for row in &self.segments {
            let share = if self.duration_s > 0.0 { row.total_s / self.duration_s * 100.0 } else { 0.0 };
            let kind = format!("{:?}", row.kind).to_lowercase();
            let count = number(row.count, "segment");
            writeln!(out, "{kind:<11} {:>9}  {share:>5.1} %  {count}", length(row.total_s))?;
        }
        self.write_loudness(out)?;
        let alerts: Vec<String> =
            self.alerts.iter().map(|row| format!("{} {}", row.count, row.alert)).collect();
        writeln!(
            out,
            "alerts      {}",
            if alerts.is_empty() { "none".to_owned() } else { alerts.join(", ") }
        )?;
        self.write_latencies(out)
    }

    fn write_loudness(&self, out: &mut String) -> std::fmt::Result {
        let Some(row) = &self.loudness else { return Ok(()) };
        let Some(integrated) = row.report.integrated_lufs else {
            return writeln!(out, "loudness    nothing above the gate");
        };
        let off = integrated - row.target_lufs;
        write!(out, "loudness    {integrated:.1} LUFS ({off:+.1} LU to {:.0} LUFS)", row.target_lufs)?;
        if let Some(range) = row.report.range_lu {
            write!(out, ", range {range:.1} LU")?;
        }
        if let Some(peak) = row.report.true_peak_dbtp {
            write!(out, ", true peak {peak:.1} dBTP")?;
        }
        writeln!(out)
    }

    fn write_latencies(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "\nlatency, ms             events   budget      p50      p95      p99      met   missed"
        )?;
        for row in &self.latencies {
            writeln!(
                out,
                "{:<22} {:>7} {:>8} {:>8.1} {:>8.1} {:>8.1} {:>8} {:>8}",
                row.event, row.count, row.budget_ms, row.p50_ms, row.p95_ms, row.p99_ms, row.met, row.missed
            )?;
        }
        Ok(())
    }
}

/// `1 gap`, `2 gaps`.
fn number(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn segments(tally: &Tally) -> Vec<SegmentRow> {
    let row = |(kind, (count, time)): (&engine::event::SegmentKind, &(u64, engine::time::MediaTime))| {
        SegmentRow { kind: *kind, count: *count, total_s: time.as_secs_f64() }
    };
    tally.segments.iter().map(row).collect()
}

fn latencies(tally: &Tally) -> Vec<LatencyRow> {
    let millis = |d: Duration| (d.as_secs_f64() * 10_000.0).round() / 10.0;
    let rows = tally.latencies.iter().filter_map(|(kind, latency)| {
        Some(LatencyRow {
            event: kind.name(),
            count: latency.total.count(),
            budget_ms: u64::try_from(kind.budget()?.duration().as_millis()).unwrap_or(u64::MAX),
            p50_ms: millis(latency.total.quantile(0.5)),
            p95_ms: millis(latency.total.quantile(0.95)),
            p99_ms: millis(latency.total.quantile(0.99)),
            met: latency.met,
            missed: latency.missed,
        })
    });
    rows.collect()
}

/// `14:39.6` or `1:02:03`, or `5.2 s` below a minute.
fn length(secs: f64) -> String {
    if secs < 60.0 {
        return format!("{secs:.1} s");
    }
    let tenths = (secs * 10.0).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    match hours {
        0 => format!("{minutes}:{:02}.{}", rest / 10, rest % 10),
        _ => format!("{hours}:{minutes:02}:{:02}", rest / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_well() {
        assert_eq!([5.24, 60.0, 879.65, 3_723.4].map(length), ["5.2 s", "1:00.0", "14:39.7", "1:02:03"]);
    }
}

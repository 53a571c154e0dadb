//! Files that the tools of HdrHistogram read: percentile distributions (`.hgrm`) and interval logs (`.hlog`), values in
//! ms. These formats know no infinity: what never came is counted as an hour there, the longest that is told apart, so that
//! their percentiles are true; a comment says how many that are.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use super::Report;
use super::distribution::encode;
use crate::measure::Latencies;

/// An hour: stands for what never came.
const NEVER_MICROS: u64 = 3_600_000_000;

const MICROS_PER_MS: f64 = 1_000.0;

/// Steps of each halving of the distance to 100 %, as the tools print by default.
const TICKS_PER_HALF: f64 = 5.0;

/// The text that `outputPercentileDistribution` of HdrHistogram prints, byte for byte; and one comment more if facts
/// never came. Source: HdrHistogram 2.2, `AbstractHistogram` and `PercentileIterator`.
#[must_use]
pub fn hgrm(latencies: &Latencies) -> String {
    let all = with_never(latencies);
    let mut text =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for row in rows(&all) {
        let Row { micros, percent, n_below } = row;
        let (value, share) = (micros as f64 / MICROS_PER_MS, percent / 100.0);
        let _infallible = if percent < 100.0 {
            writeln!(text, "{value:12.3} {share:2.12} {n_below:10} {:14.2}", 1.0 / (1.0 - share))
        } else {
            writeln!(text, "{value:12.3} {share:2.12} {n_below:10}")
        };
    }
    text += &footer(&all);
    if latencies.n_never() > 0 {
        let _infallible = writeln!(text, "#{}", never(latencies.n_never()));
    }
    text
}

/// Log format 1.3 of `HistogramLogWriter`: the slices of a run, a tag for each figure.
#[must_use]
pub fn hlog(report: &Report) -> String {
    let start = report.started_at.as_millisecond() as f64 / 1_000.0;
    let mut text = format!(
        "#[Logged by aircheck-loadtest {}: latencies in us, maxima in ms]\n#[Histogram log format version 1.3]\n\
         #[StartTime: {start:.3} (seconds since epoch), {}]\n#[BaseTime: {start:.3} (seconds since epoch)]\n",
        report.versions.loadtest, report.started_at
    );
    let n_never: u64 = report.figures.iter().map(|figure| figure.latency.n_never).sum();
    if n_never > 0 {
        let _infallible = writeln!(text, "#{}", never(n_never));
    }
    text += "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";
    for slice in &report.series {
        for figure in slice.latency.keys() {
            let all = with_never(&slice.latencies(figure));
            let max = all.max() as f64 / MICROS_PER_MS;
            let _infallible = writeln!(
                text,
                "Tag={},{:.3},{:.3},{max:.3},{}",
                tag(figure),
                slice.at_s,
                slice.length_s,
                encode(&all)
            );
        }
    }
    text
}

fn never(n: u64) -> String {
    format!("[Never came = {n}, counted as {} ms each]", NEVER_MICROS as f64 / MICROS_PER_MS)
}

/// Tags end at a comma.
fn tag(name: &str) -> String {
    name.replace([',', ' ', '\n', '\r'], "_")
}

fn with_never(latencies: &Latencies) -> Histogram<u64> {
    let mut all = latencies.histogram().clone();
    if latencies.n_never() > 0 {
        // It grows up to an hour.
        let _recorded = all.record_n(NEVER_MICROS, latencies.n_never());
    }
    all
}

/// One line of a distribution.
struct Row {
    /// Highest value of the bucket.
    micros: u64,
    /// Level, 0..=100, at which the bucket is listed.
    percent: f64,
    /// Facts up to and with the bucket.
    n_below: u64,
}

/// `PercentileIterator`: each bucket is listed at every level that it reaches; the last one once, and then at 100 %.
fn rows(all: &Histogram<u64>) -> Vec<Row> {
    let (mut rows, mut percent, mut n_below) = (Vec::new(), 0.0, 0);
    for bucket in all.iter_recorded() {
        n_below += bucket.count_at_value();
        let micros = bucket.value_iterated_to();
        while 100.0 * n_below as f64 / all.len() as f64 >= percent {
            rows.push(Row { micros, percent, n_below });
            if n_below == all.len() {
                rows.push(Row { micros, percent: 100.0, n_below });
                break;
            }
            let n_halvings = (100.0 / (100.0 - percent)).log2().floor();
            percent += 100.0 / (TICKS_PER_HALF * (n_halvings + 1.0).exp2());
        }
    }
    rows
}

fn footer(all: &Histogram<u64>) -> String {
    let ms = |micros: f64| micros / MICROS_PER_MS;
    let n_sub_buckets = (2 * 10_u64.pow(u32::from(all.sigfig()))).next_power_of_two();
    format!(
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n#[Max     = {:12.3}, Total count    = {:12}]\n\
         #[Buckets = {:12}, SubBuckets     = {n_sub_buckets:12}]\n",
        ms(all.mean()),
        ms(all.stdev()),
        ms(all.max() as f64),
        all.len(),
        all.buckets(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::serialization::Deserializer;

    use super::*;
    use crate::report::tests::synthetic;

    /// Value, share and count of each line.
    fn parse(text: &str) -> Vec<(f64, f64, u64)> {
        let lines = text.lines().skip(2).filter(|line| !line.starts_with('#'));
        let parse = |line: &str| {
            let mut fields = line.split_whitespace();
            let mut next = || fields.next().unwrap();
            (next().parse().unwrap(), next().parse().unwrap(), next().parse().unwrap())
        };
        lines.map(parse).collect()
    }

    #[test]
    fn each_line_of_a_distribution_is_the_percentile_that_it_says() {
        let latencies =
            synthetic::report(1, 8, 60).figure("word.final").unwrap().latency.latencies().unwrap();
        let lines = parse(&hgrm(&latencies));
        assert!(lines.len() > 20);
        assert_eq!(lines.last().map(|last| (last.1, last.2)), Some((1.0, latencies.count())));
        for (value, share, _) in &lines[..lines.len() - 1] {
            let expected = latencies
                .quantile(*share)
                .map_or(3_600_809.983, |duration| duration.as_micros() as f64 / 1e3);
            // A level of twelve digits may lie on either side of a bucket's edge.
            let next = latencies
                .quantile(share + 1e-9)
                .map_or(3_600_809.983, |duration| duration.as_micros() as f64 / 1e3);
            assert!((expected..=next).contains(value), "{share}: {value}, expected {expected}..={next}");
        }
    }

    #[test]
    fn what_never_came_is_an_hour_and_said() {
        let mut latencies = Latencies::new();
        (1..=9).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        assert!(!hgrm(&latencies).contains("Never"));
        latencies.record_never();
        let text = hgrm(&latencies);
        assert!(text.ends_with("#[Never came = 1, counted as 3600000 ms each]\n"), "{text}");
        let (value, ..) = *parse(&text).last().unwrap();
        assert!((3_600_000.0..3_603_600.0).contains(&value), "{value}");
        assert!(hgrm(&Latencies::new()).contains("Total count    =            0]"));
    }

    #[test]
    fn the_intervals_of_a_log_add_up_to_the_figures() {
        let report = synthetic::report(2, 4, 30);
        let mut merged = std::collections::BTreeMap::<String, Histogram<u64>>::new();
        let log = hlog(&report);
        for line in log.lines().filter(|line| line.starts_with("Tag=")) {
            let [tag, start, length, max, histogram] = line.split(',').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let bytes = STANDARD.decode(histogram).unwrap();
            let interval: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
            assert!((0.0..30.0).contains(&start.parse::<f64>().unwrap()) && length == "1.000");
            assert_eq!(max, format!("{:.3}", interval.max() as f64 / 1e3));
            merged
                .entry(tag[4..].to_owned())
                .or_insert_with(|| Histogram::new(3).unwrap())
                .add(interval)
                .unwrap();
        }
        for figure in &report.figures {
            assert_eq!(merged[&figure.name].len(), figure.latency.n, "{}", figure.name);
        }
    }
}

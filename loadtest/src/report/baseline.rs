//! Compares a report with an earlier one, for CI: did it get worse?
//!
//! Something is a regression if it got worse by more than the share that is allowed *and* by more than chance explains:
//!
//! - **A percentile** has a confidence interval by order statistics (Hahn and Meeker, *Statistical Intervals*, 5.2): of `n`
//!   facts the number that lie below the true percentile is binomial, so two ranks enclose it with 95 %, whatever the
//!   distribution; the stored histograms give the latencies at these ranks, and what never came is infinite among them.
//!   A regression needs intervals that do not meet. With few facts the upper rank does not exist, the interval has no end,
//!   and nothing can be proven: p99 of 100 facts is noise, and is not reported as anything else.
//! - Facts are **not independent** (the words of one final come together), which makes plain binomial intervals too narrow.
//!   So the run is cut into blocks of its time, and how much the share above the percentile varies from block to block
//!   says how many independent facts `n` is worth (design effect, Kish 1965, of clusters of unequal size). Intervals use that.
//! - **Error rate**: the difference has to exceed 1.96 standard errors of two binomial rates, and 0.1 percentage points.
//! - **Coverage**: judged by the share that was *not* analysed, as 99.9 % and 99.0 % differ by a factor of ten. It has to
//!   grow by 0.1 percentage points, and by 1.96 standard errors, where a run with `g` gaps of random lengths
//!   knows the share to a factor of `sqrt(2 / g)`.
//! - **Capacity**: two searches on the same machine may differ by one feed or 5 %, whatever is more.
//!
//! Latencies closer than 1 ms are never regressions. What only the earlier report has is a regression: it went missing.

use super::{Figure, Report};
use crate::measure::Latencies;

/// Standard errors of a two-sided confidence of 95 %.
const Z: f64 = 1.96;

/// Least difference of latencies, ms.
const FLOOR_MS: f64 = 1.0;

/// Least difference of shares: 0.1 percentage points.
const FLOOR_SHARE: f64 = 0.001;

/// Blocks that a run is cut into, to see how much it varies: as usual for batch means (Schmeiser 1982).
const N_BLOCKS: usize = 30;

/// Fewer blocks say nothing about how they vary.
const N_BLOCKS_MIN: usize = 8;

/// Percentiles that are compared.
const SHARES: [(&str, f64); 3] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];

/// One number, before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `transcript.final:p95`, `coverage`, `error_rate`, `capacity`.
    pub name: String,
    /// In ms, a share, or feeds. Infinite: never came, or went missing.
    pub before: f64,
    /// In the same unit.
    pub after: f64,
    /// How much worse, 0.1 is 10 %; negative is better. Of coverage: how much more was not analysed.
    pub worse_by: f64,
    /// Whether chance explains the difference.
    pub is_noise: bool,
    /// Worse by more than is allowed, and no noise.
    pub regressed: bool,
}

/// Compares all that both reports have; `allowed` is a share: 0.1 for 10 %.
#[must_use]
pub fn compare(before: &Report, after: &Report, allowed: f64) -> Vec<Change> {
    let mut changes: Vec<Change> =
        before.figures.iter().flat_map(|figure| latencies((before, figure), after, allowed)).collect();
    changes.extend(coverage(before, after, allowed));
    changes.extend(error_rate(before, after, allowed));
    changes.extend(capacity(before, after, allowed));
    changes
}

/// What a share is written as: `10%`, `2.5 %`.
pub fn parse_allowed(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').map(str::trim).and_then(|number| number.parse::<f64>().ok());
    number
        .filter(|percent| percent.is_finite() && *percent >= 0.0)
        .map(|percent| percent / 100.0)
        .ok_or_else(|| format!("`{text}` is not a percentage such as 10%"))
}

fn latencies((before, figure): (&Report, &Figure), after: &Report, allowed: f64) -> Vec<Change> {
    let Ok(earlier) = figure.latency.latencies() else { return Vec::new() };
    if earlier.count() == 0 {
        return Vec::new();
    }
    let later =
        after.figure(&figure.name).and_then(|figure| figure.latency.latencies().ok()).unwrap_or_default();
    let (mut worth_before, mut worth_after) = (1.0, 1.0);
    let change = |(statistic, share): (&str, f64)| {
        let name = format!("{}:{statistic}", figure.name);
        let (was, is) = (ms_at(&earlier, rank(&earlier, share)), ms_at(&later, rank(&later, share)));
        // Above a high percentile there may be too little to see how it varies; it does so no less than lower ones.
        worth_before = effect(before, &figure.name, was).max(worth_before);
        worth_after = effect(after, &figure.name, is).max(worth_after);
        let (_, highest) = interval(&earlier, share, worth_before);
        let (lowest, _) = interval(&later, share, worth_after);
        // Without a single fact there is no interval: they went missing.
        let is_noise = later.count() > 0 && lowest <= highest || is - was < FLOOR_MS;
        Change::new(name, (was, is), is / was - 1.0, is_noise, allowed)
    };
    SHARES.into_iter().map(change).collect()
}

fn coverage(before: &Report, after: &Report, allowed: f64) -> Option<Change> {
    let was = before.coverage.ratio?;
    let Some(is) = after.coverage.ratio else { return Some(Change::missing("coverage", was)) };
    let variance = |report: &Report, ratio: f64| {
        let n_gaps: u64 = report.gaps.values().sum();
        if n_gaps == 0 { 0.0 } else { (1.0 - ratio).powi(2) * 2.0 / n_gaps as f64 }
    };
    let error = (variance(before, was) + variance(after, is)).sqrt();
    let is_noise = was - is < FLOOR_SHARE || was - is <= Z * error;
    let worse_by = ratio_of(1.0 - is, 1.0 - was) - 1.0;
    Some(Change::new("coverage".to_owned(), (was, is), worse_by, is_noise, allowed))
}

fn error_rate(before: &Report, after: &Report, allowed: f64) -> Option<Change> {
    let was = before.words.error_rate?;
    let Some(is) = after.words.error_rate else { return Some(Change::missing("error_rate", was)) };
    let variance = |report: &Report, rate: f64| {
        let n = report.words.said.saturating_sub(report.words.in_gaps).max(1) as f64;
        rate.min(1.0) * (1.0 - rate.min(1.0)) / n
    };
    let error = (variance(before, was) + variance(after, is)).sqrt();
    let is_noise = is - was < FLOOR_SHARE || is - was <= Z * error;
    Some(Change::new("error_rate".to_owned(), (was, is), ratio_of(is, was) - 1.0, is_noise, allowed))
}

fn capacity(before: &Report, after: &Report, allowed: f64) -> Option<Change> {
    let was = before.capacity? as f64;
    let is = after.capacity.unwrap_or(0) as f64;
    let is_noise = was - is <= (was * 0.05).max(1.0);
    Some(Change::new("capacity".to_owned(), (was, is), 1.0 - ratio_of(is, was), is_noise, allowed))
}

impl Change {
    fn new(name: String, (before, after): (f64, f64), worse_by: f64, is_noise: bool, allowed: f64) -> Self {
        // Infinite before and after is no change.
        let worse_by = if worse_by.is_nan() { 0.0 } else { worse_by };
        Self { name, before, after, worse_by, is_noise, regressed: worse_by > allowed && !is_noise }
    }

    fn missing(name: &str, before: f64) -> Self {
        let (after, worse_by) = (f64::INFINITY, f64::INFINITY);
        Self { name: name.to_owned(), before, after, worse_by, is_noise: false, regressed: true }
    }
}

/// Division that knows nothing of nothing: 0 / 0 is 1.
fn ratio_of(after: f64, before: f64) -> f64 {
    if after == before { 1.0 } else { after / before }
}

/// Which fact, from 1, the percentile is.
fn rank(latencies: &Latencies, share: f64) -> u64 {
    ((latencies.count() as f64 * share - 1e-9).ceil() as u64).max(1)
}

/// Latency of a fact by rank, ms; infinite if it never came, or is not there.
fn ms_at(latencies: &Latencies, rank: u64) -> f64 {
    if rank == 0 {
        return 0.0;
    }
    let share = rank as f64 / latencies.count() as f64;
    let latency = if rank > latencies.count() { None } else { latencies.quantile(share) };
    latency.map_or(f64::INFINITY, |latency| latency.as_secs_f64() * 1e3)
}

/// Latencies, ms, that enclose the true percentile with 95 %. `effect`: how many facts are worth one.
fn interval(latencies: &Latencies, share: f64, effect: f64) -> (f64, f64) {
    let n = latencies.count();
    let worth = ((n as f64 / effect).floor() as u64).max(1);
    let (below, above) = ranks(worth, share);
    let stretched = |rank: u64| (rank as f64 * n as f64 / worth as f64).round() as u64;
    let highest = if above > worth { f64::INFINITY } else { ms_at(latencies, stretched(above)) };
    (ms_at(latencies, stretched(below)), highest)
}

/// Ranks of `n` facts between which the percentile lies with 95 %: 0 is below all, `n + 1` above all. Exact: sums binomial
/// probabilities outwards from the most probable number, by the ratio of neighbours.
pub(super) fn ranks(n: u64, share: f64) -> (u64, u64) {
    let mode = (((n + 1) as f64 * share) as u64).min(n);
    let odds = share / (1.0 - share);
    let up = |k: u64| (n - k) as f64 / (k + 1) as f64 * odds;
    let mut above: Vec<f64> = vec![1.0];
    for k in mode..n {
        let next = above.last().copied().unwrap_or(0.0) * up(k);
        if next < 1e-16 {
            break;
        }
        above.push(next);
    }
    let mut below: Vec<f64> = Vec::new();
    for k in (0..mode).rev() {
        let next = below.last().copied().unwrap_or(1.0) / up(k);
        if next < 1e-16 {
            break;
        }
        below.push(next);
    }
    let tail = (1.0 - 0.95) / 2.0 * (above.iter().sum::<f64>() + below.iter().sum::<f64>());
    // Largest rank with at most a tail of outcomes below it; smallest with at most a tail at or above it.
    let (mut sum, mut lower) = (0.0, mode - below.len() as u64);
    for probability in below.iter().rev().chain(&above) {
        sum += probability;
        if sum > tail {
            break;
        }
        lower += 1;
    }
    let (mut sum, mut upper) = (0.0, mode + above.len() as u64);
    for probability in above.iter().rev().chain(&below) {
        sum += probability;
        if sum > tail {
            break;
        }
        upper -= 1;
    }
    (lower, upper)
}

/// Design effect: how much more the share above `ms` varies from block to block than if facts were independent; at least 1.
fn effect(report: &Report, figure: &str, ms: f64) -> f64 {
    let size = report.series.len().div_ceil(N_BLOCKS).max(1);
    let micros = if ms.is_finite() { (ms * 1e3) as u64 } else { u64::MAX };
    let block = |slices: &[super::Slice]| {
        let mut all = Latencies::new();
        slices.iter().for_each(|slice| all.merge(&slice.latencies(figure)));
        let came = all.histogram();
        let n_above = came.iter_recorded().filter(|bucket| bucket.value_iterated_to() > micros);
        let n_above: u64 = n_above.map(|bucket| bucket.count_at_value()).sum();
        (all.count() as f64, (n_above + all.n_never()) as f64)
    };
    let blocks: Vec<(f64, f64)> = report.series.chunks(size).map(block).filter(|(n, _)| *n > 0.0).collect();
    let (n, n_above) = blocks.iter().fold((0.0, 0.0), |sum, block| (sum.0 + block.0, sum.1 + block.1));
    let (share, n_blocks) = (n_above / n, blocks.len() as f64);
    if blocks.len() < N_BLOCKS_MIN || !(share > 0.0 && share < 1.0) {
        return 1.0;
    }
    let squares: f64 = blocks.iter().map(|(n, above)| (above - share * n).powi(2)).sum();
    let variance = squares * n_blocks / (n_blocks - 1.0) / (n * n);
    (variance / (share * (1.0 - share) / n)).max(1.0)
}

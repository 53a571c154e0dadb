//! A line of the table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use engine::event::EventKind;
use server::publish::Tally;

use crate::heard::Missing;
use crate::measure::Seen;
use crate::system::Cpu;

/// Latency of words that is promised, s.
pub(crate) const BAR_SECS: f64 = 3.0;
/// Lost words that are shown one by one.
const LOST_SHOWN: usize = 8;

/// Resident memory, kB: before the feeds came, after a third of the time, at its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) before: u64,
    pub(crate) third: u64,
    pub(crate) end: u64,
}

/// What was done to the recognisers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deaths {
    pub(crate) n_deaths: u64,
    pub(crate) n_retries: u64,
}

/// What a run took.
pub(crate) struct Effort {
    pub(crate) length: Duration,
    pub(crate) cpu: Cpu,
    pub(crate) memory: Memory,
    /// Where recognisers are processes.
    pub(crate) deaths: Option<Deaths>,
}

/// One line of the table. Latencies in s: p50, p95, p99.
pub(crate) struct Figures {
    pub(crate) n_feeds: usize,
    pub(crate) words: [f64; 3],
    pub(crate) finals: [f64; 3],
    /// p99, s.
    pub(crate) signals: f64,
    n_signals: usize,
    /// Alerts of dead air.
    n_dead_air: u64,
    n_words: u64,
    n_partials: u64,
    pub(crate) n_gaps: u64,
    /// Of gaps, by name.
    reasons: BTreeMap<String, usize>,
    /// Share of the audio.
    in_gaps: f64,
    pub(crate) is_conserved: bool,
    pub(crate) cores: f64,
    /// Processor time that is not recognition's, of all and of recognition's.
    beside: f64,
    pub(crate) overhead: f64,
    pub(crate) memory: Memory,
    deaths: Option<Deaths>,
    /// Feeds at each step of the ladder, at the end.
    steps: [usize; 5],
    pub(crate) missing: Option<Missing>,
}

impl Figures {
    pub(crate) const HEADER: &str = "feeds  word first seen p50/p95/p99, s  final p50/p95/p99, s  signals p99, s  words  partials  gaps  in gaps  cores  a feed  beside recognition  memory  more for a feed";

    pub(crate) fn new(mut seen: Seen, tallies: &[Tally], effort: &Effort, missing: Option<Missing>) -> Self {
        let (n_feeds, secs) = (tallies.len(), effort.length.as_secs_f64());
        let in_gaps: f64 = tallies.iter().map(|tally| tally.gaps.1.as_secs_f64()).sum();
        let conserved = |tally: &Tally| {
            let c = &tally.conservation;
            c.received == c.analysed + c.in_gaps
        };
        let mut reasons = BTreeMap::new();
        for reason in seen.heard.iter().flat_map(|heard| &heard.reasons) {
            *reasons.entry(format!("{reason:?}")).or_default() += 1;
        }
        let at_step = |step| seen.heard.iter().filter(|heard| usize::from(heard.step) == step).count();
        let Cpu { all, recognise } = effort.cpu;
        Self {
            n_feeds,
            reasons,
            steps: std::array::from_fn(at_step),
            n_signals: seen.signals.len(),
            n_dead_air: tallies.iter().filter_map(|t| t.alerts.get(&EventKind::AlertDeadAir)).sum(),
            words: quantiles(&mut seen.words),
            finals: quantiles(&mut seen.finals),
            signals: quantiles(&mut seen.signals)[2],
            n_words: tallies.iter().map(|tally| tally.n_words).sum(),
            n_partials: seen.n_partials,
            n_gaps: tallies.iter().map(|tally| tally.gaps.0).sum(),
            in_gaps: in_gaps / secs / n_feeds as f64,
            is_conserved: tallies.iter().all(conserved),
            cores: all / secs,
            beside: (all - recognise) / all,
            overhead: (all - recognise) / recognise,
            memory: effort.memory,
            deaths: effort.deaths,
            missing,
        }
    }

    /// What all feeds take.
    pub(crate) fn cost(&self) -> Cost {
        let kb = self.memory.end.saturating_sub(self.memory.before);
        Cost { n_feeds: self.n_feeds, cores: self.cores, kb }
    }

    /// Words are seen in time, and nothing is missing.
    pub(crate) fn is_kept(&self) -> bool {
        self.words[1] <= BAR_SECS && self.loses_nothing()
    }

    /// Nothing is missing: nothing in a gap, no word beside them.
    pub(crate) fn loses_nothing(&self) -> bool {
        self.n_gaps == 0 && self.n_lost() == 0 && self.is_conserved
    }

    /// Words lost without a gap, where that is known.
    pub(crate) fn n_lost(&self) -> usize {
        self.missing.as_ref().map_or(0, |missing| missing.lost.len())
    }

    /// Share of the words that was heard; where that is not known, of the audio that is in no gap.
    pub(crate) fn coverage(&self) -> f64 {
        self.missing.as_ref().map_or(1.0 - self.in_gaps, Missing::coverage)
    }
}

fn quantiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |q: f64| values.get(((values.len() as f64 * q) as usize).min(values.len().saturating_sub(1)));
    [0.5, 0.95, 0.99].map(|q| at(q).copied().unwrap_or(f64::NAN))
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let three = |v: &[f64; 3]| format!("{:.2} / {:.2} / {:.2}", v[0], v[1], v[2]);
        write!(
            f,
            "{:>5}  {:>30}  {:>20}  {:>14.3}  {:>5}  {:>8}  {:>4}  {:>5.2} %  {:>5.2}  {:>6.3}  {:>16.1} %  {:>3} MB  {:>12} kB{}",
            self.n_feeds,
            three(&self.words),
            three(&self.finals),
            self.signals,
            self.n_words,
            self.n_partials,
            self.n_gaps,
            self.in_gaps * 100.0,
            self.cores,
            self.cores / self.n_feeds as f64,
            self.beside * 100.0,
            self.memory.end / 1_024,
            self.cost().kb / self.n_feeds as u64,
            if self.is_conserved { "" } else { "  FRAMES LOST WITHOUT A GAP" }
        )?;
        self.fmt_rest(f)
    }
}

/// What feeds take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) n_feeds: usize,
    pub(crate) cores: f64,
    /// Memory beside what is there without feeds.
    pub(crate) kb: u64,
}

impl Cost {
    /// What one more feed takes, by what `many` take: cores, and kB.
    pub(crate) fn of_one_more(self, many: Self) -> (f64, u64) {
        let n_more = many.n_feeds.saturating_sub(self.n_feeds).max(1);
        ((many.cores - self.cores) / n_more as f64, many.kb.saturating_sub(self.kb) / n_more as u64)
    }

    /// What [`fmt::Display`] wrote.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix("cost ")?.split(' ');
        let n_feeds = fields.next()?.parse().ok()?;
        Some(Self { n_feeds, cores: fields.next()?.parse().ok()?, kb: fields.next()?.parse().ok()? })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n_feeds, cores, kb } = self;
        write!(f, "cost {n_feeds} {cores} {kb}")
    }
}

impl Figures {
    /// What not every table has.
    fn fmt_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Deaths { n_deaths, n_retries }) = self.deaths {
            write!(f, "\n       recognisers: {n_deaths} deaths, {n_retries} requests tried again")?;
        }
        if !self.reasons.is_empty() {
            write!(f, "\n       gaps: {:?}", self.reasons)?;
        }
        let Some(missing) = &self.missing else { return Ok(()) };
        let percent = |n: usize| format!("{:.2} %", missing.share(n) * 100.0);
        write!(
            f,
            "\n       of {} words unhurried: {} lost without a gap ({}), {} in gaps ({}), {} heard otherwise ({})",
            missing.n_words,
            missing.lost.len(),
            percent(missing.lost.len()),
            missing.n_in_gaps,
            percent(missing.n_in_gaps),
            missing.n_otherwise,
            percent(missing.n_otherwise),
        )?;
        for (idx, secs, text) in missing.lost.iter().take(LOST_SHOWN) {
            write!(f, "\n         lost: feed {idx} at {secs:.2} s: {text}")?;
        }
        let [all, no_partials, once, others_first, no_speech] = self.steps;
        let Memory { third, end, .. } = self.memory;
        write!(
            f,
            "\n       feeds at step 0 to 4 of the ladder at the end: {all} {no_partials} {once} {others_first} {no_speech}; \
             {} signals, {} feeds dead; memory {third} kB at a third, {end} kB at the end",
            self.n_signals, self.n_dead_air
        )
    }
}

//! Made-up runs for tests: seeded, shaped like real ones.

use std::time::Duration;

use engine::event::EventKind;

use crate::measure::{
    Counts, Coverage, Figure, Generator, Latencies, Machine, Mark, Measurement, Sample, Score, WordScore,
};
use crate::mode::LATENESS_MAX;
use crate::report::{Context, Host, Objective, Report, Target, Unit, Versions};

/// SplitMix64 (Steele, Lea and Flood 2014): small, seeded, good enough.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0..1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal: the sum of twelve uniform ones, less six.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }

    /// Log-normal.
    pub(crate) fn latency(&mut self, median: Duration, sigma: f64) -> Duration {
        median.mul_f64((self.normal() * sigma).exp())
    }
}

/// Median, sigma, facts a second and feed, share that never comes.
const SHAPES: [(Figure, u64, f64, f64, f64); 4] = [
    (Figure::WordFirstSeen, 620, 0.45, 2.2, 0.004),
    (Figure::WordFinal, 2_400, 0.5, 2.2, 0.006),
    (Figure::Final, 560, 0.35, 0.25, 0.0),
    (Figure::Alert(EventKind::AlertDeadAir), 140, 0.15, 0.04, 0.0),
];

/// A run of `n_feeds` over `secs` seconds, with a freeze of 3 s in the middle; slower the more feeds there are.
pub(crate) fn measurement(seed: u64, n_feeds: usize, secs: u64) -> Measurement {
    let mut random = Random(seed);
    let mut score = Score::default();
    let frozen = secs / 2..secs / 2 + 3;
    let series: Vec<Sample> = (0..secs)
        .map(|second| {
            let wait = if frozen.contains(&second) { frozen.end - second } else { 0 };
            slice(&mut random, second, Duration::from_secs(wait), n_feeds, &mut score)
        })
        .collect();
    let n_said = score.figures.get(&Figure::WordFinal).map_or(0, |(_, counts)| counts.n_expected);
    score.words = WordScore {
        n_said,
        n_substituted: n_said / 40,
        n_deleted: n_said / 70,
        n_inserted: n_said / 150,
        n_in_gaps: n_said / 200,
        n_retracted: n_said / 12,
        n_shown: n_said + n_said / 12,
    };
    score.coverage = Coverage {
        sent: Duration::from_secs(secs * n_feeds as u64),
        in_gaps: Duration::from_millis(3 * secs * n_feeds as u64),
    };
    score.gaps = [("overload".to_owned(), 3), ("loss".to_owned(), 1)].into();
    Measurement {
        n_feeds,
        length: Duration::from_secs(secs),
        score,
        series,
        generator: generator(&mut random, n_feeds as u64 * secs * 50),
        marks: vec![Mark {
            at: Duration::from_secs(frozen.start),
            length: Duration::from_secs(3),
            what: "freeze 3 s of the server".to_owned(),
        }],
        machine: (0..secs).map(|second| machine(second, n_feeds as u64)).collect(),
        stages: [("decode", 3.1), ("lane", 1.2), ("queue", 212.0), ("recognise", 284.0), ("journal", 11.4)]
            .map(|(name, ms)| (name.to_owned(), ms))
            .into(),
    }
}

fn slice(random: &mut Random, second: u64, wait: Duration, n_feeds: usize, score: &mut Score) -> Sample {
    let load = 1.0 + (n_feeds as f64 / 10.0).powi(3);
    let mut latencies = Vec::new();
    for (figure, median, sigma, rate, never) in SHAPES {
        let mut all = Latencies::new();
        let mut counts = Counts::default();
        for _ in 0..n_feeds {
            for _ in 0..(rate * 1.5 * random.share() + random.share()) as u64 {
                counts.n_expected += 1;
                if random.share() < never {
                    counts.n_missing += 1;
                    all.record_never();
                } else {
                    all.record(wait + random.latency(Duration::from_millis(median), sigma).mul_f64(load));
                }
            }
        }
        counts.n_late = counts.n_expected / 50;
        let (total, total_counts) = score.figures.entry(figure).or_default();
        total.merge(&all);
        total_counts.merge(counts);
        latencies.push((figure.name().to_owned(), all));
    }
    Sample { at: Duration::from_secs(second), latencies }
}

fn generator(random: &mut Random, n_pieces: u64) -> Generator {
    let mut lateness = Latencies::new();
    (0..n_pieces).for_each(|_| lateness.record(random.latency(Duration::from_micros(240), 0.6)));
    Generator { lateness, n_pieces, n_held_back: n_pieces / 5_000, cpu: Duration::from_millis(n_pieces / 20) }
}

fn machine(second: u64, n_feeds: u64) -> Machine {
    Machine {
        at: Duration::from_secs(second),
        memory: (180 << 20) + n_feeds * (6 << 20) + second * 4_096,
        n_files: 40 + n_feeds * 2,
        cpu: Duration::from_millis(second * n_feeds * 190),
    }
}

/// An objective that was met, or not.
pub(crate) fn objective(name: &str, met: bool) -> Objective {
    let (unit, bound, measured) = match name.contains(':') {
        true => (Unit::Ms, 3_000.0, if met { 1_520.0 } else { 4_210.0 }),
        false => (Unit::Ratio, 0.995, if met { 0.997 } else { 0.981 }),
    };
    let operator = if unit == Unit::Ms { "<" } else { ">=" };
    Objective {
        name: name.to_owned(),
        operator: operator.to_owned(),
        bound,
        unit,
        measured: Some(measured),
        met,
    }
}

/// A run against Aircheck with two objectives that are met.
pub(crate) fn context() -> Context {
    Context {
        scenario: "eight stations".to_owned(),
        mode: "run".to_owned(),
        target: Target { kind: "aircheck".to_owned(), address: "http://127.0.0.1:8080".to_owned() },
        machine: Host {
            cpu: "AMD EPYC 9B14".to_owned(),
            cores: 2,
            memory_bytes: 16 << 30,
            kernel: "6.1.0-18-amd64".to_owned(),
            load_before: 0.08,
        },
        versions: Versions {
            target: Some("aircheck 0.4.0".to_owned()),
            model: Some("tiny.en-q8_0".to_owned()),
            commit: Some("0a442b6".to_owned()),
            ..Versions::here()
        },
        started_at: jiff::Timestamp::UNIX_EPOCH,
        lateness_allowed: LATENESS_MAX,
        judged: vec![vec![objective("transcript.final:p95", true), objective("coverage", true)]],
        capacity: None,
    }
}

/// A report of one run.
pub(crate) fn report(seed: u64, n_feeds: usize, secs: u64) -> Report {
    Report::from(&context(), &[measurement(seed, n_feeds, secs)])
        .unwrap_or_else(|| unreachable!("there is a run"))
}

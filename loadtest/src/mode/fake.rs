//! A rig for the tests of modes: a server with a known capacity, seeded noise, and what else they look for.

use std::time::Duration;

use super::{About, Course, Load, Outcome, Progress, Rig, Stop};
use crate::failure::Failure;
use crate::measure::{
    Counts, Coverage, Figure, Generator, Latencies, Machine, Mark, Measurement, Sample, Score, WordScore,
};
use crate::scenario::Disturbance;

/// See the module.
pub(crate) struct Fake {
    /// Up to so many feeds finals take 1 s; for each one more, 10 % of the capacity adds 2 s.
    pub(crate) capacity: f64,
    /// The capacity of a run is off by up to this share.
    pub(crate) noise: f64,
    /// From so many feeds on the generator is late.
    pub(crate) saturates_at: usize,
    /// From so many feeds on the server refuses one.
    pub(crate) refuses_at: usize,
    /// These runs are missed, whatever the load.
    pub(crate) misses: Vec<usize>,
    /// These runs fail.
    pub(crate) fails: Vec<usize>,
    /// After so many runs somebody asks to stop.
    pub(crate) stops_after: Option<usize>,
    /// MiB an hour that the server loses.
    pub(crate) leak: f64,
    /// After a disturbance finals take 10 s for so long.
    pub(crate) aftermath: Duration,
    /// Feeds of the runs so far.
    pub(crate) played: Vec<usize>,
    pub(crate) dice: u64,
    pub(crate) stop: Stop,
}

impl Fake {
    pub(crate) fn of(capacity: usize) -> Self {
        Self {
            capacity: capacity as f64,
            noise: 0.0,
            saturates_at: usize::MAX,
            refuses_at: usize::MAX,
            misses: Vec::new(),
            fails: Vec::new(),
            stops_after: None,
            leak: 0.0,
            aftermath: Duration::ZERO,
            played: Vec::new(),
            dice: 1,
            stop: Stop::default(),
        }
    }

    pub(crate) fn noisy(capacity: usize, noise: f64, seed: u64) -> Self {
        Self { noise, dice: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, ..Self::of(capacity) }
    }

    pub(crate) fn generator() -> Generator {
        Generator { lateness: Latencies::new(), n_pieces: 0, n_held_back: 0, cpu: Duration::ZERO }
    }

    /// Lets `mode` play `n` feeds for a minute, or whatever it likes.
    pub(crate) fn course(&mut self, n: usize, mode: impl FnOnce(Course<'_>) -> Outcome) -> Outcome {
        self.course_of(n, Duration::from_secs(60), Vec::new(), mode)
    }

    pub(crate) fn course_of(
        &mut self,
        n_feeds: usize,
        length: Duration,
        disturbances: Vec<Disturbance>,
        mode: impl FnOnce(Course<'_>) -> Outcome,
    ) -> Outcome {
        let stop = self.stop.clone();
        let load = Load { n_feeds, warm_up: Duration::from_secs(10), length, disturbances };
        let objectives =
            ["transcript.final:p95<3s", "coverage>=0.995"].map(|text| text.parse().unwrap()).to_vec();
        let course =
            Course { rig: self, load, objectives, stop: &stop, tell: &mut |_| {}, trials: Vec::new() };
        mode(course)
    }

    /// In -1..1 (xorshift64).
    fn roll(&mut self) -> f64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    fn latency(&self, at: Duration, base: f64, load: &Load) -> f64 {
        let is_hit = |disturbance: &Disturbance| {
            let start = load.warm_up + disturbance.at;
            at >= start && at < start + disturbance.trouble.length() + self.aftermath
        };
        if load.disturbances.iter().any(is_hit) { 10.0 } else { base }
    }

    fn machine(&mut self, at: Duration) -> Machine {
        let memory = 500.0 + self.leak * at.as_secs_f64() / 3_600.0 + self.roll();
        Machine { at, memory: (memory * 1_048_576.0) as u64, n_files: 100, cpu: at.mul_f64(0.5) }
    }
}

impl Rig for Fake {
    fn run(&mut self, load: &Load, tell: &mut dyn FnMut(&Progress)) -> Result<Measurement, Failure> {
        if self.fails.contains(&self.played.len()) {
            self.played.push(load.n_feeds);
            return Err(Failure::Runtime("connection refused".to_owned()));
        }
        if load.n_feeds >= self.refuses_at {
            self.played.push(load.n_feeds);
            return Err(Failure::Refused("429 Too Many Requests".to_owned()));
        }
        let capacity = self.capacity * (1.0 + self.noise * self.roll());
        let over = (load.n_feeds as f64 / capacity - 1.0).max(0.0);
        let is_missed = self.misses.contains(&self.played.len());
        let base = if is_missed { 3.5 } else { 1.0 + if over > 0.0 { 2.0 + over * 20.0 } else { 0.0 } };
        let mut score = Score::default();
        let (mut series, mut machine) = (Vec::new(), Vec::new());
        let end = load.warm_up + load.length;
        let mut all = Latencies::new();
        // Finer where somebody looks.
        let slice = if load.disturbances.is_empty() { 5 } else { 1 };
        for sec in (load.warm_up.as_secs()..end.as_secs()).step_by(slice) {
            let at = Duration::from_secs(sec);
            let mut latencies = Latencies::new();
            let latency = self.latency(at, base, load);
            (0..4).for_each(|_| latencies.record(Duration::from_secs_f64(latency)));
            all.merge(&latencies);
            series.push(Sample { at, latencies: vec![(Figure::Final.name().to_owned(), latencies)] });
            machine.push(self.machine(at));
        }
        let counts = Counts { n_expected: all.count(), ..Counts::default() };
        score.figures.insert(Figure::Final, (all, counts));
        score.coverage = Coverage { sent: load.length, in_gaps: Duration::ZERO };
        score.words = WordScore { n_said: 100, n_substituted: 5, ..WordScore::default() };
        let mut generator = Self::generator();
        let lateness = if load.n_feeds >= self.saturates_at { 20 } else { 1 };
        (0..1_000).for_each(|_| generator.lateness.record(Duration::from_millis(lateness)));
        self.played.push(load.n_feeds);
        if self.stops_after == Some(self.played.len()) {
            self.stop.ask();
        }
        tell(&Progress {
            at: end,
            of: end,
            n_feeds: load.n_feeds,
            score: score.clone(),
            generator: generator.clone(),
        });
        let mark = |disturbance: &Disturbance| Mark {
            at: load.warm_up + disturbance.at,
            length: disturbance.trouble.length(),
            what: disturbance.trouble.to_string(),
        };
        let marks = load.disturbances.iter().map(mark).collect();
        Ok(Measurement {
            n_feeds: load.n_feeds,
            length: load.length,
            score,
            series,
            generator,
            marks,
            machine,
            stages: Vec::new(),
        })
    }

    fn about(&self) -> About {
        let said = |text: &str| Some(text.to_owned());
        About { address: said("http://fake:1"), version: said("fake 1.0"), model: said("small") }
    }
}

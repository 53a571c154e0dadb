//! A row of runs: what every mode makes its runs with, and what is left of them in the end.

use std::time::Duration;

use super::{About, Load, Progress, Rig, Stop};
use crate::failure::Failure;
use crate::measure::{Generator, Measurement};
use crate::scenario::{Judged, Objective, unmet};

/// Lateness p99.9 past which numbers would be about this program.
pub const LATENESS_MAX: Duration = Duration::from_millis(5);

/// What modes make their runs with.
pub struct Course<'a> {
    /// Plays.
    pub rig: &'a mut dyn Rig,
    /// What is played; modes change the number of feeds.
    pub load: Load,
    /// What has to be true of a run.
    pub objectives: Vec<Objective>,
    /// Ends it early.
    pub stop: &'a Stop,
    /// Is told how a run is doing.
    pub tell: &'a mut dyn FnMut(&Progress),
    /// The runs so far.
    pub trials: Vec<Trial>,
}

/// One run, judged.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What was measured.
    pub measurement: Measurement,
    /// The objectives, in their order.
    pub judged: Vec<Judged>,
    /// What follows.
    pub verdict: Verdict,
}

/// What became of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All objectives.
    Met,
    /// Not all.
    Missed,
    /// The generator was late: whatever was measured says nothing about the server.
    Saturated,
}

/// What a mode leaves behind.
#[derive(Debug)]
pub struct Outcome {
    /// `run`, `ramp`, `find-max` ...
    pub mode: &'static str,
    /// Who was measured.
    pub about: About,
    /// All runs, in order.
    pub trials: Vec<Trial>,
    /// What was found.
    pub capacity: Option<Capacity>,
    /// What was judged beside the objectives: slopes of a soak, recoveries of a chaos.
    pub checks: Vec<Check>,
    /// Why it is not met; `None`: it is.
    pub end: Option<Failure>,
}

/// How many feeds a server carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// So many are carried.
    pub n_feeds: usize,
    /// The least that are known not to be. `None`: more were not tried.
    pub n_refused: Option<usize>,
}

/// Something that was judged beside the objectives.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What: `memory`, `recovery after stall 5s at 30s` ...
    pub name: String,
    /// Its number. `None`: infinite, or nothing was measured.
    pub number: Option<f64>,
    /// Most that is allowed.
    pub bound: f64,
    /// Of both.
    pub unit: &'static str,
    /// The number for people.
    pub measured: String,
    /// Whether that is within the bound.
    pub is_met: bool,
}

impl Course<'_> {
    /// Plays so many feeds once, and judges.
    pub fn trial(&mut self, n_feeds: usize) -> Result<&Trial, Failure> {
        let load = Load { n_feeds, ..self.load.clone() };
        let measurement = self.rig.run(&load, self.tell)?;
        let judged: Vec<Judged> =
            self.objectives.iter().map(|objective| objective.judge(&measurement.score)).collect();
        let verdict = match saturation(&measurement.generator) {
            Some(_) => Verdict::Saturated,
            None if judged.iter().all(|judged| judged.is_met) => Verdict::Met,
            None => Verdict::Missed,
        };
        self.trials.push(Trial { measurement, judged, verdict });
        if self.stop.is_asked() {
            return Err(Failure::Runtime(
                "interrupted: the numbers are of what was played until then".to_owned(),
            ));
        }
        self.trials.last().ok_or_else(|| Failure::Runtime("no run was made".to_owned()))
    }

    /// What is left, with what was `found`.
    #[must_use]
    pub fn outcome(self, mode: &'static str, found: Result<Option<Capacity>, Failure>) -> Outcome {
        let (capacity, end) = match found {
            Ok(capacity) => (capacity, None),
            Err(failure) => (None, Some(failure)),
        };
        let about = self.rig.about();
        Outcome { mode, about, trials: self.trials, capacity, checks: Vec::new(), end }
    }
}

/// The lateness p99.9 of a generator that was too late to measure with. No piece at all is no lateness.
#[must_use]
pub fn saturation(generator: &Generator) -> Option<Duration> {
    let lateness = match generator.lateness.quantile(0.999) {
        None if generator.lateness.count() > 0 => Duration::MAX,
        lateness => lateness.unwrap_or_default(),
    };
    (lateness > LATENESS_MAX).then_some(lateness)
}

impl Trial {
    /// Why it is not met.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        match (self.verdict, saturation(&self.measurement.generator)) {
            (Verdict::Met, _) => None,
            (Verdict::Saturated, lateness) => {
                Some(Failure::Saturated { lateness: lateness.unwrap_or_default(), allowed: LATENESS_MAX })
            }
            (Verdict::Missed, _) => Some(Failure::Missed(unmet(&self.judged))),
        }
    }

    /// Missed by so much that another run would be missed, too.
    #[must_use]
    pub fn is_far_off(&self) -> bool {
        self.verdict == Verdict::Missed && self.judged.iter().any(Judged::is_far_off)
    }
}

impl Outcome {
    /// Adds checks; those that are not met are a reason to fail.
    #[must_use]
    pub fn with_checks(mut self, checks: Vec<Check>) -> Self {
        let missed = checks.iter().filter(|check| !check.is_met);
        let missed: Vec<String> = missed.map(|check| format!("{}: {}", check.name, check.measured)).collect();
        self.end = match self.end {
            None if missed.is_empty() => None,
            None => Some(Failure::Missed(missed)),
            Some(Failure::Missed(mut all)) => {
                all.extend(missed);
                Some(Failure::Missed(all))
            }
            other => other,
        };
        self.checks = checks;
        self
    }
}

/// Plays the load once.
#[must_use]
pub fn run(mut course: Course<'_>) -> Outcome {
    let found = course.trial(course.load.n_feeds).map(Trial::failure);
    course.outcome("run", found.and_then(|failure| failure.map_or(Ok(None), Err)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mode::fake::Fake;

    #[test]
    fn the_verdict_is_that_of_the_objectives() {
        let end = |fake: &mut Fake, n: usize| fake.course(n, run).end.map(|failure| failure.to_string());
        assert_eq!(end(&mut Fake::of(10), 10), None);
        let missed = end(&mut Fake::of(10), 20).unwrap();
        assert!(missed.starts_with("objectives missed: transcript.final:p95<3s: "), "{missed}");
    }

    #[test]
    fn a_late_generator_is_told_instead_of_missed_objectives() {
        let mut fake = Fake { saturates_at: 15, ..Fake::of(10) };
        let outcome = fake.course(20, run);
        assert!(matches!(outcome.end, Some(Failure::Saturated { lateness, .. }) if lateness > LATENESS_MAX));
        assert_eq!((outcome.trials.len(), outcome.trials[0].verdict), (1, Verdict::Saturated));
        assert!(!outcome.trials[0].judged.is_empty());
    }

    #[test]
    fn five_milliseconds_are_allowed_and_no_more() {
        let generator = |late_ms: u64, n: u64| {
            let mut generator = Fake::generator();
            (0..1_000 - n).for_each(|_| generator.lateness.record(Duration::from_millis(1)));
            (0..n).for_each(|_| generator.lateness.record(Duration::from_millis(late_ms)));
            saturation(&generator).is_some()
        };
        assert!(!generator(4, 1_000) && generator(6, 2) && !generator(6, 1));
        assert_eq!(saturation(&Fake::generator()), None);
    }

    #[test]
    fn what_was_played_until_an_interrupt_is_kept() {
        let mut fake = Fake { stops_after: Some(1), ..Fake::of(10) };
        let outcome = fake.course(5, run);
        assert!(matches!(outcome.end, Some(Failure::Runtime(why)) if why.starts_with("interrupted")));
        assert_eq!(outcome.trials.len(), 1);
    }
}

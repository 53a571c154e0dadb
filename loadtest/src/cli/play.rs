//! Modes by their names: from a scenario and a rig to an outcome.

use crate::failure::Failure;
use crate::mode::{self, Course, Load, Outcome, Progress, Rig, Stop};
use crate::scenario::{Objective, Scenario};

/// Modes that play one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Run,
    Ramp,
    FindMax,
    Soak,
    Chaos,
    Probe,
}

/// Feeds of a run, and of a probe, that nobody gave a number.
const N_FEEDS: (usize, usize) = (4, 1);

impl Mode {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Ramp => "ramp",
            Self::FindMax => "find-max",
            Self::Soak => "soak",
            Self::Chaos => "chaos",
            Self::Probe => "probe",
        }
    }

    /// Plays `scenario` in this mode.
    pub(super) fn play(
        self,
        scenario: &Scenario,
        rig: &mut dyn Rig,
        stop: &Stop,
        tell: &mut dyn FnMut(&Progress),
    ) -> Outcome {
        let load = self.load(scenario);
        let course =
            Course { rig, load, objectives: self.objectives(scenario), stop, tell, trials: Vec::new() };
        match self {
            Self::Run => mode::run(course),
            Self::Ramp => mode::ramp(course, scenario.search),
            Self::FindMax => mode::find_max(course, scenario.search),
            Self::Soak => mode::soak(course, scenario.bars()),
            Self::Chaos => mode::chaos(course, scenario.run.recovery),
            Self::Probe => mode::probe(course, scenario.probe.every),
        }
    }

    fn load(self, scenario: &Scenario) -> Load {
        let disturbances = match self {
            Self::Chaos if scenario.chaos.is_empty() => mode::standard(scenario),
            _ => scenario.chaos.clone(),
        };
        let usual = if self == Self::Probe { N_FEEDS.1 } else { N_FEEDS.0 };
        Load {
            n_feeds: scenario.feeds.n.unwrap_or(usual),
            warm_up: scenario.run.warm_up,
            length: scenario.run.length,
            disturbances,
        }
    }

    /// What is lost while there is trouble is what the trouble is: coverage and counts of a chaos are judged only if somebody
    /// says how.
    fn objectives(self, scenario: &Scenario) -> Vec<Objective> {
        let mut objectives = scenario.objectives();
        if self == Self::Chaos && scenario.slo.is_none() {
            objectives.retain(|objective| objective.latency().is_some());
        }
        objectives
    }
}

/// The address that Prometheus scrapes.
pub(super) fn listen(scenario: &Scenario) -> Result<std::net::SocketAddr, Failure> {
    let listen = &scenario.probe.listen;
    listen.parse().map_err(|error| Failure::Usage(format!("probe.listen: \"{listen}\": {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn loads_follow_from_scenarios() {
        let mut scenario = Scenario::default();
        assert_eq!((Mode::Run.load(&scenario).n_feeds, Mode::Probe.load(&scenario).n_feeds), (4, 1));
        assert!(Mode::Run.load(&scenario).disturbances.is_empty());
        assert_eq!(Mode::Chaos.load(&scenario).disturbances.len(), 11);
        scenario.feeds.n = Some(7);
        scenario.chaos = vec!["stall 5s at 3s".parse().unwrap()];
        assert_eq!((Mode::Soak.load(&scenario).n_feeds, Mode::Probe.load(&scenario).n_feeds), (7, 7));
        assert_eq!(Mode::Chaos.load(&scenario).disturbances.len(), 1);
    }

    #[test]
    fn what_trouble_costs_is_judged_only_if_somebody_says_how() {
        let mut scenario = Scenario::default();
        assert!(Mode::Chaos.objectives(&scenario).iter().all(|objective| objective.latency().is_some()));
        assert_eq!(Mode::Run.objectives(&scenario), Objective::defaults());
        scenario.slo = Some(vec!["coverage>=0.8".parse().unwrap()]);
        assert_eq!(Mode::Chaos.objectives(&scenario).len(), 1);
    }
}

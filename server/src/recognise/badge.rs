//! What a recogniser is doing, as a metric: how many are in each state.

use metrics::Gauge;

use crate::telemetry::Metric;

/// What a recogniser does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It waits for a job.
    Idle,
    /// It decodes.
    Busy,
    /// It would fail, and leaves the jobs to others.
    Resting,
}

impl State {
    fn gauge(self) -> Gauge {
        let name = match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Resting => "resting",
        };
        metrics::gauge!(Metric::RecogniserState.name(), "state" => name)
    }
}

/// One recogniser's part of the metric.
pub(super) struct Badge {
    state: State,
    idle: Gauge,
    busy: Gauge,
    resting: Gauge,
}

impl Badge {
    /// Of a recogniser that is idle.
    pub(super) fn new() -> Self {
        let badge = Self {
            state: State::Idle,
            idle: State::Idle.gauge(),
            busy: State::Busy.gauge(),
            resting: State::Resting.gauge(),
        };
        badge.gauge().increment(1.0);
        badge
    }

    /// It is in this state from now on.
    pub(super) fn turn(&mut self, state: State) {
        if self.state != state {
            self.gauge().decrement(1.0);
            self.state = state;
            self.gauge().increment(1.0);
        }
    }

    fn gauge(&self) -> &Gauge {
        match self.state {
            State::Idle => &self.idle,
            State::Busy => &self.busy,
            State::Resting => &self.resting,
        }
    }
}

impl Drop for Badge {
    fn drop(&mut self) {
        self.gauge().decrement(1.0);
    }
}

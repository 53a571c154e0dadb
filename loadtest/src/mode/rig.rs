//! What modes need: something that plays N feeds into a server and says how it went.

use std::time::Duration;

use crate::failure::Failure;
use crate::measure::{Generator, Measurement, Score};
use crate::scenario::Disturbance;

/// One run.
#[derive(Clone, Debug)]
pub struct Load {
    /// Feeds that play at once.
    pub n_feeds: usize,
    /// Time at the start that is not measured.
    pub warm_up: Duration,
    /// Time that is.
    pub length: Duration,
    /// What is done meanwhile, in order.
    pub disturbances: Vec<Disturbance>,
}

/// How a run is doing, once a second.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Since the run began, warm-up included.
    pub at: Duration,
    /// Warm-up and length.
    pub of: Duration,
    /// Feeds that play.
    pub n_feeds: usize,
    /// What was told so far, judged.
    pub score: Score,
    /// How punctual this program was so far.
    pub generator: Generator,
}

/// Who is measured. What is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Where it is: that of a server that was started here is not in the scenario.
    pub address: Option<String>,
    /// Name and version of the program.
    pub version: Option<String>,
    /// Speech model that it uses.
    pub model: Option<String>,
}

/// See the module.
pub trait Rig {
    /// Plays the load to its end. [`Failure::Refused`] if it is more than the server takes; other failures end a search.
    fn run(&mut self, load: &Load, tell: &mut dyn FnMut(&Progress)) -> Result<Measurement, Failure>;

    /// Who is measured, as far as it is known by now.
    fn about(&self) -> About {
        About::default()
    }
}

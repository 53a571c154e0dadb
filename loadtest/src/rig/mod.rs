//! The rig that plays over the wire: a thread that sends, a thread that reads what Aircheck tells, and here, between them,
//! the jury. Knows everybody; decides nothing.

mod events;
mod inside;
mod jury;
mod run;
mod sender;
mod server;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;

pub use self::inside::Inside;
use self::run::Run;
use self::sender::Tapes;
use self::server::Server;
use crate::failure::Failure;
use crate::measure::Measurement;
use crate::mode::{About, Load, Progress, Rig, Stop};
use crate::programme::Programme;
use crate::scenario::Scenario;

/// From the start of a run to the first piece, for connections.
const LEAD: Duration = Duration::from_millis(500);

/// Plays a scenario's programme into its server, run after run; a server that was started here lives as long as this.
pub struct Wire {
    scenario: Scenario,
    stop: Stop,
    programme: Arc<Programme>,
    tapes: Tapes,
    server: Server,
    n_runs: u32,
}

impl Wire {
    /// Reads the programme, makes what is sent of it, and starts the server if the scenario says how.
    pub fn new(scenario: &Scenario, stop: &Stop) -> Result<Self, Failure> {
        let programme = Arc::new(sender::programme(scenario)?);
        let tapes = Tapes::new(scenario, &programme)?;
        let server = Server::start(&scenario.target)?;
        Ok(Self { scenario: scenario.clone(), stop: stop.clone(), programme, tapes, server, n_runs: 0 })
    }
}

impl Rig for Wire {
    fn run(&mut self, load: &Load, tell: &mut dyn FnMut(&Progress)) -> Result<Measurement, Failure> {
        self.n_runs += 1;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::runtime("start a runtime", error))?;
        runtime.block_on(async {
            self.server.ready().await?;
            Run::begin(self, load).await?.play(tell).await
        })
    }

    fn about(&self) -> About {
        self.server.about.clone()
    }
}

//! Where modes get their rig from.

use crate::failure::Failure;
use crate::mode::{Rig, Stop};
use crate::rig::{Inside, Wire};
use crate::scenario::{Scenario, TargetKind};

/// The rig that plays `scenario`: over the wire, or into the engine in this process. Starts the server if the scenario says how, and ends early when it is asked
/// to `stop`.
pub(super) fn rig(scenario: &Scenario, stop: &Stop) -> Result<Box<dyn Rig>, Failure> {
    Ok(match scenario.target.kind {
        TargetKind::Engine => Box::new(Inside::new(scenario, stop)?),
        _ => Box::new(Wire::new(scenario, stop)?),
    })
}

//! Where modes get their rig from.

use crate::failure::Failure;
use crate::mode::{Rig, Stop};
use crate::rig::Wire;
use crate::scenario::Scenario;

/// The rig that plays `scenario` over the wire: starts the server if the scenario says how, and ends early when it is asked
/// to `stop`.
pub(super) fn rig(scenario: &Scenario, stop: &Stop) -> Result<Box<dyn Rig>, Failure> {
    Ok(Box::new(Wire::new(scenario, stop)?))
}

//! Where modes get their rig from.

use crate::failure::Failure;
use crate::mode::{Rig, Stop};
use crate::scenario::Scenario;

/// The rig that plays `scenario` over the wire: starts the server if the scenario says how, and ends early when it is asked
/// to `stop`.
pub(super) fn rig(_scenario: &Scenario, _stop: &Stop) -> Result<Box<dyn Rig>, Failure> {
    Err(Failure::Runtime("this build has no rig".to_owned()))
}

//! Why an operator could not be built. Pushing never fails.

use thiserror::Error;

/// A configuration that no operator can be built from.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum BuildError {
    /// A parameter is out of its range.
    #[error("{parameter} is {actual}, expected {expected}")]
    Parameter {
        /// Name of the parameter, with its unit.
        parameter: &'static str,
        /// Value given.
        actual: f64,
        /// Range allowed.
        expected: &'static str,
    },
    /// The resampler refused.
    #[error("no resampler from {from_hz} Hz to {to_hz} Hz: {reason}")]
    Resampler {
        /// Input rate, Hz.
        from_hz: u32,
        /// Output rate, Hz.
        to_hz: u32,
        /// What rubato said.
        reason: String,
    },
}

/// Checks that `actual` lies in `range`; `expected` says so in words.
pub(crate) fn check_range(
    parameter: &'static str,
    actual: f64,
    range: std::ops::RangeInclusive<f64>,
    expected: &'static str,
) -> Result<(), BuildError> {
    if range.contains(&actual) { Ok(()) } else { Err(BuildError::Parameter { parameter, actual, expected }) }
}

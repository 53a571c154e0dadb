//! Lines of the table: what is promised, what was measured, and whether it holds.

use std::fmt;

/// A promise and what became of it.
pub(crate) struct Bar {
    what: String,
    measured: String,
    bar: String,
    holds: bool,
}

impl Bar {
    pub(crate) fn new(
        what: impl Into<String>,
        measured: String,
        bar: impl Into<String>,
        holds: bool,
    ) -> Self {
        Self { what: what.into(), measured, bar: bar.into(), holds }
    }

    /// A value that has to stay at or below `max`; one that is not known does not.
    pub(crate) fn most(what: impl Into<String>, value: f64, max: f64, unit: &str) -> Self {
        let with_unit = |value: String| format!("{value} {unit}").trim_end().to_owned();
        Self::new(what, with_unit(short(value)), with_unit(format!("<= {max}")), value <= max)
    }

    pub(crate) const fn holds(&self) -> bool {
        self.holds
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds { "holds" } else { "DOES NOT HOLD" };
        let Self { what, measured, bar, .. } = self;
        write!(f, "  {verdict:<13}  {what:<58}  {measured:>20}  {bar}")
    }
}

/// Three digits or so.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

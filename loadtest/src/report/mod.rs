//! What a run leaves behind: report.json, .hgrm and .hlog, one HTML page, the terminal. Everything is made from the
//! [`Report`] alone, so that an old report.json can be drawn again.

mod baseline;
mod build;
mod distribution;
mod frontier;
mod hdr;
mod host;
mod html;
mod json;
mod leave;
mod say;
mod schema;
mod terminal;
#[cfg(test)]
mod tests;

pub use baseline::{Change, compare, parse_allowed};
pub use build::{Context, N_SLICES_MAX};
pub use distribution::{Distribution, Percentiles};
pub use frontier::{Frontier, FrontierVersion, Point};
pub use hdr::{hgrm, hlog};
pub use host::Host;
pub use html::{frontier_page, page};
pub use json::{
    Counts, Coverage, Figure, Generator, Mark, Objective, Report, Resources, SCHEMA, Slice, Stage, Step,
    Target, Unit, Verdict, Version, Versions, Words,
};
pub use leave::leave;
pub use schema::schema;
pub use terminal::{Live, Style, comparison, table};

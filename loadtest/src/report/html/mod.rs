//! One HTML page that needs nothing else: charts are drawn here, as SVG. Draws, judges nothing.

mod axes;
mod capacity;
mod escape;
mod frontier;
mod heat;
mod page;
mod palette;
mod percentile;
mod resources;
mod scatter;
mod svg;
mod tables;
mod verdict;
mod waterfall;

pub use frontier::frontier_page;
pub use page::page;

#[cfg(test)]
mod tests;

//! The command line: what was asked for, done, and left behind as a report.

mod args;
mod commands;
mod folder;
mod leave;
mod play;
mod rig;
mod summary;

pub use args::{ChaosArgs, Cli, Command, Common, FindMaxArgs, FrontierArgs, ProbeArgs, RampArgs};
pub use commands::run;

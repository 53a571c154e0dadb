//! `aircheck slo`: what monitoring needs to watch over the promises.

use super::print;
use crate::cli::SloCommand;
use crate::config::Config;
use crate::failure::Failure;
use crate::slo;

/// Runs the command.
pub(super) fn run(command: &SloCommand) -> Result<(), Failure> {
    let SloCommand::Export { config } = command;
    let config = match config {
        Some(file) => Config::examine(file).map_err(Failure::usage)?.0,
        None => Config::default(),
    };
    print(slo::rules(&config).as_bytes())
}

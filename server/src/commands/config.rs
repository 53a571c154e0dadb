//! `aircheck config`: checks a configuration, prints the reference.

use std::io::{self, Write};
use std::path::Path;

use super::print;
use crate::cli::ConfigCommand;
use crate::config::{Config, ConfigError, LoadError};
use crate::failure::Failure;

/// Runs the command.
pub(super) fn run(command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check { file } => check(file),
        ConfigCommand::Reference => print(Config::reference().as_bytes()),
    }
}

fn check(file: &Path) -> Result<(), Failure> {
    let place = file.display();
    match Config::examine(file) {
        Ok((config, doubts)) => {
            tell(doubts.iter().map(|doubt| format!("{place}:{}", warning(doubt))));
            print(format!("{place}: ok, {}\n", counted(config.feeds.len(), "feed")).as_bytes())
        }
        Err(LoadError::Wrong { errors, .. }) => {
            tell(errors.iter().map(|error| format!("{place}:{error}")));
            Err(Failure::Usage(format!("{place}: {}", counted(errors.len(), "error"))))
        }
        Err(error) => Err(Failure::usage(error)),
    }
}

fn warning(doubt: &ConfigError) -> String {
    let ConfigError { line, column, key, message, .. } = doubt;
    format!("{line}:{column}: warning: {key}: {message}")
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// Writes lines to stderr; where that is closed there is nobody to tell.
fn tell(lines: impl Iterator<Item = String>) {
    let mut stderr = io::stderr().lock();
    for line in lines {
        let _ = writeln!(stderr, "{line}");
    }
}

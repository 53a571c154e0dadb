//! The program `aircheck-loadtest`: parses the command line, runs the mode, ends with the verdict's exit code.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use loadtest::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where stderr is closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "aircheck-loadtest: {failure}");
            failure.exit_code()
        }
    }
}

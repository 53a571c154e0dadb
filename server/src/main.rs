//! The program `aircheck`: parses the command line, runs the command, reports a failure in one line.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use server::cli::Cli;
use server::commands;
use tikv_jemallocator::Jemalloc;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Gives memory back that a hundred threads fragmented, which the system's does not (ADR 13).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.verbose);
    match commands::run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where stderr is closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "aircheck: {}", failure.message());
            failure.exit_code()
        }
    }
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let filter = EnvFilter::builder().with_default_directive(level.into()).with_env_var("AIRCHECK_LOG");
    let colour = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        && io::IsTerminal::is_terminal(&io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter.from_env_lossy())
        .with_writer(io::stderr)
        .with_ansi(colour)
        .init();
}

//! The commands: each takes its arguments and does the whole thing.

mod analyze;
mod client;
mod config;
mod doctor;
mod model;
mod models;
mod recognizer;
mod serve;
mod setup;
mod slo;
mod studio;
mod watch;

use std::io::{self, Write};

use clap::CommandFactory;
use engine::event::{EventKind, schema};

use crate::cli::{Cli, Command};
use crate::failure::Failure;

/// Runs a command.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Analyze(args) => analyze::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Feeds(command) => client::feeds(&command),
        Command::Events(command) => client::events(&command),
        Command::Search(args) => client::search(&args),
        Command::Health(args) => client::health(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Models(command) => models::run(&command),
        Command::Config(command) => config::run(&command),
        Command::Slo(command) => slo::run(&command),
        Command::Recognizer { model, states } => recognizer::run(&model, states),
        Command::Schema { kind } => print_schema(kind.as_deref()),
        Command::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "aircheck", &mut out);
            print(&out)
        }
        Command::Man => {
            let mut out = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut out).map_err(Failure::runtime)?;
            print(&out)
        }
    }
}

fn print_schema(name: Option<&str>) -> Result<(), Failure> {
    let Some(name) = name else {
        let names: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
        return print(format!("{}\n", names.join("\n")).as_bytes());
    };
    let kind = EventKind::from_name(name).ok_or_else(|| {
        Failure::Usage(format!("event type {name:?}, expected one of those that `aircheck schema` lists"))
    })?;
    let text = serde_json::to_string_pretty(&schema(kind)).map_err(Failure::runtime)?;
    print(format!("{text}\n").as_bytes())
}

/// Writes to stdout; a reader that went away is no failure.
fn print(bytes: &[u8]) -> Result<(), Failure> {
    match io::stdout().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Runtime(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

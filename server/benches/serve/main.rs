//! The service as its user runs it: the real program with a state folder of its own, driven only over its sockets; what
//! is promised of it beside what was measured. `make bench-serve`, `make soak`.
//!
//! `serve [--secs N] [--feeds N] [--seed N] [--profile LINES] [ROW...]`, rows: `ready`, `visible`, `journal`, `many`,
//! `guests`, `slow`, `soak`. Without a row all but `soak`. `--secs`: length of each measurement; `--feeds`: feeds (or guests) in
//! place of those that are promised, for a look on a small machine; `--profile`: keys of the profile of guests, such as
//! `utterance_max_secs = 6`. It fails where a bar does not hold.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod args;
mod figures;
mod guests;
mod many;
mod processes;
mod programme;
mod reader;
mod ready;
mod service;
mod slow;
mod soak;
mod station;
mod storm;
mod table;
mod visible;
mod wait;

use std::process::ExitCode;

use args::{Args, Row};
use table::Bar;

fn main() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", processes::machine());
    let mut bars = Vec::new();
    for &row in &args.rows {
        println!("\n{}", row.name());
        bars.extend(measure(row, &args));
    }
    println!();
    bars.iter().for_each(|bar| println!("{bar}"));
    if bars.iter().all(Bar::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(row: Row, args: &Args) -> Vec<Bar> {
    match row {
        Row::Ready => ready::measure(args),
        Row::Visible => visible::measure(args),
        Row::Many => many::measure(args),
        Row::Journal => {
            println!("  measured by a program of its own: make bench-journal");
            Vec::new()
        }
        Row::Guests => guests::measure(args),
        Row::Slow => slow::measure(args),
        Row::Soak => soak::measure(args),
    }
}

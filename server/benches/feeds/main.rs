//! Many feeds of real speech in one process, at real-time pace: what they promise and what they get. `make bench-feeds`.
//!
//! Without arguments the whole table of what is promised, each bar beside what was measured; `--secs N` makes it
//! shorter. With numbers of feeds a line for each:
//!
//! `feeds [--finals] [--noise] [--scripted] [--processes] [--kill-every SECS] [--lost] [--outages] [--plot FILE.svg]
//! [--secs N] [--recognisers N] FEEDS...`
//!
//! `--noise`: feeds without speech, a room at -50 dBFS. `--scripted`: a recogniser that costs nothing, to see what a feed
//! takes beside recognition. `--processes`: recognisers in worker processes. `--kill-every`: one of them is killed, each
//! in turn; compared with a run in which none is. `--lost`: words that an unhurried run of the same audio has.
//! `--outages`: every fourth feed is silent from 10 to 22 s: dead air. `--plot`:
//! latencies and coverage by the number of feeds; a relative path begins at the root of the workspace.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod args;
mod figures;
mod heard;
mod load;
mod measure;
mod plot;
mod stage;
mod system;
mod table;

use std::process::ExitCode;

use args::Args;
use figures::Figures;
use stage::Stage;
use table::{Bar, Section};

fn main() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    match args.section {
        None if args.feeds.is_empty() => table::all(&args),
        None => {
            lines(&args);
        }
        Some(section) => return measure(section, &section.args(&args)),
    }
    ExitCode::SUCCESS
}

/// A section and its bars; fails where one does not hold.
fn measure(section: Section, args: &Args) -> ExitCode {
    let bars = match section {
        Section::Noise | Section::Memory => section.cost_bars(&table::costs(args)),
        _ => section.bars(&lines(args)),
    };
    bars.iter().for_each(|bar| println!("{bar}"));
    if bars.iter().all(Bar::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures and prints a line for each number of feeds; two where recognisers are killed.
fn lines(args: &Args) -> Vec<Figures> {
    let mut stage = match Stage::new(args) {
        Ok(stage) => stage,
        Err(why) => {
            println!("skipped: {why}");
            return Vec::new();
        }
    };
    let title = stage.title();
    println!("{title}\n{}", Figures::HEADER);
    let mut all = Vec::new();
    let mut line = |n_feeds, kill_every| {
        let figures = stage.line(n_feeds, kill_every);
        println!("{figures}");
        all.push(figures);
    };
    for &n_feeds in &args.feeds {
        line(n_feeds, None);
        if args.kill_every.is_some() {
            line(n_feeds, args.kill_every);
        }
    }
    if args.kill_every.is_some() {
        all.chunks_exact(2).for_each(|pair| println!("{}", table::compare(&pair[0], &pair[1])));
    }
    if args.is_brief {
        all.iter().for_each(|figures| println!("{}", figures.cost()));
    }
    if let Some(path) = &args.plot {
        match plot::write(path, &title, &all) {
            Ok(path) => println!("plot: {}", path.display()),
            Err(error) => eprintln!("{}: {error}", path.display()),
        }
    }
    all
}

//! Outputs of a run: which sinks the command line asks for, and where the summary goes.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use thiserror::Error;

use crate::cli::AnalysisArgs;
use crate::publish::Sink;
use crate::sinks::{Captions, Ndjson, Paint, SubtitleFormat, Subtitles, TranscriptText};
use crate::summary::Summary;

/// Columns assumed where the terminal does not say.
const COLUMNS: usize = 80;

/// An output that cannot be written.
#[derive(Debug, Error)]
#[error("cannot write {path}: {source}")]
pub struct OutputError {
    path: String,
    source: io::Error,
}

/// What stdout carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdout {
    /// Captions for a person, then the summary as a table.
    Captions,
    /// Events for a program; the summary goes to stderr.
    Events,
    /// The summary as a table: the events go to a file.
    Summary,
    /// The summary as one JSON object.
    Json,
}

impl Stdout {
    /// Captions on a terminal, events on a pipe, unless told otherwise.
    #[must_use]
    pub fn of(args: &AnalysisArgs) -> Self {
        match args.events.as_deref() {
            _ if args.json => Self::Json,
            Some(path) if path == Path::new("-") => Self::Events,
            _ if io::stdout().is_terminal() => Self::Captions,
            Some(_) => Self::Summary,
            None => Self::Events,
        }
    }

    /// Prints the summary where it belongs.
    pub fn print(self, summary: &Summary) -> io::Result<()> {
        match self {
            Self::Captions => write!(io::stdout(), "\n{}", summary.table()),
            Self::Events => write!(io::stderr(), "\n{}", summary.table()),
            Self::Summary => write!(io::stdout(), "{}", summary.table()),
            Self::Json => {
                serde_json::to_writer_pretty(io::stdout(), summary)?;
                writeln!(io::stdout())
            }
        }
    }
}

/// Opens every output that `args` asks for; files are created at once, so that a wrong path is known at the start.
pub fn sinks(args: &AnalysisArgs, stdout: Stdout) -> Result<Vec<Box<dyn Sink>>, OutputError> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    for (path, format) in [(&args.srt, SubtitleFormat::Srt), (&args.vtt, SubtitleFormat::Vtt)] {
        if let Some(path) = path {
            let subtitles = Subtitles::new(create(path)?, format).map_err(|e| failed(path, e))?;
            sinks.push(Box::new(subtitles));
        }
    }
    if let Some(path) = &args.transcript {
        sinks.push(Box::new(TranscriptText::new(create(path)?)));
    }
    if let Some(path) = args.events.as_deref().filter(|path| *path != Path::new("-")) {
        sinks.push(Box::new(Ndjson::new(create(path)?)));
    }
    match stdout {
        Stdout::Captions => {
            let paint = if std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) {
                Paint::Plain
            } else {
                Paint::Colour
            };
            sinks.push(Box::new(Captions::new(BufWriter::new(io::stdout()), paint, columns())));
        }
        Stdout::Events => sinks.push(Box::new(Ndjson::new(BufWriter::new(io::stdout())))),
        Stdout::Json | Stdout::Summary => {}
    }
    Ok(sinks)
}

fn create(path: &Path) -> Result<BufWriter<File>, OutputError> {
    File::create(path).map(BufWriter::new).map_err(|e| failed(path, e))
}

fn failed(path: &Path, source: io::Error) -> OutputError {
    OutputError { path: path.display().to_string(), source }
}

/// Width of the terminal.
fn columns() -> usize {
    let columns = console_columns().or_else(|| std::env::var("COLUMNS").ok()?.parse().ok());
    columns.filter(|n| *n > 0).unwrap_or(COLUMNS)
}

fn console_columns() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

//! Outputs of a run: which sinks the command line asks for, and where the summary goes.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use crate::cli::AnalysisArgs;
use crate::publish::Sink;
use crate::sinks::{Captions, Ndjson, Paint, Podcast, SubtitleFormat, Subtitles, TranscriptText};
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

/// The outputs of a run of one feed or of several.
pub struct Outputs {
    stdout: Stdout,
    /// Of the only feed.
    own: Vec<Box<dyn Sink>>,
    /// Events of all feeds.
    events: Option<Shared<BufWriter<File>>>,
    terminal: Shared<BufWriter<io::Stdout>>,
    is_shared: bool,
}

impl Outputs {
    /// Opens every output that `args` asks for; files are created at once, so that a wrong path is known at the start.
    pub fn open(args: &AnalysisArgs, n_feeds: usize) -> Result<Self, OutputError> {
        let mut own: Vec<Box<dyn Sink>> = Vec::new();
        for (path, format) in [(&args.srt, SubtitleFormat::Srt), (&args.vtt, SubtitleFormat::Vtt)] {
            if let Some(path) = path {
                let subtitles = Subtitles::new(create(path)?, format).map_err(|e| failed(path, e))?;
                own.push(Box::new(subtitles));
            }
        }
        if let Some(path) = &args.podcast {
            own.push(Box::new(Podcast::new(create(path)?).map_err(|e| failed(path, e))?));
        }
        if let Some(path) = &args.transcript {
            own.push(Box::new(TranscriptText::new(create(path)?)));
        }
        let events = args.events.as_deref().filter(|path| *path != Path::new("-"));
        Ok(Self {
            stdout: Stdout::of(args),
            own,
            events: events.map(create).transpose()?.map(Shared::new),
            terminal: Shared::new(BufWriter::new(io::stdout())),
            is_shared: n_feeds > 1,
        })
    }

    /// What stdout carries.
    #[must_use]
    pub const fn stdout(&self) -> Stdout {
        self.stdout
    }

    /// The sinks of the next feed.
    pub fn of_feed(&mut self, name: &str) -> Vec<Box<dyn Sink>> {
        let mut sinks = std::mem::take(&mut self.own);
        if let Some(events) = &self.events {
            sinks.push(Box::new(Ndjson::new(events.clone())));
        }
        match self.stdout {
            Stdout::Captions => {
                let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
                let paint = if no_colour { Paint::Plain } else { Paint::Colour };
                let captions = Captions::new(self.terminal.clone(), paint, columns());
                sinks.push(Box::new(if self.is_shared { captions.labelled(name) } else { captions }));
            }
            Stdout::Events => sinks.push(Box::new(Ndjson::new(self.terminal.clone()))),
            Stdout::Json | Stdout::Summary => {}
        }
        sinks
    }
}

/// A writer that feeds share: what is written at once stays together.
#[derive(Debug)]
struct Shared<W>(Arc<Mutex<W>>);

impl<W> Shared<W> {
    fn new(writer: W) -> Self {
        Self(Arc::new(Mutex::new(writer)))
    }

    /// A panic while writing leaves bytes behind, which is no reason to write no more.
    fn writer(&self) -> MutexGuard<'_, W> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> Clone for Shared<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Write> Write for Shared<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer().write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer().flush()
    }
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

//! One event a line, JSON.

use std::io::{self, Write};

use crate::publish::{Record, Sink};

/// Writes every record as a line of JSON.
pub struct Ndjson<W> {
    out: W,
}

impl<W: Write + Send> Ndjson<W> {
    /// Writes to `out`, which should be buffered: it is flushed whenever nothing more is waiting.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Sink for Ndjson<W> {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, &record.envelope)?;
        self.out.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

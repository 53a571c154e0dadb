//! One event a line, JSON.

use std::io::{self, Write};

use crate::publish::{Record, Sink};

/// Writes every record as a line of JSON.
pub struct Ndjson<W> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write + Send> Ndjson<W> {
    /// Writes to `out`, which should be buffered: it is flushed whenever nothing more is waiting. A line is one write, so
    /// that feeds may share it.
    pub fn new(out: W) -> Self {
        Self { out, line: Vec::new() }
    }
}

impl<W: Write + Send> Sink for Ndjson<W> {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, &record.envelope)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

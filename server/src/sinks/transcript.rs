//! The transcript as text: one utterance a line, with its time.

use std::io::{self, Write};

use engine::event::Body;

use super::{clock_time, printable};
use crate::publish::{Record, Sink};

/// Writes every final as `[hh:mm:ss.mmm] text`.
pub struct TranscriptText<W> {
    out: W,
}

impl<W: Write + Send> TranscriptText<W> {
    /// Writes to `out`, flushed whenever nothing more is waiting.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Sink for TranscriptText<W> {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        let data = &record.envelope.data;
        match &data.body {
            Body::Final(transcript) => {
                writeln!(self.out, "[{}] {}", clock_time(data.span.start, '.'), printable(&transcript.text))
            }
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

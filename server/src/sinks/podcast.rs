//! The transcript as podcast apps read it: JSON of the podcast namespace (Podcasting 2.0, `application/json`), in phrases.

use std::io::{self, Seek, SeekFrom, Write};

use engine::event::{Body, SpokenWord};
use engine::time::MediaTime;
use serde::Serialize;

use super::cues::{Layout, cut};
use super::printable;
use crate::publish::{Record, Sink};

const HEAD: &[u8] = b"{\"version\":\"1.0.0\",\"segments\":[";
const TAIL: &[u8] = b"\n]}\n";

/// A phrase. There is no `speaker`: nobody tells them apart.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Segment {
    /// s.
    start_time: f64,
    end_time: f64,
    body: String,
}

/// Writes every final as phrases. What was flushed is complete at any time: the end of the file is written each time, and
/// written over by what follows.
pub struct Podcast<W> {
    out: W,
    n_segments: usize,
    end: MediaTime,
    is_open: bool,
}

impl<W: Write + Seek + Send> Podcast<W> {
    /// Writes a transcript without segments.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(HEAD)?;
        let mut podcast = Self { out, n_segments: 0, end: MediaTime::ZERO, is_open: true };
        podcast.close()?;
        Ok(podcast)
    }

    /// Writes the words of an utterance.
    pub fn utterance(&mut self, words: &[SpokenWord]) -> io::Result<()> {
        for cue in cut(words, self.end, &Layout::PHRASES) {
            if !std::mem::replace(&mut self.is_open, true) {
                self.out.seek(SeekFrom::Current(-(TAIL.len() as i64)))?;
            }
            self.end = cue.span.end;
            let segment = Segment {
                start_time: secs(cue.span.start),
                end_time: secs(cue.span.end),
                body: printable(&cue.lines.join(" ")),
            };
            self.out.write_all(if self.n_segments == 0 { &b"\n"[..] } else { b",\n" })?;
            serde_json::to_writer(&mut self.out, &segment)?;
            self.n_segments += 1;
        }
        Ok(())
    }

    /// Writes the end of the file, and everything out.
    pub fn close(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_open) {
            self.out.write_all(TAIL)?;
        }
        self.out.flush()
    }
}

/// To the millisecond.
fn secs(time: MediaTime) -> f64 {
    time.as_millis() as f64 / 1_000.0
}

impl<W: Write + Seek + Send> Sink for Podcast<W> {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        match &record.envelope.data.body {
            Body::Final(transcript) => self.utterance(&transcript.words),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.close()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Cursor;

    use engine::time::Span;
    use serde_json::{Value, json};

    use super::*;

    fn word(start_ms: u64, text: &str) -> SpokenWord {
        let span = Span::new(MediaTime::from_millis(start_ms), MediaTime::from_millis(start_ms + 300));
        SpokenWord { text: text.into(), span, confidence: 1.0 }
    }

    fn written(podcast: &Podcast<Cursor<Vec<u8>>>) -> Value {
        serde_json::from_slice(podcast.out.get_ref()).unwrap()
    }

    #[test]
    fn what_was_flushed_is_whole_and_goes_on() {
        let mut podcast = Podcast::new(Cursor::new(Vec::new())).unwrap();
        assert_eq!(written(&podcast), json!({"version": "1.0.0", "segments": []}));
        podcast.utterance(&[word(500, "\"Fail\x1b"), word(850, "again.")]).unwrap();
        podcast.close().unwrap();
        let first = json!({"startTime": 0.5, "endTime": 1.15, "body": "\"Fail  again."});
        assert_eq!(written(&podcast), json!({"version": "1.0.0", "segments": [first]}));
        podcast.utterance(&[word(2_000, "Fail"), word(3_500, "better.")]).unwrap();
        podcast.utterance(&[]).unwrap();
        podcast.close().unwrap();
        podcast.close().unwrap();
        let segments = written(&podcast)["segments"].clone();
        let more = [(2.0, 2.3, "Fail"), (3.5, 3.8, "better.")]
            .map(|(start, end, body)| json!({"startTime": start, "endTime": end, "body": body}));
        assert_eq!(segments, json!([first, more[0], more[1]]));
    }
}

//! Captions as SubRip (`.srt`) or WebVTT (`.vtt`), written as finals come.

use std::io::{self, Write};

use engine::event::{Body, SpokenWord};
use engine::time::MediaTime;

use super::cues::{Cue, Layout, cut};
use super::{clock_time, printable};
use crate::publish::{Record, Sink};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubtitleFormat {
    /// SubRip.
    Srt,
    /// WebVTT (W3C).
    Vtt,
}

/// Writes every final as cues. What was written is complete at any time.
pub struct Subtitles<W> {
    out: W,
    format: SubtitleFormat,
    n_cues: usize,
    end: MediaTime,
}

impl<W: Write + Send> Subtitles<W> {
    /// Writes the head of the file, if the format has one.
    pub fn new(mut out: W, format: SubtitleFormat) -> io::Result<Self> {
        if format == SubtitleFormat::Vtt {
            out.write_all(b"WEBVTT\n\n")?;
            out.flush()?;
        }
        Ok(Self { out, format, n_cues: 0, end: MediaTime::ZERO })
    }

    /// Writes the words of an utterance as cues; none begins before the last one ended.
    pub fn utterance(&mut self, words: &[SpokenWord]) -> io::Result<()> {
        cut(words, self.end, &Layout::default()).iter().try_for_each(|cue| self.write(cue))
    }

    fn write(&mut self, cue: &Cue) -> io::Result<()> {
        self.n_cues += 1;
        self.end = cue.span.end;
        let separator = if self.format == SubtitleFormat::Srt { ',' } else { '.' };
        let (start, end) = (clock_time(cue.span.start, separator), clock_time(cue.span.end, separator));
        writeln!(self.out, "{}\n{start} --> {end}", self.n_cues)?;
        self.out.write_all(text(cue, self.format).as_bytes())?;
        writeln!(self.out)
    }
}

/// The lines of a cue, safe to stand in a file of `format`.
fn text(cue: &Cue, format: SubtitleFormat) -> String {
    cue.lines.iter().map(|line| escape(&printable(line), format) + "\n").collect()
}

/// A cue of a WebVTT file, with the empty line behind it.
pub(crate) fn vtt_cue(id: &str, cue: &Cue) -> String {
    let (start, end) = (clock_time(cue.span.start, '.'), clock_time(cue.span.end, '.'));
    format!("{id}\n{start} --> {end}\n{}\n", text(cue, SubtitleFormat::Vtt))
}

/// A transcript is untrusted text: nothing in it may act as markup or end the cue.
fn escape(text: &str, format: SubtitleFormat) -> String {
    match format {
        SubtitleFormat::Vtt => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        SubtitleFormat::Srt => text.replace("-->", "->").replace('<', "\u{2039}").replace('>', "\u{203a}"),
    }
}

impl<W: Write + Send> Sink for Subtitles<W> {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        if let Body::Final(transcript) = &record.envelope.data.body {
            self.utterance(&transcript.words)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use engine::time::Span;

    use super::*;

    fn check(format: SubtitleFormat, expected: &str) {
        let mut out = Vec::new();
        let mut subtitles = Subtitles::new(&mut out, format).unwrap();
        let span = Span::new(MediaTime::from_millis(1_500), MediaTime::from_millis(3_723_456));
        let cue =
            Cue { span, said_until: span.end, lines: vec!["a <b> & c".into(), "second --> line".into()] };
        subtitles.write(&cue).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn both_formats_escape_what_they_must() {
        check(
            SubtitleFormat::Vtt,
            "WEBVTT\n\n1\n00:00:01.500 --> 01:02:03.456\na &lt;b&gt; &amp; c\nsecond --&gt; line\n\n",
        );
        check(
            SubtitleFormat::Srt,
            "1\n00:00:01,500 --> 01:02:03,456\na \u{2039}b\u{203a} & c\nsecond -\u{203a} line\n\n",
        );
    }
}

//! Live captions on a terminal: finals and alerts scroll, the current partial stays on the last line and is redrawn.

use std::io::{self, Write};

use engine::event::{Alert, Body, Envelope, Feed, Keyword, KeywordState, Phase, SegmentKind, Transcript};

use super::{clock_time, printable};
use crate::publish::{Record, Sink};

/// Whether to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// ANSI colours.
    Colour,
    /// None (`NO_COLOR`, or not a terminal).
    Plain,
}

const DIM: &str = "2";
const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const CYAN: &str = "36";

/// Draws captions.
pub struct Captions<W> {
    out: W,
    paint: Paint,
    columns: usize,
    partial_shown: bool,
    /// Before each line, where several feeds share a terminal; then there are no partials, which need a line each.
    label: Option<String>,
}

impl<W: Write + Send> Captions<W> {
    /// Draws to `out`, a terminal `columns` wide.
    pub fn new(out: W, paint: Paint, columns: usize) -> Self {
        Self { out, paint, columns: columns.max(20), partial_shown: false, label: None }
    }

    /// The same for one of several feeds that share a terminal.
    #[must_use]
    pub fn labelled(self, feed: &str) -> Self {
        Self { label: Some(feed.to_owned()), ..self }
    }

    fn paint(&self, style: &str, text: &str) -> String {
        match self.paint {
            Paint::Colour => format!("\x1b[{style}m{text}\x1b[0m"),
            Paint::Plain => text.to_owned(),
        }
    }

    fn line(&mut self, record: &Record, style: &str, text: &str) -> io::Result<()> {
        self.clear_partial()?;
        let time = clock_time(record.envelope.data.span.start, '.');
        let (time, text) = (self.paint(DIM, &time), self.paint(style, &printable(text)));
        let line = match &self.label {
            Some(feed) => format!("{}  {time}  {text}\n", self.paint(CYAN, feed)),
            None => format!("{time}  {text}\n"),
        };
        self.out.write_all(line.as_bytes())
    }

    fn clear_partial(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.partial_shown) {
            self.out.write_all(b"\r\x1b[K")?;
        }
        Ok(())
    }

    /// The end of the text that fits on one line: its stable part plain, the rest dim.
    fn partial(&mut self, record: &Record, transcript: &Transcript) -> io::Result<()> {
        self.clear_partial()?;
        let time = clock_time(record.envelope.data.span.start, '.');
        let room = self.columns.saturating_sub(time.len() + 4);
        let text = printable(&transcript.text);
        let skipped = text.chars().count().saturating_sub(room);
        let n_stable = transcript.text.get(..transcript.stable_bytes).map_or(0, |t| t.chars().count());
        let stable: String = text.chars().take(n_stable).skip(skipped).collect();
        let rest: String = text.chars().skip(n_stable.max(skipped)).collect();
        let (time, rest) = (self.paint(DIM, &time), self.paint(DIM, &rest));
        write!(self.out, "{time}  {stable}{rest}")?;
        self.partial_shown = true;
        self.out.flush()
    }
}

impl<W: Write + Send> Sink for Captions<W> {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        match &record.envelope.data.body {
            Body::Partial(_) if self.label.is_some() => Ok(()),
            Body::Partial(transcript) => self.partial(record, transcript),
            Body::Final(transcript) => self.line(record, BOLD, &transcript.text),
            Body::Alert(alert) => self.line(record, RED, &alert_text(&record.envelope, alert)),
            Body::Segment(s) if s.phase == Phase::Open => self.line(record, CYAN, segment_text(s.kind)),
            Body::Keyword(keyword) => self.line(record, GREEN, &keyword_text(keyword)),
            Body::Metadata(metadata) => self.line(record, CYAN, &format!("now playing: {}", metadata.title)),
            Body::Feed(feed) => self.line(record, DIM, &feed_text(feed)),
            Body::Gap(gap) => {
                let span = record.envelope.data.span;
                let cause = gap.cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default();
                let text = match gap.losses {
                    Some(n) => format!("{n} losses, {} frames, in {} s", gap.frames, span.duration()),
                    None => format!("gap of {} s: {:?}{cause}", span.duration(), gap.reason),
                };
                self.line(record, RED, &text)
            }
            Body::Degraded(engine) | Body::Recovered(engine) | Body::Refused(engine) => {
                self.line(record, RED, &engine.reason)
            }
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn alert_text(envelope: &Envelope<Body>, alert: &Alert) -> String {
    let name = envelope.data.body.kind().name().trim_start_matches("alert.").replace('_', " ");
    let observation = alert.observation;
    match (alert.phase, alert.duration) {
        (Phase::Close, Some(duration)) => format!("{name} over after {duration} s"),
        (Phase::Close, None) => format!("{name} over"),
        (Phase::Open, _) => format!(
            "{name}: {:.1} {} (limit {:.1})",
            observation.observed, observation.unit, observation.threshold
        ),
    }
}

fn segment_text(kind: SegmentKind) -> &'static str {
    match kind {
        SegmentKind::Speech => "[speech]",
        SegmentKind::Music => "[music]",
        SegmentKind::Silence => "[silence]",
        SegmentKind::Noise => "[noise]",
    }
}

fn keyword_text(keyword: &Keyword) -> String {
    let doubt = if keyword.state == KeywordState::Provisional { " (provisional)" } else { "" };
    format!("keyword {:?}: {}{doubt}", keyword.term, keyword.context)
}

fn feed_text(feed: &Feed) -> String {
    let mut text = format!("{:?}", feed.state).to_lowercase();
    if let Some(codec) = &feed.codec {
        text.push_str(&format!(" {codec}"));
    }
    if let (Some(rate), Some(channels)) = (feed.rate_hz, feed.channels) {
        text.push_str(&format!(" {rate} Hz, {channels} channels"));
    }
    if let Some(reason) = &feed.reason {
        text.push_str(&format!(": {reason}"));
    }
    text
}

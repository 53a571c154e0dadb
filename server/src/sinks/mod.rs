//! Sinks: what a person or a program reads. Each takes records and writes one format.

mod captions;
mod cues;
mod ndjson;
mod podcast;
mod subtitles;
mod transcript;

pub use captions::{Captions, Paint};
pub use cues::Layout;
pub(crate) use cues::{Cue, cut};
pub use ndjson::Ndjson;
pub use podcast::Podcast;
pub(crate) use subtitles::vtt_cue;
pub use subtitles::{SubtitleFormat, Subtitles};
pub use transcript::TranscriptText;

use engine::time::MediaTime;

/// `01:02:03.456`, with `separator` before the milliseconds.
pub(crate) fn clock_time(time: MediaTime, separator: char) -> String {
    let millis = time.as_millis();
    let (secs, millis) = (millis / 1_000, millis % 1_000);
    format!("{:02}:{:02}:{:02}{separator}{millis:03}", secs / 3_600, secs / 60 % 60, secs % 60)
}

/// Untrusted text for a terminal or a text file: control characters (escape sequences among them) become spaces.
fn printable(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_untrusted_text() {
        assert_eq!(clock_time(MediaTime::from_millis(3_723_456), ','), "01:02:03,456");
        assert_eq!(printable("a\x1b[31mb\u{202e}c"), "a [31mb c");
    }
}

//! What the dialects share: audio as bytes, seconds as media time, text as words.

use bytes::Bytes;
use engine::time::{FLICKS_PER_SECOND, MediaTime, Span};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::Request;
use url::Url;

use super::Said;
use crate::failure::Failure;
use crate::truth::Heard;

/// Most of a message that an error quotes, characters.
const QUOTED_CHARS_MAX: usize = 200;

/// The request that opens a WebSocket at `url`, with a key of its own.
pub(super) fn upgrade(url: &Url) -> Result<Request<()>, Failure> {
    url.as_str().into_client_request().map_err(|error| Failure::Usage(format!("target {url}: {error}")))
}

/// Parses the address of a WebSocket server.
pub(super) fn web_socket(url: &str) -> Result<Url, Failure> {
    let wrong = |why: &str| Failure::Usage(format!("target {url:?}: {why}"));
    let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
    match parsed.scheme() {
        "ws" | "wss" => Ok(parsed),
        other => Err(wrong(&format!("{other} is no WebSocket, expected ws:// or wss://"))),
    }
}

/// 16-bit samples, little-endian.
pub(super) fn s16le(samples: &[i16]) -> Bytes {
    let bytes: Vec<[u8; 2]> = samples.iter().map(|sample| sample.to_le_bytes()).collect();
    bytes.into_flattened().into()
}

/// 32-bit floats, full scale is 1, little-endian.
pub(super) fn f32le(samples: &[i16]) -> Bytes {
    let bytes: Vec<[u8; 4]> =
        samples.iter().map(|&sample| (f32::from(sample) / 32_768.0).to_le_bytes()).collect();
    bytes.into_flattened().into()
}

/// Seconds of a server, to the nearest flick; nonsense is the beginning.
pub(super) fn media_time(secs: f64) -> MediaTime {
    // The cast saturates, and NaN becomes 0.
    MediaTime::from_flicks((secs * FLICKS_PER_SECOND as f64).round() as u64)
}

/// From `start` to `end`, seconds.
pub(super) fn span(start: f64, end: f64) -> Span {
    Span::new(media_time(start), media_time(end))
}

/// Words of a server that does not say where they are.
pub(super) fn words_of(text: &str) -> Vec<Heard> {
    text.split_whitespace().map(|word| Heard { text: word.to_owned(), span: None }).collect()
}

/// For a message that is none of the protocol.
pub(super) fn not_understood(text: &str, why: impl std::fmt::Display) -> Vec<Said> {
    let quoted: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    vec![Said::Failed(format!("the server said what is not understood ({why}): {quoted}"))]
}

/// What the tests of the dialects share: what was said, one line each.
#[cfg(test)]
pub(super) mod told {
    use engine::time::Span;

    use crate::target::{Dialect, Said};
    use crate::truth::{Observation, Words};

    /// Hears `messages` and compares with `expected`, which leaves [`Said::Nothing`] out:
    /// `interim 0 [0.000..1.390] a@0.200..0.400`.
    pub(in crate::target) fn check(dialect: &mut dyn Dialect, messages: &[&str], expected: &[&str]) {
        let said = messages.iter().flat_map(|message| dialect.hear(message));
        let lines: Vec<String> = said.filter_map(line).collect();
        assert_eq!(lines, expected, "{}", lines.join("\n"));
    }

    fn line(said: Said) -> Option<String> {
        Some(match said {
            Said::Nothing => return None,
            Said::Told(Observation::Interim(words)) => format!("interim {}", written(&words)),
            Said::Told(Observation::Final(words)) => format!("final {}", written(&words)),
            Said::Told(Observation::Gap { span, reason }) => format!("gap {} {reason}", place(Some(span))),
            Said::Told(Observation::Other { name, span }) => format!("other {name} {}", place(span)),
            other => format!("{other:?}"),
        })
    }

    fn written(words: &Words) -> String {
        let all = words.words.iter().map(|word| format!(" {}@{}", word.text, place(word.span)));
        format!("{} [{}]{}", words.part, place(words.span), all.collect::<String>())
    }

    fn place(span: Option<Span>) -> String {
        span.map_or_else(|| "?".to_owned(), |span| format!("{}..{}", span.start, span.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_little_endian_and_full_scale_is_one() {
        let samples = [0, 1, -32_768, 16_384];
        assert_eq!(s16le(&samples)[..], [0, 0, 1, 0, 0, 128, 0, 64]);
        let floats = f32le(&samples);
        let back: Vec<f32> =
            floats.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        assert_eq!(back, [0.0, 1.0 / 32_768.0, -1.0, 0.5]);
    }

    #[test]
    fn nonsense_positions_are_the_beginning() {
        assert_eq!(media_time(1.39), MediaTime::from_millis(1_390));
        assert_eq!((media_time(f64::NAN), media_time(-3.0)), (MediaTime::ZERO, MediaTime::ZERO));
        assert_eq!(media_time(f64::INFINITY), MediaTime::MAX);
    }
}

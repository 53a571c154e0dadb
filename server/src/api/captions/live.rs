//! Captions as one WebVTT file that never ends: its head at once, then cues as their finals become visible.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use engine::event::{EventKind, SpokenWord};
use engine::time::{MediaTime, Span};
use futures_util::stream::{Stream, unfold};

use super::super::App;
use super::super::events::{Followed, follow};
use super::super::follow::{Filter, Follow};
use super::super::problem::Problem;
use super::VTT;
use crate::captions::Rules;
use crate::journal::{Said, said};
use crate::sinks::{Layout, cut, vtt_cue};

/// Captions of `feed` from now on, until the client goes away or the service ends.
pub(super) async fn live(app: &App, feed: String) -> Result<Response, Problem> {
    let filter = Filter { feeds: [feed].into(), kinds: [EventKind::TranscriptFinal].into() };
    let Followed { follow, .. } = follow(app, filter, None).await?;
    let layout = Rules::from(&app.feeds.config().captions).layout;
    let writer = Writer { layout, epoch: None, said_until: MediaTime::ZERO };
    let head = [(header::CONTENT_TYPE, VTT), (header::CACHE_CONTROL, "no-store")];
    Ok((head, Body::from_stream(text(follow, writer))).into_response())
}

fn text(follow: Follow, writer: Writer) -> impl Stream<Item = Result<Bytes, Infallible>> {
    unfold((false, follow, writer), |(is_begun, mut follow, mut writer)| async move {
        if !is_begun {
            return Some((Ok(Bytes::from_static(b"WEBVTT\n\n")), (true, follow, writer)));
        }
        loop {
            // Who is too slow, and the end of the service, end the file.
            let shown = follow.next().await.ok()?;
            let line = std::str::from_utf8(&shown.line).unwrap_or_default();
            let text = said(line).map(|said| writer.text(&said)).unwrap_or_default();
            if !text.is_empty() {
                return Some((Ok(Bytes::from(text)), (true, follow, writer)));
            }
        }
    })
}

/// Writes finals as cues at their media times.
struct Writer {
    layout: Layout,
    epoch: Option<u64>,
    said_until: MediaTime,
}

impl Writer {
    fn text(&mut self, said: &Said) -> String {
        let mut text = String::new();
        if self.epoch.replace(said.epoch).is_some_and(|before| before != said.epoch) {
            self.said_until = MediaTime::ZERO;
            text.push_str("NOTE the feed was started again: times begin anew\n\n");
        }
        let at = MediaTime::from_millis;
        let words: Vec<SpokenWord> = said
            .words
            .iter()
            .map(|word| SpokenWord {
                text: word.text.clone(),
                span: Span::new(at(word.start_ms), at(word.end_ms.max(word.start_ms))),
                confidence: word.confidence,
            })
            .collect();
        for (n, cue) in cut(&words, self.said_until, &self.layout).iter().enumerate() {
            self.said_until = cue.said_until;
            text.push_str(&vtt_cue(&format!("{}-{n}", said.utterance), cue));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn spoken(epoch: u64, start_ms: u64, text: &str) -> Said {
        let line = serde_json::json!({
            "id": "a-1-1", "time": "2026-11-23T04:05:06Z",
            "data": {"feed": "a", "epoch": epoch, "utterance": start_ms, "text": text,
                "span": {"start_ms": start_ms, "end_ms": start_ms + 400},
                "words": [{"text": text, "start_ms": start_ms, "end_ms": start_ms + 400, "confidence": 1.0}]}
        });
        said(&line.to_string()).unwrap()
    }

    #[test]
    fn finals_are_cues_at_their_times_and_a_new_start_is_told() {
        let mut writer = Writer { layout: Layout::default(), epoch: None, said_until: MediaTime::ZERO };
        let first = writer.text(&spoken(7, 61_000, "<b>"));
        assert_eq!(first, "61000-0\n00:01:01.000 --> 00:01:02.000\n&lt;b&gt;\n\n");
        let second = writer.text(&spoken(8, 500, "again"));
        assert!(
            second.starts_with("NOTE ")
                && second.ends_with("500-0\n00:00:00.500 --> 00:00:01.500\nagain\n\n")
        );
    }
}

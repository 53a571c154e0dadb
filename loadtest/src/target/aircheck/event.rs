//! One event as it stands on the wire (docs/events.md), read as what it tells. 500 feeds come through here: it borrows
//! what it can, and reads no more than it needs.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use engine::event::{EventKind, Phase};
use engine::time::{MediaTime, Span};
use serde::Deserialize;

use super::stages::{Latency, Stages};
use crate::truth::{Alert, Edge, Heard, Observation, Observed, Words};

/// Something that the server told about one feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Name of the feed.
    pub feed: String,
    /// Of the feed: it rises, and media time begins anew, each time the feed starts.
    pub epoch: u64,
    /// What.
    pub observed: Observed,
}

/// Reads an event that was here `at`, and adds its stages.
pub(super) fn read(line: &[u8], at: Instant, stages: &mut Stages) -> Result<Told, serde_json::Error> {
    let Envelope { kind: name, correlationid, data } = serde_json::from_slice(line)?;
    let kind = EventKind::from_name(&name);
    if let (Some(kind), Some(latency)) = (kind, data.latency) {
        stages.add(kind, latency);
    }
    let stated = data.latency.map(|latency| Duration::from_millis(latency.total_ms));
    let (feed, epoch) = (data.feed.to_string(), data.epoch);
    let what = what(kind, &name, correlationid, data);
    Ok(Told { feed, epoch, observed: Observed { at, what, stated } })
}

fn what(kind: Option<EventKind>, name: &str, pair: Option<String>, data: Data<'_>) -> Observation {
    let span = data.span;
    let edge = data.phase.map(|phase| match phase {
        Phase::Open => Edge::Open,
        Phase::Close => Edge::Close,
    });
    match (kind, edge) {
        (Some(EventKind::TranscriptPartial), _) => Observation::Interim(data.words()),
        (Some(EventKind::TranscriptFinal), _) => Observation::Final(data.words()),
        (Some(EventKind::Gap), _) => Observation::Gap { span, reason: data.reason.unwrap_or_default() },
        (Some(EventKind::EngineRefused), _) => {
            Observation::Refused { reason: data.reason.unwrap_or_default() }
        }
        (Some(kind), Some(edge)) if is_alert(kind) => {
            Observation::Alert(Alert { kind, edge, span, pair: pair.unwrap_or_default() })
        }
        (kind, _) => {
            let name = kind.map_or_else(|| name.to_owned(), |kind| kind.name().to_owned());
            Observation::Other { name, span: Some(span) }
        }
    }
}

const fn is_alert(kind: EventKind) -> bool {
    use EventKind as K;
    matches!(
        kind,
        K::AlertDeadAir
            | K::AlertClipping
            | K::AlertPhase
            | K::AlertMono
            | K::AlertChannelLost
            | K::AlertLoudness
    )
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    correlationid: Option<String>,
    #[serde(borrow)]
    data: Data<'a>,
}

/// The facts of all types of events; each type has some of them.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    feed: Cow<'a, str>,
    epoch: u64,
    span: Span,
    #[serde(default)]
    utterance: u64,
    #[serde(borrow, default)]
    words: Vec<Word<'a>>,
    phase: Option<Phase>,
    reason: Option<String>,
    latency: Option<Latency>,
}

#[derive(Deserialize)]
struct Word<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    start_ms: MediaTime,
    end_ms: MediaTime,
}

impl Data<'_> {
    fn words(self) -> Words {
        let heard = |Word { text, start_ms, end_ms }: Word<'_>| Heard {
            text: text.into_owned(),
            span: Some(Span::new(start_ms, end_ms)),
        };
        let words = self.words.into_iter().map(heard).collect();
        Words { part: self.utterance, span: Some(self.span), words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of `kind` and `data` as they would be read: `feed epoch`, what is told, and the latency stated.
    fn check(kind: &str, data: &str, expected: &Observation, stated_ms: Option<u64>) {
        let line = format!(
            r#"{{"specversion":"1.0","id":"wxyz-7-4711","source":"/feeds/wxyz","type":"{kind}","correlationid":"p3",
            "time":"2026-11-23T19:25:15.824Z","data":{{"feed":"wxyz","epoch":7,{data}}}}}"#
        );
        let at = Instant::now();
        let told = read(line.as_bytes(), at, &mut Stages::default()).unwrap();
        let stated = stated_ms.map(Duration::from_millis);
        let observed = Observed { at, what: expected.clone(), stated };
        assert_eq!(told, Told { feed: "wxyz".into(), epoch: 7, observed });
    }

    fn span(start: u64, end: u64) -> Span {
        Span::new(MediaTime::from_millis(start), MediaTime::from_millis(end))
    }

    fn words() -> Words {
        let heard = |text: &str, start, end| Heard { text: text.into(), span: Some(span(start, end)) };
        let words = vec![heard("Ever", 320, 740), heard("\"tried\".", 740, 1_260)];
        Words { part: 12, span: Some(span(320, 1_260)), words }
    }

    // Recorded from Aircheck 0.1.0, but for the quotes.
    const WORDS: &str = r#""span":{"start_ms":320,"end_ms":1260},"utterance":12,"text":"Ever \"tried\".","stable_bytes":11,"language":"en","confidence":0.59205836,"words":[{"text":"Ever","start_ms":320,"end_ms":740,"confidence":0.7154022},{"text":"\"tried\".","start_ms":740,"end_ms":1260,"confidence":0.4687145}],"degraded":0,"model":"tiny.en-q8_0","latency":{"budget_ms":3000,"total_ms":164,"met":true,"algorithmic_ms":230,"stages_ms":{"lane":0,"operators":0,"queue":0,"recognise":255,"publish":0,"journal":8}}"#;

    #[test]
    fn transcripts_are_words_of_their_utterance() {
        check("aircheck.transcript.partial.v1", WORDS, &Observation::Interim(words()), Some(164));
        check("aircheck.transcript.final.v1", WORDS, &Observation::Final(words()), Some(164));
        let none = Words { part: 1, span: Some(span(0, 9)), words: Vec::new() };
        let data = r#""span":{"start_ms":0,"end_ms":9},"utterance":1,"words":[]"#;
        check("aircheck.transcript.final.v1", data, &Observation::Final(none), None);
    }

    #[test]
    fn alerts_have_edges_and_gaps_have_reasons() {
        let data = |phase: &str| format!(r#""span":{{"start_ms":1000,"end_ms":13000}},"phase":"{phase}""#);
        let alert = |kind, edge| {
            Observation::Alert(Alert { kind, edge, span: span(1_000, 13_000), pair: "p3".into() })
        };
        let dead_air = alert(EventKind::AlertDeadAir, Edge::Open);
        check("aircheck.alert.dead_air.v1", &data("open"), &dead_air, None);
        let clipping = alert(EventKind::AlertClipping, Edge::Close);
        check("aircheck.alert.clipping.v1", &data("close"), &clipping, None);
        let gap = Observation::Gap { span: span(5, 6), reason: "overload".into() };
        let data = r#""span":{"start_ms":5,"end_ms":6},"frames":480,"reason":"overload""#;
        check("aircheck.gap.v1", data, &gap, None);
    }

    #[test]
    fn refusals_have_reasons() {
        let data = r#""span":{"start_ms":0,"end_ms":0},"step":4,"reason":"1.93 of 1.84 are taken""#;
        let refused = Observation::Refused { reason: "1.93 of 1.84 are taken".into() };
        check("aircheck.engine.refused.v1", data, &refused, None);
    }

    #[test]
    fn everything_else_is_named() {
        let other = |name: &str| Observation::Other { name: name.into(), span: Some(span(1, 2)) };
        let data = r#""span":{"start_ms":1,"end_ms":2}"#;
        let segment = format!(r#"{data},"phase":"open","kind":"speech""#);
        check("aircheck.segment.v1", &segment, &other("segment"), None);
        check("aircheck.feed.live.v1", &format!(r#"{data},"reason":null"#), &other("feed.live"), None);
        check("aircheck.news.v9", data, &other("aircheck.news.v9"), None);
    }

    #[test]
    fn stages_are_means_over_all_events_of_a_type() {
        let mut stages = Stages::default();
        for (kind, latency) in [
            (
                "transcript.final",
                r#","latency":{"total_ms":9,"algorithmic_ms":230,"stages_ms":{"queue":4,"journal":8}}"#,
            ),
            ("transcript.final", r#","latency":{"total_ms":9,"algorithmic_ms":270,"stages_ms":{"queue":6}}"#),
            ("transcript.final", ""),
            ("gap", r#","latency":{"total_ms":1,"algorithmic_ms":0,"stages_ms":{"lane":1}}"#),
        ] {
            let line = format!(
                r#"{{"type":"{kind}","data":{{"feed":"a","epoch":1,"span":{{"start_ms":0,"end_ms":1}}{latency}}}}}"#
            );
            read(line.as_bytes(), Instant::now(), &mut stages).unwrap();
        }
        let expected = [
            ("algorithmic", 250.0),
            ("lane", 0.0),
            ("operators", 0.0),
            ("queue", 5.0),
            ("recognise", 0.0),
            ("publish", 0.0),
            ("journal", 4.0),
        ];
        let expected: Vec<(String, f64)> = expected.map(|(name, mean)| (name.to_owned(), mean)).into();
        assert_eq!(stages.mean(EventKind::TranscriptFinal), expected);
        assert!(stages.mean(EventKind::AlertPhase).is_empty());
    }
}

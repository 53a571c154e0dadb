//! A reader of playlists and their WebVTT that shares nothing with the program: what RFC 8216 and WebVTT ask for, and no more.

use crate::rig::Service;

/// Of a service that is asked as often as these tests ask.
pub(crate) const LIMITS: &str = "[limits]\nrequests_per_sec = 1000000\nrequests_burst = 1000000\n";

/// A segment as a player sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) uri: String,
    pub(crate) secs: f64,
    pub(crate) date: String,
    pub(crate) text: String,
    pub(crate) cues: Vec<Cue>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cue {
    /// On the clock of the stream: seconds of its time stamps.
    pub(crate) start: f64,
    pub(crate) end: f64,
    /// As written: media time, s.
    pub(crate) media: (f64, f64),
    pub(crate) lines: Vec<String>,
}

/// The playlist of `feed` with all its segments, each checked. `None`: there is none yet. Also whether it has ended.
pub(crate) fn fetch(service: &Service, feed: &str) -> Option<(Vec<Segment>, bool)> {
    let answer = service.get(&format!("/v1/feeds/{feed}/captions/playlist.m3u8"));
    if answer.status == 503 {
        return None;
    }
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/vnd.apple.mpegurl"));
    let mut lines = answer.body.lines();
    assert_eq!(lines.next(), Some("#EXTM3U"));
    let (mut target, mut number, mut segments, mut is_ended) = (0.0, 0, Vec::new(), false);
    let (mut secs, mut date) = (None, None);
    for line in lines {
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXT-X-TARGETDURATION" => target = value.parse::<u32>().unwrap().into(),
            "#EXT-X-MEDIA-SEQUENCE" => number = value.parse().unwrap(),
            "#EXT-X-PROGRAM-DATE-TIME" => date = Some(value.to_owned()),
            "#EXTINF" => secs = value.strip_suffix(',').unwrap().parse().ok(),
            "#EXT-X-ENDLIST" => is_ended = true,
            "#EXT-X-VERSION" | "#EXT-X-DISCONTINUITY-SEQUENCE" | "#EXT-X-DISCONTINUITY" => {}
            _ => {
                assert!(!line.starts_with('#') && !is_ended, "{line}");
                let secs: f64 = secs.take().expect("a length before each segment");
                assert!(secs.round() <= target, "{secs} of {target}");
                let date = date.take().unwrap_or_default();
                segments.push(segment(service, feed, number, line, (secs, date)));
                number += 1;
            }
        }
    }
    Some((segments, is_ended))
}

/// The playlist of `feed`, whose audio is over, when the last words are in it.
pub(crate) fn whole(service: &Service, feed: &str) -> Vec<Segment> {
    loop {
        if let Some((segments, true)) = fetch(service, feed) {
            return segments;
        }
        std::thread::yield_now();
    }
}

fn segment(service: &Service, feed: &str, number: u64, uri: &str, (secs, date): (f64, String)) -> Segment {
    let answer = service.get(&format!("/v1/feeds/{feed}/captions/{uri}"));
    assert_eq!(answer.status, 200, "{uri}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/vtt; charset=utf-8"));
    let text = answer.body;
    let cues = cues(&text);
    Segment { number, uri: uri.to_owned(), secs, date, text, cues }
}

/// The cues of a segment, in the order of their beginnings.
fn cues(text: &str) -> Vec<Cue> {
    let mut blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
    let head = blocks.next().unwrap();
    let map = head.strip_prefix("WEBVTT\nX-TIMESTAMP-MAP=").unwrap_or_else(|| panic!("{text}"));
    let (local, ticks) = map.strip_prefix("LOCAL:").unwrap().split_once(",MPEGTS:").unwrap();
    let (local, ticks) = (secs(local), ticks.parse::<u64>().unwrap());
    assert!(ticks < 1 << 33);
    let on_stream = |media: f64| media - local + ticks as f64 / 90_000.0;
    let cue = |block: &str| {
        let mut lines = block.lines().skip_while(|line| !line.contains(" --> "));
        let (start, end) = lines.next()?.split_once(" --> ")?;
        let media = (secs(start), secs(end));
        assert!(media.0 < media.1, "{block}");
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        assert!(lines.len() <= 2 && lines.iter().all(|line| line.chars().count() <= 42), "{block}");
        Some(Cue { start: on_stream(media.0), end: on_stream(media.1), media, lines })
    };
    blocks.filter(|block| !block.starts_with("NOTE")).map(|block| cue(block).unwrap()).collect()
}

/// `01:02:03.456`, s.
fn secs(text: &str) -> f64 {
    text.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
}

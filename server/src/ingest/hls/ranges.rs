//! Dates in playlists: when a segment was heard, and stretches of time with a name (`EXT-X-DATERANGE`). Untrusted text.

use std::time::Duration;

use engine::event::{Marker, MarkerKind};
use engine::time::{FLICKS_PER_SECOND, MediaTime};
use jiff::Timestamp;

use super::attributes::Attributes;
use crate::ingest::http::clean;

/// Ranges of one playlist that are kept: the last ones.
const RANGES_MAX: usize = 256;
/// Attributes of a range that are kept beside those with a meaning.
const EXTRA_MAX: usize = 16;
/// Longest SCTE 35 message that is kept, characters: its length has 12 bits (SCTE 35, 9.6), and hexadecimal doubles it.
const SCTE35_CHARS_MAX: usize = 2 + 2 * 4_099;

/// A stretch of time that is marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DateRange {
    pub(super) start: Timestamp,
    pub(super) marker: Marker,
}

/// Adds a range, or replaces the one of its name. What has neither name nor date is left out.
pub(super) fn keep(ranges: &mut Vec<DateRange>, attributes: &Attributes<'_>) {
    let id = attributes.get("ID").map(shown).filter(|id| !id.is_empty());
    let known =
        id.as_ref().and_then(|id| ranges.iter().position(|range| range.marker.id.as_ref() == Some(id)));
    // A range that is said again need not repeat its date.
    let start = attributes.get("START-DATE").and_then(date);
    let start = start.or_else(|| known.and_then(|known| ranges.get(known)).map(|range| range.start));
    let (Some(id), Some(start)) = (id, start) else { return };
    let end = attributes.get("END-DATE").and_then(date).map(|end| end.duration_since(start));
    let stated = attributes.secs("DURATION").or_else(|| Duration::try_from(end?).ok());
    let scte35 = ["SCTE35-OUT", "SCTE35-IN", "SCTE35-CMD"].into_iter().find_map(|name| attributes.get(name));
    let extra = attributes.iter().filter(|(name, _)| name.starts_with("X-")).take(EXTRA_MAX);
    let marker = Marker {
        kind: MarkerKind::DateRange,
        id: Some(id),
        class: attributes.get("CLASS").map(shown),
        duration: stated.map(media_time),
        planned_duration: attributes.secs("PLANNED-DURATION").map(media_time),
        scte35: scte35.and_then(self::scte35),
        attributes: extra.map(|(name, value)| (shown(name), shown(value))).collect(),
    };
    if let Some(known) = known {
        ranges.remove(known);
    } else if ranges.len() >= RANGES_MAX {
        ranges.remove(0);
    }
    ranges.push(DateRange { start, marker });
}

/// A date with a time. One without a zone is in UTC: the RFC wants a zone, and those who leave it out mean that.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().or_else(|_| format!("{text}Z").parse()).ok()
}

/// A message as it is sent, if it can be one.
pub(super) fn scte35(text: &str) -> Option<String> {
    let text = text.trim();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let fits = !text.is_empty() && text.len() <= SCTE35_CHARS_MAX && text.chars().all(allowed);
    fits.then(|| text.to_owned())
}

/// Text of a source, fit to be shown.
pub(super) fn shown(text: &str) -> String {
    clean(text)
}

/// The same time on the clock of media.
pub(super) fn media_time(duration: Duration) -> MediaTime {
    let flicks = duration.as_nanos() * u128::from(FLICKS_PER_SECOND) / 1_000_000_000;
    MediaTime::from_flicks(u64::try_from(flicks).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn ranges(lines: &[&str]) -> Vec<DateRange> {
        let mut ranges = Vec::new();
        lines.iter().for_each(|line| keep(&mut ranges, &Attributes::parse(line)));
        ranges
    }

    #[test]
    fn a_range_says_when_how_long_and_what() {
        let all = ranges(&[
            r#"ID="splice-1",CLASS="ad",START-DATE="2026-11-23T04:05:06.5Z",PLANNED-DURATION=59.993,SCTE35-OUT=0xFC002F,X-ASSET="a	b""#,
            r#"START-DATE="2026-11-23T04:05:06.5Z""#,
            r#"ID="later""#,
        ]);
        let [range] = &all[..] else { panic!("{all:?}") };
        assert_eq!(range.start, "2026-11-23T04:05:06.5Z".parse().unwrap());
        let marker = &range.marker;
        assert_eq!((marker.id.as_deref(), marker.class.as_deref()), (Some("splice-1"), Some("ad")));
        assert_eq!((marker.duration, marker.planned_duration), (None, Some(MediaTime::from_millis(59_993))));
        assert_eq!(marker.scte35.as_deref(), Some("0xFC002F"));
        assert_eq!(marker.attributes, [("X-ASSET".to_owned(), "ab".to_owned())].into());
    }

    #[test]
    fn a_range_that_is_said_again_says_more() {
        let all = ranges(&[
            r#"ID="a",START-DATE="2026-11-23T04:00:00Z""#,
            r#"ID="b",START-DATE="2026-11-23T05:00:00Z",END-DATE="2026-11-23T05:00:02.5Z""#,
            r#"ID="a",DURATION=12"#,
        ]);
        let lengths: Vec<_> = all.iter().map(|range| range.marker.duration.unwrap().as_millis()).collect();
        assert_eq!(lengths, [2_500, 12_000]);
        assert_eq!(all[1].start, "2026-11-23T04:00:00Z".parse().unwrap());
    }

    #[test]
    fn dates_have_zones_or_are_in_utc() {
        let utc = date("2026-11-23T04:05:06.120Z");
        assert!(utc.is_some());
        for text in
            ["2026-11-23T05:05:06.120+01:00", "2026-11-23T04:05:06.120+0000", " 2026-11-23T04:05:06.12"]
        {
            assert_eq!(date(text), utc, "{text}");
        }
        assert_eq!(["", "now", "2026-13-23T04:05:06Z"].map(date), [None; 3]);
    }

    #[test]
    fn what_is_kept_has_limits() {
        let many: Vec<_> =
            (0..300).map(|n| format!("ID=\"{n}\",START-DATE=\"2026-11-23T04:00:00Z\"")).collect();
        let all = ranges(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!((all.len(), all[0].marker.id.as_deref()), (RANGES_MAX, Some("44")));
        assert_eq!(scte35(&"a".repeat(9_000)), None);
        assert_eq!(scte35("<script>"), None);
    }
}

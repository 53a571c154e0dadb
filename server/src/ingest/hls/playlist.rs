//! HLS playlists (RFC 8216) as far as they matter for listening. Text in, values out; fetches nothing.
//!
//! Unknown tags are skipped and odd values left out: a playlist is refused only where nothing could be heard of it, or where
//! it would cost more than a playlist may. Tags that are not in the RFC but everywhere: `EXT-X-CUE-OUT`, `EXT-X-CUE-IN`,
//! `EXT-OATCLS-SCTE35`.

use std::sync::Arc;
use std::time::Duration;

use engine::event::{Marker, MarkerKind};
use engine::time::MediaTime;
use jiff::Timestamp;
use thiserror::Error;

use super::attributes::{Attributes, secs};
use super::master::{Master, MasterReader};
use super::ranges::{self, DateRange};

/// Longest playlist that is read, bytes: a day of 2 s segments with dates and tokens.
pub(in crate::ingest) const BYTES_MAX: usize = 8 << 20;
/// Most segments of a playlist: a day of 2 s segments.
const SEGMENTS_MAX: usize = 50_000;
/// Marks before one segment that are kept.
const MARKS_MAX: usize = 16;
/// Target durations that make sense, seconds.
const TARGET_SECS: std::ops::RangeInclusive<f64> = 0.1..=3_600.0;

/// Why a playlist is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub(in crate::ingest) enum PlaylistError {
    /// Not what it was taken for.
    #[error("no HLS playlist: {0}")]
    NotHls(&'static str),
    /// Segments that cannot be read.
    #[error("encrypted segments ({0}), expected clear ones")]
    Encrypted(String),
    /// More than is reasonable.
    #[error("an HLS playlist of more than {SEGMENTS_MAX} segments")]
    TooLong,
}

/// One of two things that are both called a playlist.
#[derive(Debug, PartialEq)]
pub(in crate::ingest) enum Playlist {
    /// Leads to other playlists, of which one is listened to.
    Master(Master),
    /// Leads to audio.
    Media(Media),
}

/// A list of segments.
#[derive(Debug, Default, PartialEq)]
pub(in crate::ingest) struct Media {
    /// No segment is longer, about.
    pub(super) target: Duration,
    /// There will be no more segments.
    pub(super) is_ended: bool,
    pub(super) segments: Vec<Segment>,
    /// Stretches of time that are marked.
    pub(super) ranges: Vec<DateRange>,
}

/// Some of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ingest) struct ByteRange {
    pub(in crate::ingest) start: u64,
    pub(in crate::ingest) len: u64,
}

/// Where bytes lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) uri: String,
    pub(super) range: Option<ByteRange>,
}

/// When something was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wall {
    pub(super) at: Timestamp,
    /// The playlist says so; otherwise it follows from the lengths of the segments before.
    pub(super) is_stated: bool,
}

/// A piece of audio.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    /// Its number, the same in each playlist that it is in.
    pub(super) number: u64,
    /// Discontinuities before it, as the playlist counts them.
    pub(super) era: u64,
    pub(super) place: Place,
    /// What belongs before its bytes.
    pub(super) map: Option<Arc<Place>>,
    /// About how long it lasts.
    pub(super) length: Duration,
    /// Its times do not go on from the segment before.
    pub(super) is_cut: bool,
    /// The server says that it is not there.
    pub(super) is_gap: bool,
    pub(super) wall: Option<Wall>,
    /// What is marked at its start.
    pub(super) marks: Vec<Marker>,
}

/// Reads a playlist.
pub(in crate::ingest) fn parse(text: &str) -> Result<Playlist, PlaylistError> {
    let mut lines =
        text.lines().map(|line| line.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}'));
    if !lines.by_ref().find(|line| !line.is_empty()).is_some_and(|line| line.starts_with("#EXTM3U")) {
        return Err(PlaylistError::NotHls("it does not begin with #EXTM3U"));
    }
    let (mut media, mut master) = (MediaReader::default(), MasterReader::default());
    for line in lines.filter(|line| !line.is_empty()) {
        match line.strip_prefix("#EXT") {
            Some(tag) => {
                let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
                master.tag(name, value);
                media.tag(name, value)?;
            }
            None if line.starts_with('#') => {}
            None => {
                if !master.uri(line) {
                    media.uri(line)?;
                }
            }
        }
    }
    match (master.finish(), media.has_target) {
        (Some(master), false) => Ok(Playlist::Master(master)),
        (_, true) => Ok(Playlist::Media(media.media)),
        (None, false) => Err(PlaylistError::NotHls("neither segments nor variants in it")),
    }
}

#[derive(Default)]
struct MediaReader {
    media: Media,
    has_target: bool,
    /// Number of the next segment.
    number: u64,
    era: u64,
    length: Option<Duration>,
    range: Option<(u64, Option<u64>)>,
    /// Where the bytes after those of the last segment lie.
    range_end: u64,
    map: Option<Arc<Place>>,
    is_cut: bool,
    is_gap: bool,
    is_encrypted: Option<String>,
    wall: Option<Wall>,
    marks: Vec<Marker>,
    scte35: Option<String>,
}

impl MediaReader {
    /// `#EXT` and a name, and its value.
    fn tag(&mut self, name: &str, value: &str) -> Result<(), PlaylistError> {
        match name {
            "-X-TARGETDURATION" => {
                let target = secs(value).filter(|target| TARGET_SECS.contains(&target.as_secs_f64()));
                let wrong = PlaylistError::NotHls("its target duration is not 0.1 to 3600 seconds");
                self.media.target = target.ok_or(wrong)?;
                self.has_target = true;
            }
            "-X-MEDIA-SEQUENCE" if self.media.segments.is_empty() => {
                self.number = value.trim().parse().unwrap_or(0);
            }
            "INF" => self.length = secs(value.split(',').next().unwrap_or("")),
            "-X-BYTERANGE" => self.range = byte_range(value),
            "-X-MAP" => self.map = map(&Attributes::parse(value)),
            "-X-KEY" => {
                let method = Attributes::parse(value).get("METHOD").unwrap_or("NONE").to_owned();
                self.is_encrypted = (method != "NONE").then_some(method);
            }
            "-X-DISCONTINUITY-SEQUENCE" if self.media.segments.is_empty() => {
                self.era = self.era.saturating_add(value.trim().parse().unwrap_or(0));
            }
            "-X-DISCONTINUITY" => {
                (self.is_cut, self.wall, self.era) = (true, None, self.era.saturating_add(1));
            }
            "-X-GAP" => self.is_gap = true,
            "-X-PROGRAM-DATE-TIME" => {
                self.wall = ranges::date(value).map(|at| Wall { at, is_stated: true }).or(self.wall);
            }
            "-X-DATERANGE" => ranges::keep(&mut self.media.ranges, &Attributes::parse(value)),
            "-X-ENDLIST" => self.media.is_ended = true,
            "-OATCLS-SCTE35" => self.scte35 = ranges::scte35(value),
            "-X-CUE-OUT" => {
                let marker =
                    Marker { planned_duration: cue_length(value), ..Marker::new(MarkerKind::CueOut) };
                self.mark(marker);
            }
            "-X-CUE-IN" => self.mark(Marker::new(MarkerKind::CueIn)),
            _ => {}
        }
        Ok(())
    }

    fn mark(&mut self, marker: Marker) {
        if self.marks.len() < MARKS_MAX {
            self.marks.push(Marker { scte35: self.scte35.take(), ..marker });
        }
    }

    fn uri(&mut self, uri: &str) -> Result<(), PlaylistError> {
        if let Some(method) = &self.is_encrypted {
            return Err(PlaylistError::Encrypted(ranges::shown(method)));
        }
        if self.media.segments.len() >= SEGMENTS_MAX {
            return Err(PlaylistError::TooLong);
        }
        let range = self.range.take().map(|(len, start)| {
            let start = start.unwrap_or(self.range_end);
            self.range_end = start.saturating_add(len);
            ByteRange { start, len }
        });
        let length = self.length.take().unwrap_or(self.media.target);
        self.media.segments.push(Segment {
            number: self.number,
            era: self.era,
            place: Place { uri: uri.to_owned(), range },
            map: self.map.clone(),
            length,
            is_cut: std::mem::take(&mut self.is_cut),
            is_gap: std::mem::take(&mut self.is_gap),
            wall: self.wall,
            marks: std::mem::take(&mut self.marks),
        });
        self.number = self.number.saturating_add(1);
        self.wall = self
            .wall
            .and_then(|Wall { at, .. }| Some(Wall { at: at.checked_add(length).ok()?, is_stated: false }));
        Ok(())
    }
}

/// `length@start`, or `length` from where the last one ended.
fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (len, start) = text.split_once('@').map_or((text, None), |(len, start)| (len, Some(start)));
    let len = len.trim().parse().ok()?;
    Some((len, start.and_then(|start| start.trim().parse().ok())))
}

fn map(attributes: &Attributes<'_>) -> Option<Arc<Place>> {
    let range = attributes.get("BYTERANGE").and_then(byte_range);
    let range = range.map(|(len, start)| ByteRange { start: start.unwrap_or(0), len });
    Some(Arc::new(Place { uri: attributes.get("URI")?.to_owned(), range }))
}

/// `30`, `30.5` or `DURATION=30`.
fn cue_length(text: &str) -> Option<MediaTime> {
    secs(text).or_else(|| Attributes::parse(text).secs("DURATION")).map(ranges::media_time)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn media(text: &str) -> Media {
        match parse(text).unwrap() {
            Playlist::Media(media) => media,
            Playlist::Master(master) => panic!("{master:?}"),
        }
    }

    const LIVE: &str = "\u{feff}#EXTM3U\r\n#EXT-X-VERSION:7\r\n#EXT-X-TARGETDURATION:6\r\n#EXT-X-MEDIA-SEQUENCE:41\r\n\
        #EXT-X-DISCONTINUITY-SEQUENCE:7\n\
        #EXT-X-UNHEARD-OF:yes\n#EXT-X-MAP:URI=\"init.mp4\"\n\
        #EXT-X-PROGRAM-DATE-TIME:2026-11-23T04:05:06.120+0000\n#EXTINF:5.005,a, title\nseg/41.m4s?token=a%2Cb\n\
        # a comment\n#EXTINF:6,\nhttp://cdn/42.m4s\n#EXT-X-DISCONTINUITY\n#EXT-OATCLS-SCTE35:/DAl\n\
        #EXT-X-CUE-OUT:30\n#EXT-X-GAP\n#EXTINF:2.5\n43.m4s\n#EXT-X-CUE-IN\n#EXTINF:nonsense\n44.m4s\n";

    #[test]
    fn a_live_playlist() {
        let media = media(LIVE);
        assert_eq!((media.target.as_secs(), media.is_ended), (6, false));
        let numbers: Vec<_> = media.segments.iter().map(|segment| segment.number).collect();
        assert_eq!(numbers, [41, 42, 43, 44]);
        let uris: Vec<_> = media.segments.iter().map(|segment| segment.place.uri.as_str()).collect();
        assert_eq!(uris, ["seg/41.m4s?token=a%2Cb", "http://cdn/42.m4s", "43.m4s", "44.m4s"]);
        let lengths: Vec<_> = media.segments.iter().map(|segment| segment.length.as_millis()).collect();
        assert_eq!(lengths, [5_005, 6_000, 2_500, 6_000]);
        let [first, second, third, fourth] = &media.segments[..] else { panic!() };
        assert_eq!(first.map.as_ref().unwrap().uri, "init.mp4");
        let wall = |text: &str, is_stated| Some(Wall { at: text.parse().unwrap(), is_stated });
        assert_eq!(first.wall, wall("2026-11-23T04:05:06.120Z", true));
        assert_eq!(second.wall, wall("2026-11-23T04:05:11.125Z", false));
        assert_eq!((third.wall, third.is_cut, third.is_gap), (None, true, true));
        assert_eq!(media.segments.iter().map(|segment| segment.era).collect::<Vec<_>>(), [7, 7, 8, 8]);
        assert_eq!((fourth.is_cut, fourth.is_gap), (false, false));
        let [mark] = &third.marks[..] else { panic!("{third:?}") };
        assert_eq!((mark.kind, mark.planned_duration), (MarkerKind::CueOut, Some(MediaTime::from_secs(30))));
        assert_eq!(mark.scte35.as_deref(), Some("/DAl"));
        assert_eq!(fourth.marks[0].kind, MarkerKind::CueIn);
    }

    #[test]
    fn byte_ranges_go_on_where_the_last_one_ended() {
        let text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MAP:URI=\"a.mp4\",BYTERANGE=\"700@0\"\n\
            #EXTINF:6,\n#EXT-X-BYTERANGE:100@700\na.mp4\n#EXTINF:6,\n#EXT-X-BYTERANGE:50\na.mp4\n#EXT-X-ENDLIST\n";
        let media = media(text);
        let ranges: Vec<_> = media.segments.iter().map(|segment| segment.place.range.unwrap()).collect();
        assert_eq!(ranges, [ByteRange { start: 700, len: 100 }, ByteRange { start: 800, len: 50 }]);
        let map = media.segments[0].map.as_ref().unwrap();
        assert_eq!((map.range, media.is_ended), (Some(ByteRange { start: 0, len: 700 }), true));
    }

    fn refused(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_heard_is_refused_in_one_line() {
        let head = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n";
        let key = format!("{head}#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:6,\na.ts\n");
        assert_eq!(refused(&key), "encrypted segments (AES-128), expected clear ones");
        assert!(parse(&key.replace("AES-128", "NONE")).is_ok());
        assert_eq!(refused("<html>"), "no HLS playlist: it does not begin with #EXTM3U");
        assert_eq!(refused(""), refused("<html>"));
        assert_eq!(refused("#EXTM3U\na.ts\n"), "no HLS playlist: neither segments nor variants in it");
        for target in ["0", "-6", "NaN", "1e9", "x"] {
            assert!(
                refused(&format!("#EXTM3U\n#EXT-X-TARGETDURATION:{target}\na.ts"))
                    .contains("target duration")
            );
        }
        let long = format!("{head}{}", "a\n".repeat(SEGMENTS_MAX + 1));
        assert_eq!(refused(&long), "an HLS playlist of more than 50000 segments");
    }

    #[test]
    fn numbers_without_sense_cost_nothing() {
        let text = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:{}\n\
             #EXT-X-PROGRAM-DATE-TIME:9999-12-30T22:00:00Z\n#EXTINF:1e300,\n#EXT-X-BYTERANGE:{0}@{0}\na\n\
             #EXTINF:600000,\n#EXT-X-BYTERANGE:7\nb\n{1}c\n",
            u64::MAX,
            "#EXT-X-CUE-IN\n".repeat(100),
        );
        let media = media(&text);
        assert_eq!(media.segments.len(), 3);
        assert_eq!(media.segments[1].place.range, Some(ByteRange { start: u64::MAX, len: 7 }));
        assert_eq!((media.segments[2].wall, media.segments[2].marks.len()), (None, MARKS_MAX));
    }
}

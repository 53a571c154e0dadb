//! A segment's bytes as something that a decoder reads, and when it begins. Decodes nothing.

use bytes::Bytes;
use engine::time::{FLICKS_PER_SECOND, MediaTime};

use super::fragment::{self, Tracks};
use super::id3;
use super::joint::Stamp;
use super::ts::{self, Kind};
use crate::ingest::decode::Hint;

/// Audio is taken to begin with its segment unless it is this much off, flicks: then the segment's times make no sense.
const LEAD_MAX: i64 = 10 * FLICKS_PER_SECOND as i64;

/// A segment, ready to be decoded.
#[derive(Debug)]
pub(super) struct Clip {
    pub(super) bytes: Bytes,
    pub(super) hint: Hint,
    /// When its audio begins, on the clock of its stretch.
    pub(super) start: Option<Stamp>,
    /// By how much its audio begins after the segment, which begins with its picture: flicks.
    pub(super) lead: i64,
}

/// Takes a segment apart. `header` is what its playlist puts before it. An error says what is wrong with it.
pub(super) fn clip(bytes: &Bytes, header: Option<&Bytes>) -> Result<Clip, String> {
    if ts::is_transport_stream(bytes) {
        return transport(bytes);
    }
    if let Some(header) = header.filter(|_| fragment::is_mp4(bytes)) {
        return Ok(mp4(bytes, header));
    }
    let (audio, ticks) = id3::untagged(bytes);
    let is_mpeg = matches!(audio, [0xff, second, ..] if second & 0xe0 == 0xe0 && second & 0x06 != 0);
    let kind = if is_mpeg { Kind::Mpeg } else { Kind::Adts };
    Ok(Clip { bytes: bytes.slice_ref(audio), hint: hint(kind), start: ticks.map(stamp), lead: 0 })
}

fn transport(bytes: &[u8]) -> Result<Clip, String> {
    let ts::Elementary { kind, bytes, start, picture } =
        ts::demux(bytes).map_err(|error| error.to_string())?;
    let (start, picture) = (start.map(stamp), picture.map(stamp));
    Ok(Clip { bytes: bytes.into(), hint: hint(kind), start, lead: lead(start, picture) })
}

fn mp4(bytes: &Bytes, header: &Bytes) -> Clip {
    let starts = Tracks::parse(header).starts(bytes);
    let stamp = |time: MediaTime| Stamp { at: time, wraps_at: None };
    let (start, picture) = (starts.audio.map(stamp), starts.video.map(stamp));
    let whole = [&header[..], bytes].concat();
    Clip { bytes: whole.into(), hint: Hint::default(), start, lead: lead(start, picture) }
}

fn lead(start: Option<Stamp>, picture: Option<Stamp>) -> i64 {
    let lead = start.zip(picture).and_then(|(start, picture)| start.since(picture));
    lead.filter(|lead| lead.abs() <= LEAD_MAX).unwrap_or(0)
}

fn stamp(ticks: u64) -> Stamp {
    let time =
        |ticks: u64| MediaTime::from_flicks(ticks * (FLICKS_PER_SECOND / u64::from(ts::TICKS_PER_SECOND)));
    Stamp { at: time(ticks), wraps_at: Some(time(ts::TICKS)) }
}

fn hint(kind: Kind) -> Hint {
    let content_type = match kind {
        Kind::Adts => "audio/aac",
        Kind::Mpeg => "audio/mpeg",
    };
    Hint { content_type: Some(content_type.to_owned()), ..Hint::default() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn segments_are_told_apart_by_their_bytes() {
        let of = |bytes: &[u8]| clip(&Bytes::copy_from_slice(bytes), None).unwrap();
        let adts = of(&ts::tests::adts_segment(90_000, b"\xff\xf1abc"));
        assert_eq!(
            (&adts.bytes[..], adts.hint.content_type.as_deref()),
            (&b"\xff\xf1abc"[..], Some("audio/aac"))
        );
        assert_eq!(adts.start.unwrap().at, MediaTime::from_secs(1));
        let mp3 = of(b"ID3\x04\0\0\0\0\0\0\xff\xfb\x90");
        assert_eq!(
            (&mp3.bytes[..], mp3.hint.content_type.as_deref()),
            (&b"\xff\xfb\x90"[..], Some("audio/mpeg"))
        );
        assert_eq!(of(b"\xff\xf9\x90").hint.content_type.as_deref(), Some("audio/aac"));
        assert!(clip(&vec![0x47; 1_000].into(), None).unwrap_err().contains("program table"));
    }

    #[test]
    fn audio_that_begins_after_the_picture_is_known_to() {
        let second = |secs: u64| Some(stamp(secs * 90_000));
        assert_eq!(lead(second(5), second(3)), 2 * FLICKS_PER_SECOND as i64);
        assert_eq!(lead(Some(stamp(5)), Some(stamp(ts::TICKS - 5))), 10 * 7_840);
        assert_eq!((lead(second(50), second(3)), lead(second(5), None)), (0, 0));
    }
}

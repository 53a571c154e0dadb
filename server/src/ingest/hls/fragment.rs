//! Fragmented MP4 (ISO/IEC 14496-12): when a segment's audio begins. Symphonia decodes it, but does not say that.

use engine::time::{FLICKS_PER_SECOND, MediaTime};

/// What the header of a stream says of its tracks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tracks {
    audio: Option<Clock>,
    video: Option<Clock>,
}

/// How a track counts time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock {
    track: u32,
    /// Ticks of a second.
    scale: u32,
    /// Ticks before the first that is heard: an encoder's lead-in.
    skipped: u64,
}

/// When a segment begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Starts {
    pub(super) audio: Option<MediaTime>,
    pub(super) video: Option<MediaTime>,
}

/// Whether these are boxes of an MP4 stream.
pub(super) fn is_mp4(bytes: &[u8]) -> bool {
    let known = [b"ftyp", b"styp", b"moof", b"moov", b"sidx", b"emsg", b"prft", b"free"];
    bytes.get(4..8).is_some_and(|kind| known.iter().any(|known| kind == *known))
}

/// Boxes that lie one behind the other: type and content. Ends at what is none.
struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);

    /// 4.2: length (1: 64 bits follow the type; 0: to the end), type.
    fn next(&mut self) -> Option<Self::Item> {
        let (&[a, b, c, d, e, f, g, h], rest) = self.0.split_first_chunk::<8>()?;
        let (len, rest) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (rest.len(), rest),
            1 => {
                let (len, rest) = rest.split_first_chunk::<8>()?;
                (usize::try_from(u64::from_be_bytes(*len)).ok()?.checked_sub(16)?, rest)
            }
            len => (usize::try_from(len).ok()?.checked_sub(8)?, rest),
        };
        let (content, after) = rest.split_at_checked(len)?;
        self.0 = after;
        Some(([e, f, g, h], content))
    }
}

fn find<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    Boxes(bytes).find(|(found, _)| found == kind).map(|(_, content)| content)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_be_bytes)
}

impl Tracks {
    /// Reads the header of a stream.
    pub(super) fn parse(header: &[u8]) -> Self {
        let mut tracks = Self::default();
        let traks = find(header, b"moov").into_iter().flat_map(Boxes).filter(|(kind, _)| kind == b"trak");
        for (_, trak) in traks {
            let Some((handler, clock)) = clock(trak) else { continue };
            match &handler {
                b"soun" => tracks.audio = tracks.audio.or(Some(clock)),
                b"vide" => tracks.video = tracks.video.or(Some(clock)),
                _ => {}
            }
        }
        tracks
    }

    /// When the fragments in `segment` begin.
    pub(super) fn starts(&self, segment: &[u8]) -> Starts {
        let mut starts = Starts::default();
        let moofs = Boxes(segment).filter(|(kind, _)| kind == b"moof").flat_map(|(_, moof)| Boxes(moof));
        for (_, traf) in moofs.filter(|(kind, _)| kind == b"traf") {
            let track = find(traf, b"tfhd").and_then(|tfhd| u32_at(tfhd, 4));
            let of = |clock: Option<Clock>| {
                clock.filter(|clock| Some(clock.track) == track).and_then(|c| c.start(traf))
            };
            starts.audio = starts.audio.or_else(|| of(self.audio));
            starts.video = starts.video.or_else(|| of(self.video));
            if starts.audio.is_some() && (starts.video.is_some() || self.video.is_none()) {
                break;
            }
        }
        starts
    }
}

impl Clock {
    /// 8.8.12: the time at which a track's fragment begins.
    fn start(self, traf: &[u8]) -> Option<MediaTime> {
        let tfdt = find(traf, b"tfdt")?;
        let ticks = if tfdt.first()? == &1 { u64_at(tfdt, 4)? } else { u64::from(u32_at(tfdt, 4)?) };
        let ticks = u128::from(ticks.saturating_sub(self.skipped));
        let flicks = ticks * u128::from(FLICKS_PER_SECOND) / u128::from(self.scale.max(1));
        Some(MediaTime::from_flicks(u64::try_from(flicks).unwrap_or(u64::MAX)))
    }
}

/// 8.3.2, 8.4.2, 8.4.3: number, time scale and kind of a track.
fn clock(trak: &[u8]) -> Option<([u8; 4], Clock)> {
    let tkhd = find(trak, b"tkhd")?;
    let track = u32_at(tkhd, if tkhd.first()? == &1 { 20 } else { 12 })?;
    let mdia = find(trak, b"mdia")?;
    let mdhd = find(mdia, b"mdhd")?;
    let scale = u32_at(mdhd, if mdhd.first()? == &1 { 20 } else { 12 })?;
    let handler = *find(mdia, b"hdlr")?.get(8..)?.first_chunk::<4>()?;
    let skipped = find(trak, b"edts").and_then(|edts| find(edts, b"elst")).and_then(skipped).unwrap_or(0);
    Some((handler, Clock { track, scale, skipped }))
}

/// 8.6.6: where the first edit begins in the media; -1 is an empty one.
fn skipped(elst: &[u8]) -> Option<u64> {
    let is_long = elst.first()? == &1;
    let n = usize::try_from(u32_at(elst, 4)?).ok()?;
    let times = elst.get(8..)?.chunks_exact(if is_long { 20 } else { 12 }).take(n);
    let mut times = times.filter_map(|entry| {
        if is_long {
            i64::try_from(u64_at(entry, 8)?).ok()
        } else {
            i32::try_from(u32_at(entry, 4)?).ok().map(i64::from)
        }
    });
    times.next().and_then(|time| u64::try_from(time).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let len = u32::try_from(content.len() + 8).unwrap_or(0);
        [&len.to_be_bytes(), &kind[..], content].concat()
    }

    fn trak(number: u8, handler: &[u8; 4], scale: u32, edit: Option<u32>) -> Vec<u8> {
        let mdhd = [&[0; 12][..], &scale.to_be_bytes(), &[0; 8]].concat();
        let hdlr = [&[0; 8][..], handler, &[0; 13]].concat();
        let mdia = [boxed(b"mdhd", &mdhd), boxed(b"hdlr", &hdlr)].concat();
        let tkhd = [&[0; 15][..], &[number], &[0; 68]].concat();
        let elst = edit
            .map(|edit| [&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9][..], &edit.to_be_bytes(), &[0; 4]].concat());
        let edts = elst.map(|elst| boxed(b"edts", &boxed(b"elst", &elst))).unwrap_or_default();
        boxed(b"trak", &[boxed(b"tkhd", &tkhd), edts, boxed(b"mdia", &mdia)].concat())
    }

    fn traf(number: u8, tfdt: &[u8]) -> Vec<u8> {
        boxed(b"traf", &[boxed(b"tfhd", &[0, 2, 0, 0, 0, 0, 0, number]), boxed(b"tfdt", tfdt)].concat())
    }

    #[test]
    fn a_segment_begins_when_its_fragment_says() {
        let moov = [trak(1, b"vide", 12_800, None), trak(2, b"soun", 48_000, Some(1_024))].concat();
        let header = [boxed(b"ftyp", b"iso5"), boxed(b"moov", &moov)].concat();
        let tracks = Tracks::parse(&header);
        let moof = [
            boxed(b"mfhd", &[0; 8]),
            traf(1, &[0, 0, 0, 0, 0, 0, 0x32, 0]),
            traf(2, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x76, 0xff]),
        ]
        .concat();
        let segment = [boxed(b"styp", b"msdh"), boxed(b"moof", &moof), boxed(b"mdat", &[0; 9])].concat();
        assert!(is_mp4(&segment) && is_mp4(&header) && !is_mp4(b"#EXTM3U\nabc"));
        let starts = tracks.starts(&segment);
        assert_eq!(starts.video, Some(MediaTime::from_secs(1)));
        let ticks = 0x1_76ff - 1_024;
        assert_eq!(starts.audio, Some(MediaTime::from_flicks(ticks * 14_700)));
        assert_eq!(Tracks::parse(&segment).starts(&segment), Starts::default());
    }

    #[test]
    fn any_bytes_come_to_an_end() {
        let header = boxed(b"moov", &trak(1, b"soun", 0, Some(u32::MAX)));
        let segment = boxed(b"moof", &traf(1, &[1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]));
        let all = [header, segment].concat();
        assert_eq!(Tracks::parse(&all).starts(&all).audio, Some(MediaTime::MAX));
        let mut state = 1_u32;
        for _ in 0..5_000 {
            let mut bytes = all.clone();
            for _ in 0..4 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = state as usize % bytes.len();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = (state >> 24) as u8;
                }
            }
            let _ = Tracks::parse(&bytes).starts(&bytes);
        }
    }
}

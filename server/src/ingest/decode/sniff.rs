//! What the first bytes of an input say that it is. Reads nothing itself; symphonia has the last word.

/// Bytes that are looked at: two packets of an MPEG transport stream with any start, and some.
pub(super) const HEAD_BYTES: usize = 1_024;

/// What a format is handled as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// RIFF WAVE.
    Wav,
    /// RF64 or BW64: a WAVE file with 64-bit lengths; the bytes of its data.
    Rf64(u64),
    /// MP4, M4A, MOV, CAF: may keep their index at the end.
    Indexed,
    /// AAC with ADTS headers.
    Adts,
    /// MPEG audio, layers 1 to 3.
    Mpeg,
    /// A format with an unmistakable start that needs nothing special.
    Known,
    /// Symphonia looks for a known start in the first MiB.
    Unknown,
    /// Known not to be decodable: what it is.
    Refused(&'static str),
}

/// Judges by the first bytes, then by `content_type`, then by `extension`.
pub(super) fn sniff(head: &[u8], content_type: Option<&str>, extension: Option<&str>) -> Kind {
    if let Some(kind) = by_magic(head) {
        let behind = usize::try_from(id3_len(head)).ok().filter(|&n| n > 0).and_then(|n| head.get(n..));
        return behind.and_then(refused).unwrap_or(kind);
    }
    if let Some(what) = text(head) {
        return Kind::Refused(what);
    }
    if is_transport_stream(head) {
        return Kind::Refused("an MPEG transport stream");
    }
    if is_adts_chain(head) {
        return Kind::Adts;
    }
    by_name(content_type, extension)
}

const EBML: &[u8] = &[0x1a, 0x45, 0xdf, 0xa3];

const REFUSED: [(usize, &[u8], &str); 27] = [
    (0, b"#!AMR", "AMR speech audio"),
    (0, &[0x0b, 0x77], "AC-3 audio"),
    (0, &[0xac, 0x40], "AC-4 audio"),
    (0, &[0xac, 0x41], "AC-4 audio"),
    (0, &[0x7f, 0xfe, 0x80, 0x01], "DTS audio"),
    (0, &[0, 0, 1, 0xba], "an MPEG program stream"),
    (0, &[0x30, 0x26, 0xb2, 0x75], "Windows Media (ASF)"),
    (0, b".RMF", "RealMedia"),
    (0, b"FLV\x01", "Flash video"),
    (8, b"AVI ", "an AVI video"),
    (0, b"wvpk", "WavPack audio"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"riff\x2e\x91", "Sony Wave64 audio"),
    (0, b"MThd", "a MIDI file"),
    (0, b"DSD ", "DSD audio"),
    (0, b".snd", "a Sun/NeXT .au file"),
    (4, b"styp", "a fragment of an MP4 stream without the header that belongs before it"),
    (4, b"moof", "a fragment of an MP4 stream without the header that belongs before it"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, &[0xff, 0xd8, 0xff, 0xe0], "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, &[0x1f, 0x8b, 0x08], "a gzip archive"),
    (0, b"\x7fELF", "a program"),
    (0, b"SQLite format 3", "an SQLite database"),
    (0, b"\xfd7zXZ", "an xz archive"),
];

fn at(head: &[u8], offset: usize, magic: &[u8]) -> bool {
    head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
}

fn by_magic(head: &[u8]) -> Option<Kind> {
    if at(head, 0, b"RIFF") && at(head, 8, b"WAVE") {
        return Some(Kind::Wav);
    }
    if (at(head, 0, b"RF64") || at(head, 0, b"BW64")) && at(head, 8, b"WAVE") {
        return Some(
            rf64_data_len(head).map_or(Kind::Refused("an RF64 file without a ds64 chunk"), Kind::Rf64),
        );
    }
    if at(head, 4, b"ftyp") || at(head, 0, b"caff") {
        return Some(Kind::Indexed);
    }
    if [&b"fLaC"[..], b"OggS", EBML, b"FORM", b"ID3"].iter().any(|magic| at(head, 0, magic)) {
        return Some(Kind::Known);
    }
    refused(head)
}

fn refused(head: &[u8]) -> Option<Kind> {
    REFUSED.iter().find(|(offset, magic, _)| at(head, *offset, magic)).map(|(.., what)| Kind::Refused(what))
}

/// EBU Tech 3306, 3.5: `ds64` comes first; its second 64-bit number is the length of the `data` chunk.
fn rf64_data_len(head: &[u8]) -> Option<u64> {
    let bytes = head.get(28..36).filter(|_| at(head, 12, b"ds64"))?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Makes a WAVE header say "until the end" where its length is a placeholder: a pipe's writer could not know it, a
/// recorder that was killed never wrote it. Turns RF64 into the RIFF that symphonia reads.
pub(super) fn mend_wav(head: &mut [u8]) {
    /// What writers put in when they cannot know: 0, `0xffff_ffff`, or about 2 GiB (arecord, sox).
    const PLACEHOLDER_MIN: u32 = 0x7fff_0000;
    let mut offset: usize = 12;
    while let Some(size) =
        head.get(offset + 4..offset + 8).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes)
    {
        if at(head, offset, b"data") {
            if size == 0 || size >= PLACEHOLDER_MIN {
                overwrite(head, offset + 4, &[0xff; 4]);
                overwrite(head, 0, b"RIFF\xff\xff\xff\xff");
            }
            return;
        }
        offset = offset.saturating_add(8).saturating_add(size as usize).saturating_add(size as usize % 2);
        if offset > head.len() {
            break;
        }
    }
    if !at(head, 0, b"RIFF") {
        overwrite(head, 0, b"RIFF\xff\xff\xff\xff");
    }
}

fn overwrite(head: &mut [u8], offset: usize, bytes: &[u8]) {
    if let Some(target) = head.get_mut(offset..offset + bytes.len()) {
        target.copy_from_slice(bytes);
    }
}

/// Bytes of an ID3v2 tag at the start (ID3v2.4 structure, 3.1: a synchsafe size that leaves out the ten of the header).
pub(super) fn id3_len(head: &[u8]) -> u64 {
    match head.get(..10) {
        Some([b'I', b'D', b'3', _, _, _, a, b, c, d]) => {
            [a, b, c, d].iter().fold(0, |size, &&byte| (size << 7) | u64::from(byte & 0x7f)) + 10
        }
        _ => 0,
    }
}

/// Bytes of the headers of an ADTS stream that starts here (ISO/IEC 14496-3, 1.A.2.2): 9 with a checksum, else 7.
pub(super) fn adts_header_len(head: &[u8]) -> u64 {
    if matches!(head, [0xff, second, ..] if second & 0xf7 == 0xf1) { 7 } else { 9 }
}

fn is_transport_stream(head: &[u8]) -> bool {
    const PACKET: usize = 188;
    (0..PACKET).any(|start| {
        let syncs = head.get(start..).unwrap_or(&[]).iter().step_by(PACKET);
        syncs.len() >= 3 && syncs.clone().all(|&byte| byte == 0x47)
    })
}

/// Two ADTS headers of one stream, the second where the first says: servers announce AAC as `audio/mpeg`, too.
fn is_adts_chain(head: &[u8]) -> bool {
    /// The fields that stay the same (ISO/IEC 14496-3, 1.A.2.2): sync, layer, profile and rate.
    const FIXED: [u8; 3] = [0xff, 0xf6, 0xfc];
    let fixed = |at: usize| {
        let bytes = head.get(at..)?.first_chunk::<3>()?;
        Some([bytes[0] & FIXED[0], bytes[1] & FIXED[1], bytes[2] & FIXED[2]])
    };
    (0..head.len()).any(|at| {
        let Some(&[_, _, _, b, c, d]) = head.get(at..).and_then(|rest| rest.first_chunk::<6>()) else {
            return false;
        };
        let first = fixed(at);
        let len = usize::from(b & 3) << 11 | usize::from(c) << 3 | usize::from(d) >> 5;
        first.is_some_and(|[sync, layer, _]| sync == 0xff && layer == 0xf0)
            && len > 7
            && fixed(at + len) == first
    })
}

/// What kind of text it is. `None`: it is not text.
fn text(head: &[u8]) -> Option<&'static str> {
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character may be cut at the end.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    if valid.is_empty() || valid.chars().any(|c| c.is_control() && !c.is_whitespace() && c != '\u{1b}') {
        return None;
    }
    let start = valid.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    Some(match () {
        () if start.contains("#ext-x-") => "an HLS playlist, which is read from an http address",
        () if start.starts_with("#extm3u") => "an M3U playlist",
        () if start.starts_with("[playlist]") => "a PLS playlist",
        () if start.starts_with("<") && start.contains("xspf.org") => "an XSPF playlist",
        () if start.starts_with("<!doctype html") || start.starts_with("<html") => "an HTML page",
        () if start.starts_with("<mpd") || (start.starts_with("<?xml") && start.contains("<mpd")) => {
            "a DASH manifest"
        }
        () if start.starts_with("<?xml") => "an XML document",
        () if start.starts_with("webvtt") => "WebVTT captions",
        () if start.starts_with('{') || start.starts_with('[') => "a JSON or configuration text",
        () => "a text",
    })
}

fn by_name(content_type: Option<&str>, extension: Option<&str>) -> Kind {
    let content_type = content_type.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match content_type.as_str() {
        "audio/aac" | "audio/aacp" | "audio/x-aac" => return Kind::Adts,
        "audio/mpeg" | "audio/mp3" | "audio/x-mpeg" | "audio/x-mp3" => return Kind::Mpeg,
        _ => {}
    }
    match extension.unwrap_or("").to_ascii_lowercase().as_str() {
        "aac" | "adts" => Kind::Adts,
        "mp3" | "mp2" | "mp1" | "mpga" => Kind::Mpeg,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &[u8], expected: Kind) {
        assert_eq!(sniff(head, None, None), expected, "{:?}", String::from_utf8_lossy(head));
    }

    #[test]
    fn containers_are_known_by_their_start() {
        check(b"RIFF\x24\0\0\0WAVEfmt ", Kind::Wav);
        check(b"\0\0\0\x20ftypM4A ", Kind::Indexed);
        check(b"fLaC", Kind::Known);
        check(b"ID3\x04\0\0\0\0\x02\x01", Kind::Known);
        let mut rf64 = b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0".to_vec();
        check(&rf64, Kind::Refused("an RF64 file without a ds64 chunk"));
        rf64.extend([9, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0]);
        check(&rf64, Kind::Rf64(0x1_0000_0007));
    }

    #[test]
    fn what_cannot_be_decoded_is_named() {
        check(b"#!AMR\n", Kind::Refused("AMR speech audio"));
        check(b"\n <!DOCTYPE html><html>", Kind::Refused("an HTML page"));
        check(
            b"#EXTM3U\n#EXT-X-VERSION:3",
            Kind::Refused("an HLS playlist, which is read from an http address"),
        );
        check(b"#EXTM3U\nhttp://x/", Kind::Refused("an M3U playlist"));
        check(b"[playlist]\nFile1=", Kind::Refused("a PLS playlist"));
        check(b"<?xml?><playlist xmlns=\"http://xspf.org/ns/0/\">", Kind::Refused("an XSPF playlist"));
        check(
            "Grüße, cut in a character: \u{fc}".as_bytes().split_last().unwrap().1,
            Kind::Refused("a text"),
        );
        check(b"ID3\x04\0\0\0\0\0\x02ab\x0b\x77", Kind::Refused("AC-3 audio"));
        check(b"a\0b", Kind::Unknown);
        let mut packets = vec![1; 50];
        for _ in 0..5 {
            packets.extend([[0x47].as_slice(), &[0xff; 187]].concat());
        }
        check(&packets, Kind::Refused("an MPEG transport stream"));
        check(&vec![0x47; 1_024][..100], Kind::Refused("a text"));
    }

    #[test]
    fn names_decide_where_bytes_do_not() {
        let cut = [0xff, 0xf1, 0x50, 0x80, 0];
        assert_eq!(sniff(&cut, Some("audio/aacp; charset=x"), Some("mp3")), Kind::Adts);
        assert_eq!(sniff(&cut, Some("application/octet-stream"), Some("MP3")), Kind::Mpeg);
        assert_eq!(sniff(&cut, None, None), Kind::Unknown);
        let packet = [&[0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc][..], &[0; 9]].concat();
        let chain = [&[1, 0xff, 0xf1][..], &packet, &packet].concat();
        assert_eq!(sniff(&chain, Some("audio/mpeg"), None), Kind::Adts, "two headers of 16 bytes");
        assert_eq!(sniff(&chain[..20], Some("audio/mpeg"), None), Kind::Mpeg, "one could be chance");
        assert_eq!(sniff(b"OggS", Some("audio/mpeg"), None), Kind::Known, "bytes win");
    }

    #[test]
    fn lengths_in_headers() {
        assert_eq!(id3_len(b"ID3\x03\0\0\0\0\x02\x01more"), 10 + 257);
        assert_eq!(
            (id3_len(b"ID3"), adts_header_len(&[0xff, 0xf9]), adts_header_len(&[0xff, 0xf0])),
            (0, 7, 9)
        );
    }

    #[test]
    fn wav_lengths_that_cannot_be_true_mean_until_the_end() {
        let wav = |size: u32| {
            let mut head = b"RF64\0\0\0\0WAVELIST\x03\0\0\0abc\0data".to_vec();
            head.extend(size.to_le_bytes());
            mend_wav(&mut head);
            (head[..8].to_vec(), u32::from_le_bytes(head[28..].try_into().unwrap()))
        };
        let until_end = (b"RIFF\xff\xff\xff\xff".to_vec(), u32::MAX);
        assert_eq!(
            [wav(u32::MAX), wav(0), wav(0x7fff_f000)],
            [until_end.clone(), until_end.clone(), until_end]
        );
        assert_eq!(wav(1_000_000), (b"RF64\0\0\0\0".to_vec(), 1_000_000), "believed");
        mend_wav(&mut b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xff".to_vec());
    }
}

//! Packed audio: the tag in front of it, which says when it begins (RFC 8216, 3.4). Decodes nothing.

use super::ts::TICKS;

/// Name of the frame.
const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";
/// Tags in front of each other that are looked at.
const TAGS_MAX: usize = 4;

/// What is behind the tags, and the time in them, ticks of a transport stream.
pub(super) fn untagged(mut bytes: &[u8]) -> (&[u8], Option<u64>) {
    let mut time = None;
    for _ in 0..TAGS_MAX {
        let Some((&[b'I', b'D', b'3', version, _, flags, a, b, c, d], rest)) =
            bytes.split_first_chunk::<10>()
        else {
            break;
        };
        // ID3v2.4 structure, 3.1: without this header, and without the footer.
        let footer = if flags & 0x10 != 0 { 10 } else { 0 };
        let len = synchsafe([a, b, c, d]);
        let tag = rest.get(..len).unwrap_or(rest);
        time = time.or_else(|| stamp(tag, version));
        bytes = rest.get(len + footer..).unwrap_or(&[]);
    }
    (bytes, time)
}

/// The time in a tag.
fn stamp(mut tag: &[u8], version: u8) -> Option<u64> {
    while let Some((&[k0, k1, k2, k3, a, b, c, d, _, _], rest)) = tag.split_first_chunk::<10>() {
        let len = match version {
            4 => synchsafe([a, b, c, d]),
            _ => usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?,
        };
        let (frame, after) = rest.split_at_checked(len)?;
        if [k0, k1, k2, k3] == *b"PRIV"
            && let Some(ticks) = frame.strip_prefix(OWNER).and_then(|rest| rest.first_chunk::<8>())
        {
            return Some(u64::from_be_bytes(*ticks) & (TICKS - 1));
        }
        tag = after;
    }
    None
}

/// Seven bits a byte.
fn synchsafe(bytes: [u8; 4]) -> usize {
    bytes.iter().fold(0, |len, &byte| len << 7 | usize::from(byte & 0x7f))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tag(frames: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let size = |n: usize| [0, 0, u8::try_from(n >> 7).unwrap(), u8::try_from(n & 0x7f).unwrap()];
        let mut body = Vec::new();
        for (name, content) in frames {
            body.extend([&name[..], &size(content.len()), &[0, 0], content].concat());
        }
        [&b"ID3\x04\0\0"[..], &size(body.len()), &body].concat()
    }

    #[test]
    fn the_time_is_found_and_the_tag_taken_off() {
        let private = [OWNER, &0x0000_0001_2345_6789_u64.to_be_bytes()].concat();
        let other = b"TIT2 and some text that is longer than seven bits can count ........................................................................................";
        let bytes =
            [tag(&[(b"TIT2", other), (b"PRIV", b"other\0"), (b"PRIV", &private)]), b"\xff\xf1".to_vec()]
                .concat();
        assert_eq!(untagged(&bytes), (&b"\xff\xf1"[..], Some(0x1_2345_6789)));
        assert_eq!(untagged(b"\xff\xf1"), (&b"\xff\xf1"[..], None));
        let two = [tag(&[(b"TIT2", b"a")]), bytes].concat();
        assert_eq!(untagged(&two), (&b"\xff\xf1"[..], Some(0x1_2345_6789)));
    }

    #[test]
    fn tags_that_promise_too_much_end_the_bytes() {
        let mut short = tag(&[(b"PRIV", OWNER)]);
        assert_eq!(untagged(&short), (&b""[..], None));
        short.truncate(30);
        assert_eq!(untagged(&short), (&b""[..], None));
        assert_eq!(untagged(&tag(&[]).repeat(9)).0.len(), 5 * 10);
    }
}

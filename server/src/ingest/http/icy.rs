//! SHOUTcast metadata: cut out of the audio at exact positions, and its title. Untrusted text.

use bytes::{Buf, Bytes};
use engine::event::Metadata;

/// Longest distance between two blocks of metadata that is believed, bytes. Servers use 8 000 to 65 536.
pub(super) const METAINT_MAX: usize = 1 << 20;
/// Longest title or address that is kept, characters.
const TEXT_MAX: usize = 500;

/// A piece of a body with metadata in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes of the stream.
    Audio(Bytes),
    /// What is playing from here on.
    Metadata(Metadata),
}

/// Takes a body apart: every `metaint` bytes of audio a byte `n`, then 16 n bytes of metadata.
#[derive(Debug)]
pub(crate) struct Demux {
    metaint: usize,
    audio_left: usize,
    block: Vec<u8>,
    block_left: usize,
}

impl Demux {
    /// `None`: there is no metadata in the body.
    #[must_use]
    pub(crate) fn new(metaint: Option<usize>) -> Self {
        let metaint = metaint.unwrap_or(0);
        Self { metaint, audio_left: metaint, block: Vec::new(), block_left: 0 }
    }

    /// Takes the next piece off `bytes`; `None` when they are used up.
    pub(crate) fn next(&mut self, bytes: &mut Bytes) -> Option<Piece> {
        while bytes.has_remaining() {
            if self.metaint == 0 {
                return Some(Piece::Audio(std::mem::take(bytes)));
            }
            if self.audio_left > 0 {
                let audio = bytes.split_to(self.audio_left.min(bytes.len()));
                self.audio_left -= audio.len();
                return Some(Piece::Audio(audio));
            }
            if self.block_left == 0 {
                self.block_left = usize::from(bytes.get_u8()) * 16;
                self.block.clear();
            }
            let part = bytes.split_to(self.block_left.min(bytes.len()));
            self.block_left -= part.len();
            self.block.extend_from_slice(&part);
            if self.block_left == 0 {
                self.audio_left = self.metaint;
                if let Some(metadata) = parse(&self.block) {
                    return Some(Piece::Metadata(metadata));
                }
            }
        }
        None
    }
}

/// `StreamTitle='...';StreamUrl='...';` with unescaped quotes and semicolons inside: a value goes on until `';` before
/// the next name, or to the last `';`. UTF-8, or else Latin-1.
fn parse(block: &[u8]) -> Option<Metadata> {
    let end = block.iter().position(|&byte| byte == 0).unwrap_or(block.len());
    let text = text(block.get(..end)?);
    let title = value(&text, "StreamTitle='")?;
    let url = value(&text, "StreamUrl='").filter(|url| !url.is_empty());
    (!title.is_empty()).then_some(Metadata { title, artist: None, url })
}

fn value(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(name)?;
    let rest = rest.split_once("';StreamUrl='").map_or(rest, |(value, _)| value);
    let value = rest.rsplit_once("';").map_or_else(|| rest.trim_end_matches('\''), |(value, _)| value);
    Some(clean(value))
}

/// UTF-8 where it can be, or else Latin-1.
pub(in crate::ingest) fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| latin_1(bytes), str::to_owned)
}

/// Every byte a character.
pub(in crate::ingest) fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// Fit to be shown: no control characters, at most 500 characters, no blanks around.
pub(in crate::ingest) fn clean(text: &str) -> String {
    let clean = text.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect::<String>();
    clean.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(block: &[u8], title: &str, url: Option<&str>) {
        let metadata = parse(block).unwrap();
        assert_eq!((metadata.title.as_str(), metadata.url.as_deref()), (title, url));
    }

    #[test]
    fn titles_end_at_the_last_quote_and_semicolon() {
        check(b"StreamTitle='A - B';", "A - B", None);
        check(b"StreamTitle='A - 'b'; c';\0\0\0", "A - 'b'; c", None);
        check(
            b"StreamTitle='It's; here';StreamUrl='http://x/?a=';b';",
            "It's; here",
            Some("http://x/?a=';b"),
        );
        check(b"StreamTitle='x';StreamUrl='';", "x", None);
        check(b"StreamTitle='cut off", "cut off", None);
        check("StreamTitle='Bj\u{f6}rk';".as_bytes(), "Bj\u{f6}rk", None);
        check(b"StreamTitle='Bj\xf6rk';", "Bj\u{f6}rk", None);
        check(b"StreamTitle='a\x1b[2Jb\n';", "a[2Jb", None);
        assert_eq!((parse(b"StreamTitle='';"), parse(b""), parse(b"\0")), (None, None, None));
    }

    #[test]
    fn metadata_is_cut_out_whatever_the_cutting() {
        let mut body = b"0123456789".to_vec();
        body.extend([2]);
        body.extend(b"StreamTitle='it is a';\0\0\0\0\0\0\0\0\0\0");
        body.extend(b"abcdefghij\0ABC");
        for n in 1..=body.len() {
            let mut demux = Demux::new(Some(10));
            let (mut audio, mut titles) = (Vec::new(), Vec::new());
            for chunk in body.chunks(n) {
                let mut bytes = Bytes::copy_from_slice(chunk);
                while let Some(piece) = demux.next(&mut bytes) {
                    match piece {
                        Piece::Audio(bytes) => audio.extend_from_slice(&bytes),
                        Piece::Metadata(metadata) => titles.push((audio.len(), metadata.title)),
                    }
                }
            }
            assert_eq!(audio, b"0123456789abcdefghijABC", "{n}");
            assert_eq!(titles, [(10, "it is a".to_owned())], "{n}");
        }
    }

    #[test]
    fn without_an_interval_everything_is_audio() {
        let mut bytes = Bytes::from_static(b"\x02abc");
        assert_eq!(Demux::new(None).next(&mut bytes), Some(Piece::Audio(Bytes::from_static(b"\x02abc"))));
    }
}

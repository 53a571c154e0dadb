//! Where the bytes of a stream lie in a request's body: as they are, so many of them, or in chunks. Reads no socket.

use bytes::{Buf, Bytes};
use thiserror::Error;

use super::head::Head;

/// Longest line between two chunks, bytes.
const LINE_MAX: usize = 256;

/// The chunks of a body are not what they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a chunk's size")]
pub(super) struct BadChunk;

/// Takes a body apart.
#[derive(Debug)]
pub(super) enum Body {
    /// Everything until the connection ends.
    Endless,
    /// So many bytes are still to come.
    Counted(u64),
    /// RFC 9112, 7.1.
    Chunked {
        /// Bytes left of this chunk.
        left: u64,
        /// The line that is being read, before a chunk or after one.
        line: Vec<u8>,
        /// The line is the end of the chunk before it.
        is_after_chunk: bool,
    },
    /// It is over.
    Ended,
}

impl Body {
    /// What `head` announces. A length of 0 is what encoders write that do not know it (ezstream).
    pub(super) fn of(head: &Head) -> Self {
        let is_chunked = head.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
        if is_chunked {
            return Self::Chunked { left: 0, line: Vec::new(), is_after_chunk: false };
        }
        let length = head.header("content-length").and_then(|value| value.parse().ok());
        length.filter(|&length| length > 0).map_or(Self::Endless, Self::Counted)
    }

    /// Whether nothing more will come.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self, Self::Ended | Self::Counted(0))
    }

    /// Takes the next bytes of the stream off `bytes`. `None`: they are used up, or the body is over.
    pub(super) fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Bytes>, BadChunk> {
        while bytes.has_remaining() {
            match self {
                Self::Endless => return Ok(Some(std::mem::take(bytes))),
                Self::Ended | Self::Counted(0) => return Ok(None),
                Self::Counted(left) | Self::Chunked { left, .. } if *left > 0 => {
                    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= n as u64;
                    return Ok(Some(bytes.split_to(n)));
                }
                Self::Counted(_) => {}
                Self::Chunked { .. } => self.between(bytes.get_u8())?,
            }
        }
        Ok(None)
    }

    /// A byte between two chunks.
    fn between(&mut self, byte: u8) -> Result<(), BadChunk> {
        let Self::Chunked { left, line, is_after_chunk } = self else { return Ok(()) };
        if byte != b'\n' {
            line.push(byte);
            return if line.len() <= LINE_MAX { Ok(()) } else { Err(BadChunk) };
        }
        let text = std::mem::take(line);
        let text = text.trim_ascii();
        if std::mem::take(is_after_chunk) {
            return if text.is_empty() { Ok(()) } else { Err(BadChunk) };
        }
        // What comes after a semicolon is an extension.
        let digits = text.split(|&byte| byte == b';').next().unwrap_or(&[]).trim_ascii();
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'));
        let size = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or(BadChunk)?;
        (*left, *is_after_chunk) = (size, true);
        if size == 0 {
            // What follows the last chunk concerns no stream.
            *self = Self::Ended;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(headers: &str) -> Body {
        Body::of(&Head::parse(format!("PUT /a HTTP/1.1\r\n{headers}\r\n").as_bytes(), 8).unwrap())
    }

    /// The stream in `bytes`, fed `n` at once, and whether it is over.
    fn taken(mut body: Body, bytes: &[u8], n: usize) -> Result<(Vec<u8>, bool), BadChunk> {
        let mut all = Vec::new();
        for piece in bytes.chunks(n) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(bytes) = body.next(&mut piece)? {
                all.extend_from_slice(&bytes);
            }
        }
        Ok((all, body.is_over()))
    }

    #[test]
    fn chunks_are_joined_whatever_the_cutting() {
        let bytes = b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n1\r\n\n\r\n0\r\nTrailer: x\r\n\r\nrest";
        for n in 1..=bytes.len() {
            let whole = Ok((b"abc0123456789\n".to_vec(), true));
            assert_eq!(taken(body("Transfer-Encoding: Chunked\r\n"), bytes, n), whole, "{n}");
        }
        for bad in [&b"x\r\n"[..], b"\r\n", b"-1\r\n", b"+1\r\n", b"1\r\nab\r\n", b"11111111111111111\r\n"] {
            assert_eq!(taken(body("Transfer-Encoding: chunked\r\n"), bad, 3), Err(BadChunk), "{bad:?}");
        }
        assert!(taken(body("Transfer-Encoding: chunked\r\n"), &[b'0'; 300], 7).is_err());
    }

    #[test]
    fn a_length_is_kept_to_and_none_or_zero_is_endless() {
        assert_eq!(taken(body("Content-Length: 4\r\n"), b"abcdef", 3), Ok((b"abcd".to_vec(), true)));
        for endless in ["", "Content-Length: 0\r\n", "Content-Length: x\r\n"] {
            assert_eq!(taken(body(endless), b"abcdef", 4), Ok((b"abcdef".to_vec(), false)), "{endless}");
        }
    }
}

//! The head of an encoder's request: request line and headers, as encoders write them. hyper cannot read these: the
//! method `SOURCE`, the version `ICE/1.0`, a length of 0 before an endless body. Reads no socket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

/// Why a head is no head. Each becomes an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum HeadError {
    /// Not a request at all.
    #[error("not a request that can be understood")]
    Malformed,
    /// More headers than allowed.
    #[error("too many headers")]
    TooMany,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: String,
    /// Before the `?`.
    pub(super) path: String,
    /// After the `?`; empty without one.
    pub(super) query: String,
    /// Names in lower case.
    headers: Vec<(String, Vec<u8>)>,
}

/// Bytes of a head that ends within `bytes`, its empty line included.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    // Lines end in CR LF, or in LF with some encoders.
    let is_end = |at: usize| {
        let rest = bytes.get(at..).unwrap_or(&[]);
        [&b"\n\r\n"[..], b"\n\n"].into_iter().find(|end| rest.starts_with(end)).map(|end| at + end.len())
    };
    (0..bytes.len()).find_map(is_end)
}

impl Head {
    /// Parses what [`end`] found, with at most `headers_max` headers. A line without a colon is passed over.
    pub(super) fn parse(bytes: &[u8], headers_max: usize) -> Result<Self, HeadError> {
        let mut lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let line = std::str::from_utf8(lines.next().unwrap_or(&[])).map_err(|_| HeadError::Malformed)?;
        let mut words = line.split_ascii_whitespace();
        let (Some(method), Some(target), Some(_), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(HeadError::Malformed);
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            if headers.len() == headers_max {
                return Err(HeadError::TooMany);
            }
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
            let (name, value) = line.split_at(colon);
            let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase();
            headers.push((name, value.get(1..).unwrap_or(&[]).trim_ascii().to_vec()));
        }
        let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
        Ok(Self { method, path, query, headers })
    }

    /// The first header of that name, which is in lower case.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(of, _)| of == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// User and password of Basic authentication (RFC 7617).
    pub(super) fn credentials(&self) -> Option<(String, String)> {
        let value = self.header("authorization")?;
        let (scheme, encoded) = value.split_once(' ')?;
        let decoded =
            STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let text = String::from_utf8(decoded).ok()?;
        text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
    }

    /// A field of the query, as bytes.
    pub(super) fn field(&self, name: &str) -> Option<Vec<u8>> {
        let mut fields = self.query.split('&').filter_map(|field| field.split_once('='));
        fields.find(|(of, _)| *of == name).map(|(_, value)| {
            let spaced = value.replace('+', " ");
            crate::ingest::http::unescaped(&spaced)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Head {
        let bytes = text.as_bytes();
        assert_eq!(end(bytes), Some(bytes.len()), "{text:?}");
        Head::parse(bytes, 8).unwrap()
    }

    #[test]
    fn encoders_heads_are_understood() {
        let ezstream = parsed("SOURCE /live.mp3 HTTP/1.0\r\nContent-Length: 0\r\nICE-Name:x: y\r\n\r\n");
        assert_eq!((ezstream.method.as_str(), ezstream.path.as_str()), ("SOURCE", "/live.mp3"));
        assert_eq!(ezstream.header("content-length").as_deref(), Some("0"));
        assert_eq!(ezstream.header("ice-name").as_deref(), Some("x: y"));
        let bare = parsed("SOURCE /a ICE/1.0\nAuthorization: basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\nodd\n\n");
        let (user, password) = bare.credentials().unwrap();
        assert_eq!((user.as_str(), password.as_str()), ("Aladdin", "open sesame"));
        let query = parsed("GET /admin/metadata?mode=updinfo&mount=%2Fa&song=A+%2B%20B&x HTTP/1.1\r\n\r\n");
        assert_eq!(query.field("song").as_deref(), Some(&b"A + B"[..]));
        assert_eq!((query.field("mount").as_deref(), query.field("pass")), (Some(&b"/a"[..]), None));
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for bad in ["\r\n\r\n", "SOURCE\r\n\r\n", "SOURCE /a\r\n\r\n", "A /b C D\r\n\r\n", "\u{0}\u{0}\n\n"] {
            assert_eq!(Head::parse(bad.as_bytes(), 8), Err(HeadError::Malformed), "{bad:?}");
        }
        let many = format!("PUT / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(9));
        assert_eq!(Head::parse(many.as_bytes(), 8), Err(HeadError::TooMany));
        assert!(Head::parse(many.as_bytes(), 9).is_ok());
        assert_eq!((end(b"SOURCE / HTTP/1.0\r\nA: b\r\n"), end(b"")), (None, None));
        for bad in ["Bearer x", "Basic", "Basic %%%", "Basic bm9jb2xvbg=="] {
            let head = parsed(&format!("PUT / HTTP/1.1\r\nAuthorization: {bad}\r\n\r\n"));
            assert_eq!(head.credentials(), None, "{bad}");
        }
    }
}

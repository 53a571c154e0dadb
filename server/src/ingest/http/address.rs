//! Addresses of streams: parsed, followed, and shown without their secrets. Opens nothing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::{Host, Url};

use crate::ingest::error::IngestError;

const EXPECTED: &str = "an address such as http://example.org/live.mp3";

/// An `http` or `https` address with a host. Shows itself without user, password and query.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    url: Url,
}

impl Address {
    /// Checks scheme and host.
    pub fn parse(text: &str) -> Result<Self, IngestError> {
        let wrong =
            |found: String| IngestError::Usage { place: without_secrets(text), found, expected: EXPECTED };
        let url = Url::parse(text.trim()).map_err(|error| wrong(error.to_string()))?;
        Self::check(url).map_err(wrong)
    }

    fn check(url: Url) -> Result<Self, String> {
        match url.scheme() {
            "http" | "https" => {}
            other => return Err(format!("scheme {other}")),
        }
        if url.host().is_none_or(|host| host.to_string().is_empty()) {
            return Err("no host".into());
        }
        Ok(Self { url })
    }

    /// The address that `location` leads to from here.
    pub(super) fn follow(&self, location: &str) -> Result<Self, String> {
        let url = self.url.join(location.trim()).map_err(|error| error.to_string())?;
        Self::check(url)
    }

    /// The address that a playlist from here names (RFC 3986, 5): without a query of its own it has none. The user is
    /// kept on the same host.
    pub(in crate::ingest) fn beside(&self, uri: &str) -> Result<Self, String> {
        let mut next = self.follow(uri)?;
        let is_same = next.authority() == self.authority() && next.is_tls() == self.is_tls();
        if is_same && next.authorization().is_none() {
            // An http address can hold both.
            let _ = next.url.set_username(self.url.username());
            let _ = next.url.set_password(self.url.password());
        }
        Ok(next)
    }

    /// As it was given, with user, password and query.
    #[must_use]
    pub fn with_secrets(&self) -> String {
        self.url.to_string()
    }

    pub(super) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(super) fn host(&self) -> Option<Host<&str>> {
        self.url.host()
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(80)
    }

    /// Value of the `Host` header.
    pub(crate) fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or("");
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Path and query, as a request names them.
    pub(super) fn target(&self) -> String {
        let path = self.url.path();
        self.url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
    }

    /// Value of the `Authorization` header for the user in the address (RFC 7617).
    pub(super) fn authorization(&self) -> Option<String> {
        if self.url.username().is_empty() && self.url.password().is_none() {
            return None;
        }
        let user = unescaped(self.url.username());
        let password = unescaped(self.url.password().unwrap_or(""));
        Some(format!("Basic {}", STANDARD.encode([user.as_slice(), b":", &password].concat())))
    }

    /// What the path ends in, without the dot: `mp3`, `m3u`.
    #[must_use]
    pub fn extension(&self) -> Option<String> {
        let (_, extension) = self.url.path().rsplit('/').next()?.rsplit_once('.')?;
        (!extension.is_empty()).then(|| extension.to_ascii_lowercase())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.url.scheme(), self.authority(), self.url.path())?;
        if self.url.query().is_some() { f.write_str("?…") } else { Ok(()) }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// What can be shown of a text that is no address.
fn without_secrets(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or("");
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        (None, Some((_, rest))) => rest.to_owned(),
        _ => text.to_owned(),
    }
}

/// The bytes that `%41` and the like stand for (RFC 3986, 2.1). What is no escape stays.
pub(in crate::ingest) fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or(&[]);
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        Address::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn addresses_show_no_secrets() {
        let address = Address::parse("http://user:pass@example.org:8000/live.mp3?token=abc#x").unwrap();
        assert_eq!(address.to_string(), "http://example.org:8000/live.mp3?…");
        assert_eq!(format!("{address:?}"), "Address(http://example.org:8000/live.mp3?…)");
        assert_eq!(
            (address.target().as_str(), address.extension().as_deref()),
            ("/live.mp3?token=abc", Some("mp3"))
        );
        assert_eq!((address.authority().as_str(), address.port()), ("example.org:8000", 8_000));
        assert!(
            !wrong("http//user:pass@host").contains("pass") || !wrong("rtsp://u:p@h/?t=1").contains("u:p")
        );
        assert!(!wrong("https:/user:secret@").contains("secret"));
        assert_eq!(wrong("rtsp://u:p@h/x?t=1"), format!("rtsp://h/x: scheme rtsp, expected {EXPECTED}"));
        assert!(wrong("http://").contains("empty host") && wrong("not an address").contains("expected"));
    }

    #[test]
    fn users_are_sent_as_basic_authorization() {
        // The example of RFC 7617, 2.
        let address = Address::parse("https://Aladdin:open%20sesame@h/").unwrap();
        assert_eq!(address.authorization().as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(Address::parse("https://h/").unwrap().authorization(), None);
        assert_eq!(unescaped("a%2x%41"), b"a%2xA");
    }

    #[test]
    fn redirects_are_relative_to_where_they_come_from() {
        let from = Address::parse("http://h:81/a/b?c").unwrap();
        assert_eq!(from.follow("../x").unwrap().to_string(), "http://h:81/x");
        assert_eq!(from.follow("https://other/y").unwrap().port(), 443);
        assert_eq!(from.follow("ftp://h/").unwrap_err(), "scheme ftp");
    }

    #[test]
    fn what_a_playlist_names_keeps_its_query_and_no_other() {
        let from = Address::parse("http://me:secret@h/live/a.m3u8?token=1").unwrap();
        let beside = |uri: &str| from.beside(uri).unwrap().with_secrets();
        assert_eq!(beside("seg/1.ts?t=%2C,b"), "http://me:secret@h/live/seg/1.ts?t=%2C,b");
        assert_eq!(beside("/1.ts"), "http://me:secret@h/1.ts");
        assert_eq!(beside("http://h/1.ts"), "http://me:secret@h/1.ts");
        assert_eq!(beside("https://h/1.ts"), "https://h/1.ts");
        assert_eq!(beside("//cdn/1.ts"), "http://cdn/1.ts");
        assert!(from.beside("file:///etc/passwd").is_err());
    }
}

//! Attribute lists of playlist tags: `NAME=value,NAME="quoted, value"` (RFC 8216, 4.2). Takes what it understands and
//! skips the rest.

use std::time::Duration;

/// Attributes of a tag that are looked at.
const ATTRIBUTES_MAX: usize = 64;
/// Longest time that a playlist may state, seconds. RFC 8216 has no limit; nobody cuts longer segments than an hour.
const SECS_MAX: f64 = 3_600.0 * 24.0 * 31.0;

/// The attributes of one tag, in order.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Attributes<'a> {
    /// Reads a list. Quotation marks are taken off.
    pub(super) fn parse(mut text: &'a str) -> Self {
        let mut found = Vec::new();
        while let Some((name, rest)) = text.split_once('=').filter(|_| found.len() < ATTRIBUTES_MAX) {
            let (value, rest) = match rest.strip_prefix('"') {
                Some(quoted) => {
                    let (value, rest) = quoted.split_once('"').unwrap_or((quoted, ""));
                    (value, rest.split_once(',').map_or("", |(_, rest)| rest))
                }
                None => rest.split_once(',').unwrap_or((rest, "")),
            };
            found.push((name.trim(), value.trim()));
            text = rest;
        }
        Self(found)
    }

    /// The value of the first attribute of this name.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|&(_, value)| value)
    }

    /// The same as a time in seconds.
    pub(super) fn secs(&self, name: &str) -> Option<Duration> {
        secs(self.get(name)?)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        self.0.iter().copied()
    }
}

/// A time in decimal seconds, if it makes sense.
pub(super) fn secs(text: &str) -> Option<Duration> {
    let secs: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(secs).ok().filter(|_| secs <= SECS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_be_quoted_and_hold_commas() {
        let list = Attributes::parse(r#"ID="a,b=c", X-N=0x2A ,DURATION=1.5,CODECS="avc1.4d,mp4a.40.2""#);
        let all: Vec<_> = list.iter().collect();
        let expected =
            [("ID", "a,b=c"), ("X-N", "0x2A"), ("DURATION", "1.5"), ("CODECS", "avc1.4d,mp4a.40.2")];
        assert_eq!(all, expected);
        assert_eq!(list.secs("DURATION"), Some(Duration::from_millis(1_500)));
        assert_eq!((list.get("none"), list.secs("ID")), (None, None));
    }

    #[test]
    fn lists_without_sense_end_somewhere() {
        for text in ["", "=", "a", "a=\"", "a=\"b\"c,d=e", ",,,", "a=b,=,=,"] {
            assert!(Attributes::parse(text).iter().count() <= 4, "{text}");
        }
        assert_eq!(Attributes::parse(&"a=b,".repeat(1_000)).iter().count(), ATTRIBUTES_MAX);
        assert_eq!(["-1", "NaN", "inf", "1e300", ""].map(secs), [None; 5]);
    }
}

//! What is playing, as an encoder says it beside its stream (`updinfo`). Untrusted text.

use engine::event::Metadata;

use super::head::Head;
use crate::ingest::http::icy;

/// Names of Latin-1 in a `charset` field. Everything else is UTF-8 where it can be, or else Latin-1, too.
const LATIN_1: [&str; 4] = ["iso-8859-1", "iso8859-1", "latin1", "latin-1"];

/// The title in the fields `song`, or `artist` and `title`, and `url`. `None`: there is none.
pub(super) fn title(head: &Head) -> Option<Metadata> {
    let charset = head.field("charset").map(|name| icy::text(&name).to_ascii_lowercase());
    let is_latin = charset.is_some_and(|name| LATIN_1.contains(&name.as_str()));
    let text = |name: &str| {
        let bytes = head.field(name)?;
        let text = if is_latin { icy::latin_1(&bytes) } else { icy::text(&bytes) };
        Some(icy::clean(&text)).filter(|text| !text.is_empty())
    };
    let artist = text("artist");
    let title = text("song").or_else(|| text("title"));
    (title.is_some() || artist.is_some()).then(|| Metadata {
        title: title.unwrap_or_default(),
        artist,
        url: text("url"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: Option<(&str, Option<&str>)>) {
        let head =
            Head::parse(format!("GET /admin/metadata?{query} HTTP/1.0\r\n\r\n").as_bytes(), 8).unwrap();
        let found = title(&head);
        assert_eq!(found.as_ref().map(|m| (m.title.as_str(), m.artist.as_deref())), expected, "{query}");
    }

    #[test]
    fn titles_are_read_in_their_charset() {
        check("song=A%20-%20%27b%27%3B+c", Some(("A - 'b'; c", None)));
        check("song=Bj%C3%B6rk&charset=UTF-8", Some(("Björk", None)));
        check("song=Bj%F6rk", Some(("Björk", None)));
        check("song=Bj%F6rk&charset=ISO-8859-1", Some(("Björk", None)));
        check("song=%C3%B6&charset=latin1", Some(("Ã¶", None)));
        check("artist=Band&title=Song", Some(("Song", Some("Band"))));
        check("song=a%00%1B[2J%0Ab", Some(("a[2Jb", None)));
        check("song=&title=", None);
        check("", None);
        let long = format!("song={}", "x".repeat(900));
        check(&long, Some((&"x".repeat(500), None)));
    }
}

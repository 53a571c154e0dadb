//! Links to radio stations are often small playlists (M3U, PLS): the first address in them. HLS is not one of these, and
//! is read elsewhere.

/// Longest playlist that is looked into, bytes.
const BYTES_MAX: usize = 64 << 10;

/// Whether an answer is a playlist to be followed: by its type, or by its name where the type says nothing.
pub(super) fn is_playlist(content_type: Option<&str>, extension: Option<&str>) -> bool {
    let content_type = content_type.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match content_type.as_str() {
        "audio/x-mpegurl"
        | "audio/mpegurl"
        | "application/mpegurl"
        | "application/x-mpegurl"
        | "application/vnd.apple.mpegurl"
        | "audio/x-scpls"
        | "application/pls+xml" => true,
        "" | "text/plain" | "application/octet-stream" | "binary/octet-stream" => {
            matches!(extension, Some("m3u" | "m3u8" | "pls"))
        }
        // Servers that know `.m3u8` only as something with pictures.
        other => other.starts_with("video/") && extension == Some("m3u8"),
    }
}

/// Whether it is an HLS playlist.
pub(super) fn is_hls(text: &str) -> bool {
    text.contains("#EXT-X-")
}

/// The first address. An error says what it is instead.
pub(super) fn first_address(text: &str) -> Result<&str, &'static str> {
    if text.len() > BYTES_MAX {
        return Err("a playlist of more than 65536 bytes");
    }
    let lines = || text.lines().map(|line| line.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}'));
    let is_pls = lines().any(|line| line.eq_ignore_ascii_case("[playlist]"));
    let found = if is_pls {
        lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.get(..4).is_some_and(|key| key.eq_ignore_ascii_case("file"))).then(|| value.trim())
        })
    } else {
        lines().find(|line| !line.is_empty() && !line.starts_with('#'))
    };
    found.filter(|address| !address.is_empty()).ok_or("a playlist without an address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_address_is_found() {
        assert_eq!(
            first_address("\u{feff}#EXTM3U\r\n#EXTINF:-1,x\r\n http://a/1 \r\nhttp://a/2"),
            Ok("http://a/1")
        );
        assert_eq!(first_address("[Playlist]\nNumberOfEntries=1\nfile1 = http://b/\n"), Ok("http://b/"));
        assert!(is_hls("#EXTM3U\n#EXT-X-VERSION:3\na.ts") && !is_hls("#EXTM3U\n#EXTINF:-1,x\na.mp3"));
        let long = format!("#EXTM3U\n{}http://a/", "#\n".repeat(40_000));
        assert_eq!(first_address(&long), Err("a playlist of more than 65536 bytes"));
        assert_eq!(first_address("#EXTM3U\n"), Err("a playlist without an address"));
    }

    #[test]
    fn playlists_are_known_by_type_or_name() {
        assert!(is_playlist(Some("audio/x-scpls; charset=utf-8"), None) && is_playlist(None, Some("m3u")));
        assert!(is_playlist(Some("video/what"), Some("m3u8")));
        assert!(
            !is_playlist(Some("audio/mpeg"), Some("m3u")) && !is_playlist(Some("text/plain"), Some("mp3"))
        );
    }
}

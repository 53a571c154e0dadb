//! Master playlists: of the variants and renditions, the one to listen to. Fetches nothing.

use super::attributes::Attributes;

/// Variants, and renditions, that are looked at.
const VARIANTS_MAX: usize = 256;
/// What `CODECS` calls audio that can be decoded here (RFC 6381): AAC, MP3 in MP4, Opus, FLAC.
const DECODABLE: [&str; 7] = ["mp4a.40", "mp4a.66", "mp4a.67", "mp4a.69", "mp4a.6b", "opus", "flac"];
/// What it calls audio that cannot.
const OTHER_AUDIO: [&str; 6] = ["mp4a", "ac-3", "ec-3", "ac-4", "dts", "vorbis"];

/// A playlist of playlists.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::ingest) struct Master {
    variants: Vec<Variant>,
    renditions: Vec<Rendition>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Variant {
    uri: String,
    bandwidth: u64,
    codecs: Option<String>,
    audio: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Rendition {
    group: String,
    uri: Option<String>,
    is_default: bool,
}

impl Master {
    /// The address of the playlist to listen to: that of the audio of the variant with the lowest bandwidth, of those whose
    /// audio can be decoded as far as they say what it is. `None`: there is no audio in any.
    pub(super) fn choose(&self) -> Option<&str> {
        let audible = self.variants.iter().filter_map(|variant| Some((variant.reluctance()?, variant)));
        let (_, variant) = audible.min_by_key(|(reluctance, variant)| (*reluctance, variant.bandwidth))?;
        let group =
            || self.renditions.iter().filter(|rendition| Some(&rendition.group) == variant.audio.as_ref());
        let rendition = group().find(|rendition| rendition.is_default).or_else(|| group().next());
        Some(rendition.and_then(|rendition| rendition.uri.as_deref()).unwrap_or(&variant.uri))
    }
}

impl Variant {
    /// 0: its audio can be decoded, 1: nobody knows, 2: it cannot. `None`: it has no audio.
    fn reluctance(&self) -> Option<u8> {
        let Some(codecs) = &self.codecs else { return Some(1) };
        let codecs: Vec<String> = codecs.split(',').map(|codec| codec.trim().to_ascii_lowercase()).collect();
        let any =
            |known: &[&str]| codecs.iter().any(|codec| known.iter().any(|known| codec.starts_with(known)));
        match () {
            () if any(&DECODABLE) => Some(0),
            () if any(&OTHER_AUDIO) => Some(2),
            () if self.audio.is_some() => Some(1),
            () => None,
        }
    }
}

/// Reads master playlists, tag by tag.
#[derive(Default)]
pub(super) struct MasterReader {
    master: Master,
    variant: Option<Variant>,
}

impl MasterReader {
    /// `#EXT` and a name, and its value.
    pub(super) fn tag(&mut self, name: &str, value: &str) {
        match name {
            "-X-STREAM-INF" => {
                let attributes = Attributes::parse(value);
                let text = |name| attributes.get(name).map(str::to_owned);
                // Without a bandwidth it is the last that is chosen.
                let bandwidth = attributes.get("BANDWIDTH").and_then(|value| value.parse().ok());
                self.variant = Some(Variant {
                    uri: String::new(),
                    bandwidth: bandwidth.unwrap_or(u64::MAX),
                    codecs: text("CODECS"),
                    audio: text("AUDIO"),
                });
            }
            "-X-MEDIA" if self.master.renditions.len() < VARIANTS_MAX => {
                let attributes = Attributes::parse(value);
                if attributes.get("TYPE") == Some("AUDIO") {
                    self.master.renditions.push(Rendition {
                        group: attributes.get("GROUP-ID").unwrap_or("").to_owned(),
                        uri: attributes.get("URI").map(str::to_owned),
                        is_default: attributes.get("DEFAULT") == Some("YES"),
                    });
                }
            }
            _ => {}
        }
    }

    /// An address. Answers whether it is that of a variant.
    pub(super) fn uri(&mut self, uri: &str) -> bool {
        let Some(variant) = self.variant.take() else { return false };
        if self.master.variants.len() < VARIANTS_MAX {
            self.master.variants.push(Variant { uri: uri.to_owned(), ..variant });
        }
        true
    }

    /// The playlist, if it was one.
    pub(super) fn finish(self) -> Option<Master> {
        (!self.master.variants.is_empty()).then_some(self.master)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::playlist::{Playlist, parse};

    fn check(lines: &[&str], expected: Option<&str>) {
        let text = format!("#EXTM3U\n{}\n", lines.join("\n"));
        let Playlist::Master(master) = parse(&text).unwrap() else { panic!("{text}") };
        assert_eq!(master.choose(), expected, "{text}");
    }

    const HIGH: [&str; 2] =
        [r#"#EXT-X-STREAM-INF:BANDWIDTH=2000000,CODECS="avc1.4d401f,mp4a.40.2""#, "high.m3u8?t=1"];
    const LOW: [&str; 2] =
        [r#"#EXT-X-STREAM-INF:BANDWIDTH=400000,CODECS="avc1.42e00a,mp4a.40.5""#, "low.m3u8"];
    const MUTE: [&str; 2] = [r#"#EXT-X-STREAM-INF:BANDWIDTH=90000,CODECS="avc1.42e00a""#, "mute.m3u8"];
    const DOLBY: [&str; 2] = [r#"#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS="ec-3""#, "dolby.m3u8"];
    const SILENT: [&str; 2] = ["#EXT-X-STREAM-INF:BANDWIDTH=300000", "who-knows.m3u8"];

    #[test]
    fn the_smallest_variant_with_audio_that_can_be_decoded_is_chosen() {
        check(&[HIGH, LOW, MUTE, DOLBY].concat(), Some("low.m3u8"));
        check(&[DOLBY, SILENT, HIGH].concat(), Some("high.m3u8?t=1"));
        check(&[DOLBY, SILENT].concat(), Some("who-knows.m3u8"));
        check(&[MUTE, DOLBY].concat(), Some("dolby.m3u8"));
        check(&MUTE, None);
    }

    #[test]
    fn audio_of_its_own_comes_before_audio_beside_a_picture() {
        let variant =
            [r#"#EXT-X-STREAM-INF:BANDWIDTH=400000,CODECS="avc1.42e00a,mp4a.40.2",AUDIO="aac""#, "av.m3u8"];
        let other = r#"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="deutsch",URI="de.m3u8""#;
        let usual = r#"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="english",DEFAULT=YES,URI="en.m3u8""#;
        let inside = r#"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="english",DEFAULT=YES"#;
        let strange = r#"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="ac3",NAME="english",DEFAULT=YES,URI="ac3.m3u8""#;
        check(&[&[strange, other, usual], &variant[..]].concat(), Some("en.m3u8"));
        check(&[&[strange, other], &variant[..]].concat(), Some("de.m3u8"));
        check(&[&[strange, inside], &variant[..]].concat(), Some("av.m3u8"));
    }

    #[test]
    fn more_variants_than_anybody_has_are_not_looked_at() {
        let many: Vec<_> = (0..400)
            .flat_map(|n| [format!("#EXT-X-STREAM-INF:BANDWIDTH={}", 1_000 - n), n.to_string()])
            .collect();
        check(&many.iter().map(String::as_str).collect::<Vec<_>>(), Some("255"));
    }
}

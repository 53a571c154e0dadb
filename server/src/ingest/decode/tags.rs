//! What a stream says is playing, from the tags that symphonia read. Untrusted text.

use engine::event::Metadata;
use symphonia::core::formats::FormatReader;
use symphonia::core::meta::{MetadataRevision, StandardTag, Tag};

/// Longest text that is kept of a tag, characters.
const TEXT_MAX: usize = 500;

/// The newest tags that name a title, when there are some that were not seen before.
pub(super) fn newest(reader: &mut dyn FormatReader, last: &mut Option<Metadata>) -> Option<Metadata> {
    let mut log = reader.metadata();
    let mut found = log.current().and_then(read);
    while log.pop().is_some() {
        found = log.current().and_then(read).or(found);
    }
    let found = found.filter(|found| last.as_ref() != Some(found))?;
    *last = Some(found.clone());
    Some(found)
}

fn read(revision: &MetadataRevision) -> Option<Metadata> {
    let all =
        || revision.media.tags.iter().chain(revision.per_track.iter().flat_map(|track| &track.metadata.tags));
    let first = |pick: fn(&StandardTag) -> Option<&String>| {
        let text = all().filter_map(|tag: &Tag| tag.std.as_ref()).find_map(pick)?;
        let text: String = text.trim().chars().take(TEXT_MAX).collect();
        (!text.is_empty()).then_some(text)
    };
    let title = first(|tag| match tag {
        StandardTag::TrackTitle(text) => Some(text),
        _ => None,
    });
    let artist = first(|tag| match tag {
        StandardTag::Artist(text) => Some(text),
        _ => None,
    });
    let url = first(|tag| match tag {
        StandardTag::Url(text) | StandardTag::UrlOfficial(text) | StandardTag::UrlSource(text) => Some(text),
        _ => None,
    });
    (title.is_some() || artist.is_some()).then(|| Metadata { title: title.unwrap_or_default(), artist, url })
}

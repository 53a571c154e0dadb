//! Addresses that stand for a command: what one would type for them, so that nobody has to.

use engine::audio::Format;
use engine::time::SampleRate;
use url::Url;

use crate::ingest::pcm::{PcmSpec, SampleFormat};

/// What ffmpeg is told before the address, by scheme. All of them are asked not to wait for more than they need.
const FFMPEG: [(&str, &[&str]); 6] = [
    ("srt", &[]),
    ("rtmp", &[]),
    ("rtmps", &[]),
    // Over TCP: through firewalls, and without losses that nobody would be told of.
    ("rtsp", &["-rtsp_transport", "tcp"]),
    ("rtsps", &["-rtsp_transport", "tcp"]),
    ("alsa", &["-f", "alsa"]),
];

/// An address as a command.
pub(super) struct Preset {
    /// The address without its secrets.
    pub(super) shown: String,
    /// The command.
    pub(super) argv: Vec<String>,
    /// What it writes.
    pub(super) pcm: PcmSpec,
}

pub(super) fn is_scheme(scheme: &str) -> bool {
    FFMPEG.iter().any(|(known, _)| *known == scheme)
}

pub(super) fn expand(text: &str) -> Result<Preset, String> {
    let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
    let known = FFMPEG.iter().find(|(known, _)| *known == scheme);
    let (_, own) = known.ok_or_else(|| format!("none of {}", super::ExecSource::SCHEMES))?;
    let input = if scheme == "alsa" {
        let device = rest.trim_start_matches("//");
        let allowed = |c: char| c.is_ascii_alphanumeric() || ":,=._-".contains(c);
        if device.is_empty() || device.starts_with('-') || !device.chars().all(allowed) {
            return Err("alsa: without a device, such as alsa:hw:1,0 or alsa:default".into());
        }
        device.to_owned()
    } else {
        let url = Url::parse(text).map_err(|error| format!("{scheme}: {error}"))?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("{scheme}: no host"));
        }
        text.to_owned()
    };
    let shown = if scheme == "alsa" { format!("alsa:{input}") } else { without_secrets(text) };
    let pcm = PcmSpec { sample: SampleFormat::S16Le, format: stereo()? };
    let before = ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-fflags", "nobuffer"];
    let after = ["-map", "0:a:0", "-ac", "2", "-ar", "48000", "-f", "s16le", "-flush_packets", "1", "pipe:1"];
    let words = before.iter().chain(*own).chain(&["-i"]).copied();
    let argv = words.chain([input.as_str()]).chain(after).map(str::to_owned).collect();
    Ok(Preset { shown, argv, pcm })
}

fn stereo() -> Result<Format, String> {
    let rate = SampleRate::new(48_000).map_err(|error| error.to_string())?;
    Format::new(rate, 2).map_err(|error| error.to_string())
}

/// A word as it may be shown: of an address neither user nor password nor query.
pub(super) fn without_secrets(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (place, query) = rest.split_at(end);
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    format!("{scheme}://{place}{}", if query.is_empty() { "" } else { "?…" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_become_commands() {
        let check = |text: &str, shown: &str, words: &str| {
            let preset = expand(text).unwrap();
            assert_eq!(preset.shown, shown);
            assert!(preset.argv.join(" ").contains(words), "{:?}", preset.argv);
            assert!(preset.argv.join(" ").ends_with("-ac 2 -ar 48000 -f s16le -flush_packets 1 pipe:1"));
        };
        let srt = "srt://h:9000?mode=listener&passphrase=c4nary";
        check(srt, "srt://h:9000?…", &format!("nobuffer -i {srt} -map"));
        check("rtmp://u:c4nary@h/live/key", "rtmp://h/live/key", "-i rtmp://u:c4nary@h/live/key ");
        check("rtsp://h:554/1", "rtsp://h:554/1", "-rtsp_transport tcp -i rtsp://h:554/1 ");
        check("alsa:hw:1,0", "alsa:hw:1,0", "-f alsa -i hw:1,0 ");
        check("alsa://default", "alsa:default", "-f alsa -i default ");
        assert!(is_scheme("srt") && !is_scheme("http"));
    }

    #[test]
    fn addresses_that_lead_nowhere_are_refused() {
        for text in ["srt:", "srt://", "rtmp:///x", "alsa:", "alsa:-i", "alsa:a b", "ftp://h/", ""] {
            assert!(expand(text).is_err(), "{text}");
        }
    }
}

//! The Session Description Protocol (RFC 8866), as far as a receiver of audio needs it: where packets are sent (`c=`,
//! `m=`), by whom (RFC 4570), and what they are (`rtpmap`, `fmtp`). Of several media the first audio is taken.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::codec::{Codec, Encoding};
use super::{REORDER, Terms};
use crate::ingest::error::IngestError;

/// Largest description, bytes. Usual ones have 300.
const BYTES_MAX: u64 = 64 << 10;
/// Most payload types and senders that are looked at.
const LIST_MAX: usize = 64;

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Terms, IngestError> {
    let place = || path.display().to_string();
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| IngestError::Unreachable { place: place(), reason: error.to_string() })?;
    let text = String::from_utf8_lossy(&bytes);
    let parsed = if bytes.len() as u64 > BYTES_MAX {
        Err(format!("over {BYTES_MAX} bytes, which no SDP is"))
    } else {
        parse(&text)
    };
    parsed.map_err(|what| IngestError::Unsupported { place: place(), what })
}

/// What one description says, line by line.
#[derive(Default)]
struct Reading<'a> {
    /// The address that packets are sent to, from the lines before the first medium, and from the medium's own.
    to: Option<IpAddr>,
    port: u16,
    payload_types: Vec<u8>,
    maps: Vec<(u8, &'a str)>,
    parameters: Vec<(u8, &'a str)>,
    from: Vec<IpAddr>,
}

pub(super) fn parse(text: &str) -> Result<Terms, String> {
    let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    if lines.next() != Some("v=0") {
        return Err("not an SDP description, which begins with v=0".into());
    }
    let mut reading = Reading::default();
    let (mut is_audio, mut is_other) = (false, false);
    for line in lines {
        let Some((kind, value)) = line.split_once('=') else {
            return Err(format!("{:?} is no line of an SDP", line.chars().take(60).collect::<String>()));
        };
        if kind == "m" {
            if is_audio {
                break;
            }
            is_audio = value.starts_with("audio ");
            is_other = !is_audio;
            if is_audio {
                reading.medium(value)?;
            }
        } else if !is_other {
            reading.line(kind, value)?;
        }
    }
    if !is_audio {
        return Err("no audio in it (m=audio)".into());
    }
    reading.terms()
}

impl<'a> Reading<'a> {
    /// `audio 5004 RTP/AVP 96 97`.
    fn medium(&mut self, value: &str) -> Result<(), String> {
        let mut words = value.split_ascii_whitespace().skip(1);
        let port = words.next().unwrap_or("");
        let port = port.split('/').next().and_then(|port| port.parse().ok());
        self.port = port.filter(|port| *port > 0).ok_or("an m= line without a port")?;
        match words.next() {
            Some("RTP/AVP" | "RTP/AVPF") => {}
            Some(other) if other.contains("SAVP") => {
                return Err(format!("{other}: encrypted audio (SRTP), expected RTP/AVP"));
            }
            other => return Err(format!("{:?}, expected RTP/AVP", other.unwrap_or(""))),
        }
        self.payload_types = words.filter_map(|word| word.parse().ok()).take(LIST_MAX).collect();
        Ok(())
    }

    fn line(&mut self, kind: &str, value: &'a str) -> Result<(), String> {
        match kind {
            "c" => self.to = Some(connection(value)?),
            "a" => match value.split_once(':') {
                Some(("rtpmap", map)) => keep(&mut self.maps, map),
                Some(("fmtp", parameters)) => keep(&mut self.parameters, parameters),
                Some(("source-filter", filter)) => {
                    // incl IN IP4 GROUP SENDER …
                    let mut words = filter.split_ascii_whitespace();
                    if words.next() == Some("incl") {
                        self.from =
                            words.skip(3).filter_map(|word| word.parse().ok()).take(LIST_MAX).collect();
                    }
                }
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn terms(self) -> Result<Terms, String> {
        let to = self.to.ok_or("no address in it (c=)")?;
        let mut codecs = Vec::new();
        let mut failure = None;
        for &number in &self.payload_types {
            match self.codec(number) {
                Ok(codec) => codecs.push((number, codec)),
                Err(what) => failure = failure.or(Some(what)),
            }
        }
        if codecs.is_empty() {
            return Err(failure.unwrap_or_else(|| "no payload type in its m= line".into()));
        }
        let to = SocketAddr::new(to, self.port);
        Ok(Terms { to, interface: None, from: self.from, codecs, reorder: REORDER })
    }

    /// `L24/48000/2`.
    fn codec(&self, number: u8) -> Result<Codec, String> {
        let Some((_, map)) = self.maps.iter().find(|(mapped, _)| *mapped == number) else {
            return Codec::fixed(number).ok_or_else(|| format!("payload type {number} without a=rtpmap"));
        };
        let mut parts = map.split('/');
        let name = parts.next().unwrap_or("");
        let encoding = Encoding::named(name)
            .ok_or_else(|| format!("audio in {name:?}, expected {}", Encoding::NAMES))?;
        let rate = parts.next().unwrap_or("");
        let rate_hz = rate.parse().map_err(|_| format!("rate {rate:?} in a=rtpmap"))?;
        let n_channels = match parts.next() {
            // RFC 7587, 7: always 2 here, whatever is sent.
            Some(_) if encoding == Encoding::Opus => 1 + usize::from(self.is_stereo(number)),
            Some(n) => n.parse().map_err(|_| format!("{n:?} channels in a=rtpmap"))?,
            None => 1,
        };
        Codec::new(encoding, rate_hz, n_channels)
    }

    /// What an Opus sender says that it is likely to send (RFC 7587, 6.1).
    fn is_stereo(&self, number: u8) -> bool {
        let own = self.parameters.iter().filter(|(of, _)| *of == number);
        own.flat_map(|(_, text)| text.split(';')).any(|parameter| parameter.trim() == "sprop-stereo=1")
    }
}

/// `96 L24/48000/2`.
fn keep<'a>(list: &mut Vec<(u8, &'a str)>, text: &'a str) {
    let parsed =
        text.split_once(' ').and_then(|(number, rest)| Some((number.trim().parse().ok()?, rest.trim())));
    list.extend(parsed.filter(|_| list.len() < LIST_MAX));
}

/// `IN IP4 239.1.2.3/32`.
fn connection(value: &str) -> Result<IpAddr, String> {
    let address = value.split_ascii_whitespace().nth(2).unwrap_or("");
    let address = address.split('/').next().unwrap_or("");
    address.parse().map_err(|_| format!("{address:?} in c=, expected an IP address"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const AES67: &str = "v=0\r\no=- 1 0 IN IP4 10.0.0.5\r\ns=Studio 1\r\nc=IN IP4 239.69.0.1/32\r\nt=0 0\r\n\
        m=audio 5004 RTP/AVP 98\r\ni=2 channels: L, R\r\na=rtpmap:98 L24/48000/2\r\na=ptime:1\r\n\
        a=source-filter: incl IN IP4 239.69.0.1 10.0.0.5\r\na=ts-refclk:ptp=IEEE1588-2008:0-0\r\n";

    #[test]
    fn descriptions_of_studios_and_programs_are_read() {
        let terms = parse(AES67).unwrap();
        assert_eq!(
            (terms.place(), terms.expected()),
            ("rtp://239.69.0.1:5004".into(), "98 (l24, 48000 Hz, 2 channels)".into())
        );
        assert!(terms.is_from([10, 0, 0, 5].into()) && !terms.is_from([10, 0, 0, 6].into()));
        // ffmpeg: a medium of its own address, Opus in stereo.
        let ffmpeg = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=No Name\nt=0 0\na=tool:libavformat\nm=video 1 RTP/AVP 96\n\
            c=IN IP4 10.9.9.9\na=rtpmap:96 H264/90000\nm=audio 5006 RTP/AVP 97 0\nc=IN IP4 127.0.0.1\nb=AS:96\n\
            a=rtpmap:97 opus/48000/2\na=fmtp:97 sprop-stereo=1\nm=audio 7 RTP/AVP 11\nc=IN IP4 127.0.0.9\n";
        let terms = parse(ffmpeg).unwrap();
        assert_eq!(terms.place(), "rtp://127.0.0.1:5006");
        assert_eq!(terms.expected(), "97 (opus, 48000 Hz, 2 channels) or 0 (pcmu, 8000 Hz, 1 channels)");
        let mono = ffmpeg.replace("sprop-stereo=1", "useinbandfec=1");
        assert!(parse(&mono).unwrap().expected().starts_with("97 (opus, 48000 Hz, 1 channels)"));
    }

    #[test]
    fn what_cannot_be_received_is_told() {
        let check = |from: &str, to: &str, expected: &str| {
            let error = parse(&AES67.replace(from, to)).unwrap_err();
            assert!(error.contains(expected), "{to}: {error}");
        };
        check("v=0", "hello", "not an SDP description");
        check("s=Studio 1", "what is this", "is no line of an SDP");
        check("m=audio", "m=video", "no audio in it");
        check("m=audio 5004", "m=audio 0", "without a port");
        check("RTP/AVP", "RTP/SAVP", "encrypted");
        check("RTP/AVP", "UDP/TLS", "expected RTP/AVP");
        check("c=IN IP4 239.69.0.1/32", "a=x", "no address in it");
        check("c=IN IP4 239.69.0.1/32", "c=IN IP4 studio", "\"studio\" in c=");
        check("L24/48000/2", "MP4A-LATM/48000/2", "audio in \"MP4A-LATM\"");
        check("L24/48000/2", "L24/x/2", "rate \"x\"");
        check("L24/48000/2", "L24/48000/12", "12 channels");
        check("a=rtpmap:98", "a=rtpmap:99", "payload type 98 without a=rtpmap");
    }
}

//! `rtp://HOST:PORT?encoding=…`: what a receiver has to know, in one line. Opens nothing.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use url::form_urlencoded;

use super::codec::{Codec, Encoding};
use super::{Interface, REORDER, RtpAddress, Terms};
use crate::ingest::error::IngestError;

const EXPECTED: &str = "an address such as rtp://239.1.2.3:5004?encoding=L24&rate=48000&channels=2";
/// Longest time for which a hole may be waited for, ms.
const REORDER_MS_MAX: u64 = 500;
/// Most senders that may be named.
const FROM_MAX: usize = 16;
/// Longest name of an interface (Linux: IFNAMSIZ less its end).
const INTERFACE_CHARS_MAX: usize = 15;

impl FromStr for RtpAddress {
    type Err = IngestError;

    fn from_str(text: &str) -> Result<Self, IngestError> {
        let terms = terms(text).map_err(|found| {
            let place = text.chars().take(256).collect();
            IngestError::Usage { place, found, expected: EXPECTED }
        })?;
        Ok(Self { text: text.to_owned(), terms })
    }
}

/// What is said after the question mark.
#[derive(Default)]
struct Said {
    encoding: Option<Encoding>,
    rate_hz: Option<u32>,
    n_channels: Option<usize>,
    payload_type: Option<u8>,
    interface: Option<Interface>,
    from: Vec<IpAddr>,
    reorder: Option<Duration>,
}

fn terms(text: &str) -> Result<Terms, String> {
    let rest = text.strip_prefix("rtp://").ok_or("no rtp:// at its start")?;
    let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
    let host = host.strip_suffix('/').unwrap_or(host);
    let to: SocketAddr = host.parse().map_err(|_| format!("{host:?} is no IP address with a port"))?;
    if to.port() == 0 {
        return Err("port 0".into());
    }
    let mut said = Said::default();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        said.take(&key, &value)?;
    }
    let codecs = said.codecs()?;
    let Said { interface, from, reorder, .. } = said;
    if interface.is_some() && !to.ip().is_multicast() {
        return Err(format!(
            "interface for {}, which is no group: it is an address of ours already",
            to.ip()
        ));
    }
    Ok(Terms { to, interface, from, codecs, reorder: reorder.unwrap_or(REORDER) })
}

impl Said {
    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        let wrong = |expected: &str| format!("{key}={value}, expected {expected}");
        match key {
            "encoding" => self.encoding = Some(Encoding::named(value).ok_or_else(|| wrong(Encoding::NAMES))?),
            "rate" => self.rate_hz = Some(value.parse().map_err(|_| wrong("Hz, a whole number"))?),
            "channels" => self.n_channels = Some(value.parse().map_err(|_| wrong("a whole number"))?),
            "payload" => {
                let number = value.parse().ok().filter(|number| *number < 128);
                self.payload_type = Some(number.ok_or_else(|| wrong("0 to 127"))?);
            }
            "interface" => {
                self.interface = Some(interface(value).ok_or_else(|| wrong("a name or an IPv4 address"))?)
            }
            "from" => {
                let addresses: Result<Vec<IpAddr>, _> = value.split(',').map(str::parse).collect();
                let addresses = addresses.ok().filter(|all| all.len() <= FROM_MAX);
                self.from = addresses.ok_or_else(|| wrong("up to 16 IP addresses with commas between"))?;
            }
            "reorder_ms" => {
                let millis = value.parse().ok().filter(|millis| *millis <= REORDER_MS_MAX);
                self.reorder = Some(Duration::from_millis(millis.ok_or_else(|| wrong("0 to 500"))?));
            }
            _ => {
                let known = "encoding, rate, channels, payload, interface, from or reorder_ms";
                return Err(format!("unknown key {key:?}, expected {known}"));
            }
        }
        Ok(())
    }

    fn codecs(&self) -> Result<Vec<(u8, Codec)>, String> {
        let fixed = self.payload_type.and_then(Codec::fixed);
        let codec = match (self.encoding, fixed) {
            (None, Some(fixed)) if self.rate_hz.is_none() && self.n_channels.is_none() => fixed,
            (None, _) => return Err(format!("no encoding, expected {}", Encoding::NAMES)),
            (Some(encoding), _) => {
                let (rate_hz, n_channels) = encoding.usual();
                let rate_hz = self.rate_hz.unwrap_or(rate_hz);
                Codec::new(encoding, rate_hz, self.n_channels.unwrap_or(n_channels))?
            }
        };
        Ok(vec![(self.payload_type.unwrap_or_else(|| codec.usual_payload_type()), codec)])
    }
}

fn interface(value: &str) -> Option<Interface> {
    if let Ok(address) = value.parse() {
        return Some(Interface::Address(address));
    }
    let is_name = (1..=INTERFACE_CHARS_MAX).contains(&value.len())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    is_name.then(|| Interface::Name(value.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Terms {
        text.parse::<RtpAddress>().unwrap().terms
    }

    #[test]
    fn addresses_say_what_a_receiver_has_to_know() {
        let text = "rtp://239.1.2.3:5004?encoding=l24&rate=96000&channels=8&payload=97&interface=eth0.5\
                    &from=10.0.0.1,10.0.0.2&reorder_ms=0";
        let terms = parse(text);
        assert_eq!(terms.expected(), "97 (l24, 96000 Hz, 8 channels)");
        assert_eq!(terms.interface, Some(Interface::Name("eth0.5".into())));
        assert!(terms.is_from([10, 0, 0, 2].into()) && !terms.is_from([10, 0, 0, 3].into()));
        assert_eq!((terms.place(), terms.reorder), ("rtp://239.1.2.3:5004".into(), Duration::ZERO));
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        let check = |text: &str, expected: &str| assert_eq!(parse(text).expected(), expected, "{text}");
        check("rtp://0.0.0.0:5004?encoding=L16", "96 (l16, 48000 Hz, 2 channels)");
        check("rtp://0.0.0.0:5004/?encoding=L16&rate=44100&channels=1", "11 (l16, 44100 Hz, 1 channels)");
        check("rtp://[::1]:5004?encoding=opus", "96 (opus, 48000 Hz, 2 channels)");
        check("rtp://127.0.0.1:5004?payload=0", "0 (pcmu, 8000 Hz, 1 channels)");
        check("rtp://127.0.0.1:5004?encoding=pcma", "8 (pcma, 8000 Hz, 1 channels)");
        assert!(parse("rtp://127.0.0.1:5004?payload=0").is_from([1, 2, 3, 4].into()));
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let check = |text: &str, expected: &str| {
            let error = text.parse::<RtpAddress>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("rtp://studio:5004?encoding=L16", "\"studio:5004\" is no IP address with a port");
        check("rtp://239.1.2.3?encoding=L16", "\"239.1.2.3\" is no IP address with a port");
        check("rtp://239.1.2.3:0?encoding=L16", "port 0");
        check("rtp://239.1.2.3:5004", "no encoding, expected one of L16");
        check("rtp://239.1.2.3:5004?payload=96", "no encoding");
        check("rtp://239.1.2.3:5004?encoding=MP3", "encoding=MP3, expected one of L16");
        check("rtp://239.1.2.3:5004?encoding=L16&rate=4000", "4000");
        check("rtp://239.1.2.3:5004?encoding=opus&rate=16000", "expected 48000");
        check("rtp://239.1.2.3:5004?encoding=L16&channels=9", "9 channels");
        check("rtp://239.1.2.3:5004?encoding=L16&payload=128", "0 to 127");
        check("rtp://239.1.2.3:5004?encoding=L16&interface=a/b", "a name or an IPv4 address");
        check("rtp://127.0.0.1:5004?encoding=L16&interface=lo", "no group");
        check("rtp://127.0.0.1:5004?encoding=L16&from=x", "IP addresses");
        check("rtp://127.0.0.1:5004?encoding=L16&reorder_ms=501", "0 to 500");
        check("rtp://127.0.0.1:5004?encoding=L16&ttl=3", "unknown key \"ttl\"");
    }
}

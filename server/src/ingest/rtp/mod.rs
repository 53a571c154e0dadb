//! RTP over UDP, to one address or to a group (RFC 3550): packets are put in order, what is missing is a gap of exact
//! length, and one sender may follow another. No RTCP, no encryption (SRTP), no retransmission, no forward error
//! correction.
//!
//! [`order`] and [`leg`] know numbers and times only, [`desk`] makes frames, [`receive`] has the socket and the clock.
//! docs/adr/0015-rtp.md says why.

mod address;
mod codec;
mod desk;
mod leg;
mod order;
#[cfg(test)]
mod order_tests;
mod packet;
mod receive;
mod sdp;
mod socket;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::runtime::Handle;

use super::error::IngestError;
use super::live::{Live, LiveConfig};
use codec::Codec;

/// How long a hole is waited for, where nothing is said of it. With the 10 ms of gathering and the analysis it stays
/// within the 60 ms that an event may take; packets that overtake each other on one network do so by less.
const REORDER: Duration = Duration::from_millis(30);

/// Where a feed's packets come from. Shows itself as it was given; there are no secrets in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RtpSource {
    /// `rtp://239.1.2.3:5004?encoding=L24`.
    Address(RtpAddress),
    /// A file in the Session Description Protocol (RFC 8866), read when the feed starts.
    Sdp(PathBuf),
}

/// An `rtp://` address whose parts make sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpAddress {
    text: String,
    terms: Terms,
}

/// What sender and receiver have agreed upon.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Terms {
    /// Where packets are sent: an address of ours, or a group.
    to: SocketAddr,
    /// Where a group is joined. `None`: where the system says.
    interface: Option<Interface>,
    /// Who may send; empty: everybody.
    from: Vec<IpAddr>,
    /// What each payload type is; at least one.
    codecs: Vec<(u8, Codec)>,
    /// How long a hole is waited for.
    reorder: Duration,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Interface {
    /// Such as `eth0`.
    Name(String),
    /// One of its own addresses.
    Address(Ipv4Addr),
}

impl RtpSource {
    /// A path that ends in `.sdp` is that of a description.
    #[must_use]
    pub fn described(path: &Path) -> Option<Self> {
        let is_sdp = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sdp"));
        is_sdp.then(|| Self::Sdp(path.to_owned()))
    }

    /// What was agreed upon. Reads the file, if it is one.
    fn terms(&self) -> Result<Terms, IngestError> {
        match self {
            Self::Address(address) => Ok(address.terms.clone()),
            Self::Sdp(path) => sdp::read(path),
        }
    }

    /// Whether only one feed can have it.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        matches!(self, Self::Address(address) if !address.terms.to.ip().is_multicast())
    }

    /// Starts to receive on `runtime`.
    pub(super) fn start(&self, config: LiveConfig, runtime: &Handle) -> Result<Live, IngestError> {
        let terms = self.terms()?;
        Ok(Live::spouting(runtime, |spout| receive::run(terms, config, spout)))
    }
}

impl fmt::Display for RtpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => f.write_str(&address.text),
            Self::Sdp(path) => path.display().fmt(f),
        }
    }
}

impl Terms {
    /// For people.
    fn place(&self) -> String {
        format!("rtp://{}", self.to)
    }

    fn codec(&self, payload_type: u8) -> Option<Codec> {
        self.codecs.iter().find(|(number, _)| *number == payload_type).map(|(_, codec)| *codec)
    }

    fn is_from(&self, sender: IpAddr) -> bool {
        self.from.is_empty() || self.from.contains(&sender)
    }

    /// The payload types that are taken, for people: `96 (l24, 48000 Hz, 2 channels)`.
    fn expected(&self) -> String {
        let each = |(number, codec): &(u8, Codec)| {
            let format = codec.format;
            let (name, hz, n) = (codec.encoding.name(), format.rate().hz(), format.n_channels());
            format!("{number} ({name}, {hz} Hz, {n} channels)")
        };
        self.codecs.iter().map(each).collect::<Vec<_>>().join(" or ")
    }
}

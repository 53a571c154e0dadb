//! What can be given as an input: a path, `-`, or the address of a live stream. Opens nothing.

use std::fmt;
use std::path::PathBuf;

use super::error::IngestError;
use super::exec::ExecSource;
use super::http::Address;
use super::rtp::RtpSource;

/// An input, as it is named on the command line. Shows itself without the secrets of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// `-`: a file or raw samples through a pipe.
    Stdin,
    /// A path.
    File(PathBuf),
    /// `http://` or `https://`: a live stream, or an HLS playlist.
    Live(Address),
    /// `rtp://`, or a path that ends in `.sdp`: packets.
    Rtp(RtpSource),
    /// `exec:`, or an address that stands for a command: what it writes.
    Exec(ExecSource),
}

impl Input {
    /// Everything with `://` in it is an address; a file of such a name can be given as `./name`.
    pub fn parse(text: &str) -> Result<Self, IngestError> {
        match text {
            "-" => Ok(Self::Stdin),
            "" => Err(IngestError::Usage {
                place: "input".into(),
                found: "an empty name".into(),
                expected: "a file, - or an address",
            }),
            address if address.starts_with("rtp://") => Ok(Self::Rtp(RtpSource::Address(address.parse()?))),
            command if is_command(command) => Ok(Self::Exec(command.parse()?)),
            address if address.contains("://") && !address.starts_with(['.', '/']) => {
                Address::parse(address).map(Self::Live)
            }
            path => {
                Ok(RtpSource::described(path.as_ref()).map_or_else(|| Self::File(path.into()), Self::Rtp))
            }
        }
    }
}

/// Whether it begins with a scheme of a command. A file of such a name can be given as `./name`.
fn is_command(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| ExecSource::is_scheme(scheme))
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => path.display().fmt(f),
            Self::Live(address) => address.fmt(f),
            Self::Rtp(source) => source.fmt(f),
            Self::Exec(source) => source.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_told_apart() {
        assert_eq!(Input::parse("-").unwrap(), Input::Stdin);
        assert_eq!(Input::parse("a:b.mp3").unwrap(), Input::File("a:b.mp3".into()));
        assert_eq!(Input::parse("./http://x").unwrap(), Input::File("./http://x".into()));
        assert_eq!(Input::parse("http://u:p@h/x").unwrap().to_string(), "http://h/x");
        assert_eq!(Input::parse("a.sdp").unwrap(), Input::Rtp(RtpSource::Sdp("a.sdp".into())));
        let rtp = "rtp://127.0.0.1:5004?encoding=L16";
        assert_eq!(Input::parse(rtp).unwrap().to_string(), rtp);
        assert!(Input::parse("rtp://h/x").is_err());
        assert_eq!(Input::parse("exec:radio --live").unwrap().to_string(), "exec:radio …");
        assert_eq!(Input::parse("rtsp://u:p@h/x").unwrap().to_string(), "rtsp://h/x");
        assert!(Input::parse("ftp://h/x").is_err() && Input::parse("").is_err());
    }
}

//! What can be given as an input: a path, `-`, or the address of a live stream. Opens nothing.

use std::fmt;
use std::path::PathBuf;

use super::error::IngestError;
use super::http::Address;

/// An input, as it is named on the command line. Shows itself without the secrets of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// `-`: a file or raw samples through a pipe.
    Stdin,
    /// A path.
    File(PathBuf),
    /// `http://` or `https://`: a live stream, or an HLS playlist.
    Live(Address),
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
            address if address.contains("://") && !address.starts_with(['.', '/']) => {
                Address::parse(address).map(Self::Live)
            }
            path => Ok(Self::File(path.into())),
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => path.display().fmt(f),
            Self::Live(address) => address.fmt(f),
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
        assert!(Input::parse("rtsp://h/x").is_err() && Input::parse("").is_err());
    }
}

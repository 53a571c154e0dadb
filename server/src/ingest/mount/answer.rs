//! What an encoder is told: one short answer, and where it is refused the reason in one line.

use super::head::HeadError;

/// An answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Send the body.
    Continue,
    /// Done, or: go on.
    Ok,
    /// Not understood.
    BadRequest,
    /// Who are you?
    Unauthorized,
    /// Somebody else is there.
    InUse,
    /// No feed takes its audio from there.
    NoMount,
    /// What cannot be done with a mount.
    NotAllowed,
    /// The head took too long.
    TooSlow,
    /// Nothing that we can decode.
    Undecodable,
    /// The head is too long.
    TooLarge,
    /// The feed takes nothing yet.
    Starting,
    /// The feed takes nothing any more.
    Over,
    /// The feed takes nothing at present.
    Behind,
}

impl Answer {
    /// Status and what it means, for the status line and for people.
    pub(super) const fn status(self) -> (u16, &'static str) {
        match self {
            Self::Continue => (100, "Continue"),
            Self::Ok => (200, "OK"),
            Self::BadRequest => (400, "Bad Request"),
            Self::Unauthorized => (401, "Authentication Required"),
            Self::InUse => (403, "Mountpoint in use"),
            Self::NoMount => (404, "No such mountpoint"),
            Self::NotAllowed => (405, "Method Not Allowed"),
            Self::TooSlow => (408, "Request Timeout"),
            Self::Undecodable => (415, "Content-type not supported"),
            Self::TooLarge => (431, "Request Header Fields Too Large"),
            Self::Starting => (503, "The feed is starting"),
            Self::Over => (503, "The feed is over"),
            Self::Behind => (503, "The feed is behind"),
        }
    }

    /// As it goes over the wire. Old encoders read HTTP/1.0 only, and nobody minds it.
    pub(super) fn text(self) -> String {
        let (code, phrase) = self.status();
        if self == Self::Continue {
            return format!("HTTP/1.1 {code} {phrase}\r\n\r\n");
        }
        let mut text = format!("HTTP/1.0 {code} {phrase}\r\nServer: aircheck\r\nConnection: Close\r\n");
        if self == Self::Unauthorized {
            text.push_str("WWW-Authenticate: Basic realm=\"aircheck\", charset=\"UTF-8\"\r\n");
        }
        // The answer to a stream comes before its end: a body would have no place.
        text.push_str("Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n\r\n");
        if self != Self::Ok {
            text.push_str(phrase);
            text.push('\n');
        }
        text
    }
}

impl From<HeadError> for Answer {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Malformed => Self::BadRequest,
            HeadError::TooMany => Self::TooLarge,
        }
    }
}

/// What is certainly no audio that we can decode. Everything else is tried: the bytes say what they are.
pub(super) fn is_undecodable(content_type: &str) -> bool {
    const FAMILIES: [&str; 5] = ["text/", "image/", "font/", "model/", "multipart/"];
    const TYPES: [&str; 8] = [
        "audio/ac3",
        "audio/amr",
        "audio/midi",
        "audio/vnd.dts",
        "audio/x-ms-wma",
        "application/vnd.apple.mpegurl",
        "video/mp2t",
        "video/nsv",
    ];
    let name = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    FAMILIES.iter().any(|family| name.starts_with(family)) || TYPES.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_why() {
        let text = Answer::Unauthorized.text();
        assert!(text.starts_with("HTTP/1.0 401 Authentication Required\r\n"), "{text}");
        assert!(
            text.contains("\r\nWWW-Authenticate: Basic realm=")
                && text.ends_with("\r\n\r\nAuthentication Required\n")
        );
        assert!(Answer::Ok.text().ends_with("\r\n\r\n"), "a stream's answer has no body");
        assert_eq!(Answer::Continue.text(), "HTTP/1.1 100 Continue\r\n\r\n");
    }

    #[test]
    fn only_what_is_surely_no_audio_is_refused() {
        for refused in ["text/plain", "Text/HTML; charset=x", "image/png", "video/NSV", "audio/ac3"] {
            assert!(is_undecodable(refused), "{refused}");
        }
        for tried in ["audio/mpeg", "application/ogg", "audio/aacp", "video/webm", "audio/x", ""] {
            assert!(!is_undecodable(tried), "{tried}");
        }
    }
}

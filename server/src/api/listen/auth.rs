//! Credentials, where the vendor's clients put them. Who may do what is decided elsewhere.

use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use axum::http::{HeaderMap, Uri};

/// Why a request is not authorised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthorised {
    /// Nobody knows who it is: no credentials, or wrong ones.
    Unknown,
    /// It may not do this.
    Forbidden,
}

/// Decides whether a request may stream audio in.
pub type Authoriser = dyn Fn(&HeaderMap, &Uri) -> Result<(), Unauthorised> + Send + Sync;

/// Names of the credentials' kind, which are also the subprotocols that a browser offers.
pub(super) const SCHEMES: [&str; 2] = ["token", "bearer"];

/// The secret of a request: `Authorization: Token X` or `Bearer X`, or `Sec-WebSocket-Protocol: token, X` or `bearer, X`.
#[must_use]
pub fn credential(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        return of_pair(value.to_str().ok()?.split_once(' ')?);
    }
    let value = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    of_pair(value.split_once(',')?)
}

fn of_pair<'a>((scheme, secret): (&str, &'a str)) -> Option<&'a str> {
    let is_known = SCHEMES.iter().any(|known| scheme.trim().eq_ignore_ascii_case(known));
    Some(secret.trim()).filter(|secret| is_known && !secret.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_in_all_places() {
        let check = |name, value: &str, expected| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(credential(&headers), expected, "{value}");
        };
        check(AUTHORIZATION, "Token abc", Some("abc"));
        check(AUTHORIZATION, "bearer abc", Some("abc"));
        check(AUTHORIZATION, "Basic abc", None);
        check(AUTHORIZATION, "Token ", None);
        check(SEC_WEBSOCKET_PROTOCOL, "token, abc", Some("abc"));
        check(SEC_WEBSOCKET_PROTOCOL, "bearer,abc", Some("abc"));
        check(SEC_WEBSOCKET_PROTOCOL, "token", None);
        assert_eq!(credential(&HeaderMap::new()), None);
    }
}

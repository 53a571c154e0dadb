//! Who may do what: tokens and roles. Without tokens, only programs on this machine, and no page of a browser.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::{Host, Url};

use super::App;
use super::listen::{Unauthorised, credential};
use super::problem::Problem;
use crate::config::{Role, Tokens};

/// What a route asks for, with the service.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) app: App,
    pub(super) role: Role,
}

/// Lets a request through that may do what its route does.
pub(super) async fn authorise(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let tokens = guard.app.tokens();
    match check(&tokens, guard.role, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Whether the headers allow what `role` may do.
pub(super) fn check(tokens: &Tokens, role: Role, headers: &HeaderMap) -> Result<(), Problem> {
    if tokens.is_empty() {
        return local(headers);
    }
    let token = credential(headers).ok_or_else(|| {
        Problem::new(StatusCode::UNAUTHORIZED, "a token is needed: Authorization: Bearer …")
    })?;
    match tokens.bearer(token) {
        Some(bearer) if bearer.role >= role => Ok(()),
        Some(bearer) => {
            let what =
                format!("token {}: role {:?} may not do this, it takes {role:?}", bearer.name, bearer.role);
            Err(Problem::new(StatusCode::FORBIDDEN, what))
        }
        None => Err(Problem::new(StatusCode::UNAUTHORIZED, "the token is not known")),
    }
}

/// As [`check`], in the words of `/v1/listen`.
pub(super) fn check_listen(tokens: &Tokens, headers: &HeaderMap) -> Result<(), Unauthorised> {
    check(tokens, Role::Ingest, headers).map_err(|problem| {
        let is_unknown = problem.status == StatusCode::UNAUTHORIZED.as_u16();
        if is_unknown { Unauthorised::Unknown } else { Unauthorised::Forbidden }
    })
}

/// Without tokens: a name that leads here by DNS, or a page of another origin, is somebody else's idea.
fn local(headers: &HeaderMap) -> Result<(), Problem> {
    let forbidden = |what: String| Err(Problem::new(StatusCode::FORBIDDEN, what));
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("");
    if !host.is_empty() && !is_local(&format!("http://{host}")) {
        return forbidden(format!("host {host:?}: without tokens only localhost is served"));
    }
    match headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or("")) {
        Some(origin) if !is_local(origin) => {
            forbidden(format!("origin {origin:?}: without tokens only pages of localhost are served"))
        }
        _ => Ok(()),
    }
}

fn is_local(origin: &str) -> bool {
    let Ok(url) = Url::parse(origin) else { return false };
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::http::HeaderName;

    use super::*;

    fn headers(list: &[(HeaderName, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn without_tokens_only_this_machine_is_served() {
        let check =
            |list: &[(HeaderName, &str)]| check(&Tokens::default(), Role::Admin, &headers(list)).is_ok();
        assert!(
            check(&[]) && check(&[(header::HOST, "127.0.0.1:8080")]) && check(&[(header::HOST, "localhost")])
        );
        assert!(check(&[(header::HOST, "[::1]:8080"), (header::ORIGIN, "http://localhost:3000")]));
        assert!(!check(&[(header::HOST, "radio.example:8080")]));
        assert!(!check(&[(header::HOST, "localhost"), (header::ORIGIN, "https://evil.example")]));
        assert!(!check(&[(header::HOST, "localhost"), (header::ORIGIN, "null")]));
    }
}

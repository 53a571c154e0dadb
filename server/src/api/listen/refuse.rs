//! Answers to requests that never become a stream, in the vendor's shape: a status, a JSON body, two headers.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::service::Refusal;

/// Header that names the request, on every answer.
pub(super) const REQUEST_ID: &str = "dg-request-id";
/// Header that says why there is no stream.
const ERROR: &str = "dg-error";

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    status: StatusCode,
    code: &'static str,
    message: String,
}

#[derive(Serialize)]
struct Body<'a> {
    err_code: &'static str,
    err_msg: &'a str,
    request_id: &'a str,
}

impl Refused {
    /// No or wrong credentials.
    pub(super) fn unauthorised() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "INVALID_AUTH", "Invalid credentials.")
    }

    /// The credentials do not allow it.
    pub(super) fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "INSUFFICIENT_PERMISSIONS",
            "The token has not the role that this needs.",
        )
    }

    /// A parameter that cannot be served.
    pub(super) fn query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_QUERY_PARAMETER", message)
    }

    /// No request for a WebSocket.
    pub(super) fn no_upgrade(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad Request", message)
    }

    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// The answer to `request_id`.
    pub(super) fn answer(&self, request_id: &str) -> Response {
        let body = Body { err_code: self.code, err_msg: &self.message, request_id };
        let mut response = (self.status, Json(body)).into_response();
        name_request(response.headers_mut(), request_id);
        let printable: String = self.message.chars().filter(|c| (' '..='~').contains(c)).collect();
        if let Ok(message) = HeaderValue::from_str(&printable) {
            response.headers_mut().insert(ERROR, message);
        }
        response
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Full(_) => Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", message),
            Refusal::Wrong(_) => Self::query(message),
            Refusal::Failed(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", message),
        }
    }
}

/// Names the request in an answer.
pub(super) fn name_request(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
}

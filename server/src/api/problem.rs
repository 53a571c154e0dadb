//! What goes wrong, as HTTP says it: RFC 9457 problem details.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::journal::JournalError;
use crate::service::ChangeError;

/// Why a request was not served.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// The status in words.
    pub title: String,
    /// What is wrong, with the value and the place.
    pub detail: String,
    /// Everything that is wrong, where it is more than one thing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

impl Problem {
    /// A problem in one sentence.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("error").to_owned();
        Self { status: status.as_u16(), title, detail: detail.into(), errors: Vec::new() }
    }

    /// A value that is not what it has to be.
    pub fn wrong(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let value = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, value);
        if status == StatusCode::UNAUTHORIZED {
            let value = HeaderValue::from_static("Bearer realm=\"aircheck\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let status = match &error {
            ChangeError::Unknown(_) => StatusCode::NOT_FOUND,
            ChangeError::Exists(_) | ChangeError::InFile(_) => StatusCode::CONFLICT,
            ChangeError::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ChangeError::Full(_) | ChangeError::Ending => StatusCode::SERVICE_UNAVAILABLE,
            ChangeError::Store(_) | ChangeError::Thread(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let errors = if let ChangeError::Wrong(errors) = &error { errors.clone() } else { Vec::new() };
        Self { errors, ..Self::new(status, error.to_string()) }
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        let status = match &error {
            JournalError::Query { .. } => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

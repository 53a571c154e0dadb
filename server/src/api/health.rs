//! Whether the service lives, whether it is ready, and its metrics.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use crate::journal::Health;
use crate::telemetry;

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// `ready`, `degraded` (it works, but see the rest) or `ending`.
    status: &'static str,
    /// Version of the program.
    version: &'static str,
    /// Name of the speech model; none where no feed's speech is recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// What is wrong with the journal. Events wait in memory meanwhile, and are not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<String>,
    /// Feeds by state.
    feeds: std::collections::BTreeMap<String, usize>,
}

/// Whether the service lives: its journal, its hub, its workers and its sockets give signs of life.
#[utoipa::path(get, path = "/livez", tag = "health",
    responses((status = 200, body = String), (status = 503, description = "something is stuck", body = String)))]
pub(super) async fn livez(State(app): State<App>) -> (StatusCode, String) {
    match app.vitals.stuck().as_slice() {
        [] => (StatusCode::OK, "ok\n".to_owned()),
        stuck => {
            let lines = stuck.iter().map(|stuck| format!("{stuck}\n")).collect();
            (StatusCode::SERVICE_UNAVAILABLE, lines)
        }
    }
}

/// Whether the service does its work.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, body = Readiness), (status = 503, description = "it ends", body = Readiness)))]
pub(super) async fn readyz(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let mut feeds = std::collections::BTreeMap::new();
    for view in app.feeds.list() {
        let state = serde_json::to_value(view.status.state).ok();
        let state = state.as_ref().and_then(|state| state.as_str()).unwrap_or("unknown").to_owned();
        *feeds.entry(state).or_insert(0) += 1;
    }
    let journal = app.journal.state();
    let journal = match journal.health {
        Health::Fine => journal.damage,
        Health::Degraded { reason, .. } => Some(reason),
    };
    let (code, status) = match (app.feeds.is_ending(), &journal) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "ending"),
        (false, Some(_)) => (StatusCode::OK, "degraded"),
        (false, None) => (StatusCode::OK, "ready"),
    };
    let config = app.feeds.config();
    let model = config.recognises().then(|| config.recognition.model.clone());
    (code, Json(Readiness { status, version: env!("CARGO_PKG_VERSION"), model, journal, feeds }))
}

/// Metrics for Prometheus; of a feed as long as it is there.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, content_type = "text/plain; version=0.0.4", body = String)))]
pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    telemetry::journal(&app.journal.state());
    telemetry::resources(&app.journal);
    let feeds: BTreeSet<String> =
        app.feeds.list().into_iter().map(|view| view.spec.name.to_string()).collect();
    let text = telemetry::render(&app.metrics, |feed| feeds.contains(feed));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

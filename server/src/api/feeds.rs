//! Feeds over HTTP: listed, added, changed, paused, removed.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::problem::Problem;
use crate::config::{FeedName, FeedSpec};
use crate::service::{ChangeError, FeedView, Feeds};

/// All feeds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FeedList {
    /// By name.
    feeds: Vec<FeedView>,
}

/// All feeds and how they are.
#[utoipa::path(get, path = "/v1/feeds", tag = "feeds", responses((status = 200, body = FeedList)))]
pub(super) async fn list(State(app): State<App>) -> Json<FeedList> {
    Json(FeedList { feeds: app.feeds.list() })
}

/// One feed and how it is.
#[utoipa::path(get, path = "/v1/feeds/{feed}", tag = "feeds", params(("feed" = String, Path)),
    responses((status = 200, body = FeedView), (status = 404, body = Problem)))]
pub(super) async fn get(State(app): State<App>, Path(feed): Path<String>) -> Result<Json<FeedView>, Problem> {
    let name = name(&feed)?;
    app.feeds.get(&name).map(Json).ok_or_else(|| ChangeError::Unknown(name).into())
}

/// Adds a feed, for good: it is there after a restart.
#[utoipa::path(post, path = "/v1/feeds", tag = "feeds", request_body = FeedSpec,
    responses((status = 201, body = FeedView), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn add(
    State(app): State<App>,
    spec: Result<Json<FeedSpec>, JsonRejection>,
) -> Result<(StatusCode, Json<FeedView>), Problem> {
    let Json(spec) = spec.map_err(rejected)?;
    change(app, move |feeds| feeds.add(spec)).await.map(|view| (StatusCode::CREATED, Json(view)))
}

/// What may be changed of a feed; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedPatch {
    /// See `FeedSpec`.
    source: Option<String>,
    /// See `FeedSpec`.
    priority: Option<u8>,
    /// See `FeedSpec`.
    profile: Option<String>,
    /// See `FeedSpec`.
    keywords: Option<Vec<String>>,
    /// See `FeedSpec`.
    budgets_ms: Option<std::collections::BTreeMap<String, u64>>,
    /// See `FeedSpec`.
    pace: Option<crate::config::Pace>,
}

impl FeedPatch {
    fn apply(self, mut spec: FeedSpec) -> Result<FeedSpec, Problem> {
        if let Some(source) = self.source {
            spec.source = source.parse().map_err(|error| Problem::wrong(format!("source: {error}")))?;
        }
        spec.priority = self.priority.unwrap_or(spec.priority);
        spec.profile = self.profile.unwrap_or(spec.profile);
        spec.keywords = self.keywords.unwrap_or(spec.keywords);
        spec.budgets_ms = self.budgets_ms.unwrap_or(spec.budgets_ms);
        spec.pace = self.pace.unwrap_or(spec.pace);
        Ok(spec)
    }
}

/// Changes a feed that was added here: it starts anew, in a new epoch.
#[utoipa::path(patch, path = "/v1/feeds/{feed}", tag = "feeds", params(("feed" = String, Path)),
    request_body = FeedPatch, responses((status = 200, body = FeedView), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn patch(
    State(app): State<App>,
    Path(feed): Path<String>,
    patch: Result<Json<FeedPatch>, JsonRejection>,
) -> Result<Json<FeedView>, Problem> {
    let name = name(&feed)?;
    let Json(patch) = patch.map_err(rejected)?;
    let view = app.feeds.get(&name).ok_or(ChangeError::Unknown(name))?;
    let spec = patch.apply(view.spec)?;
    change(app, move |feeds| feeds.change(spec)).await.map(Json)
}

/// Pauses a feed, for good: it stays so over a restart.
#[utoipa::path(post, path = "/v1/feeds/{feed}/pause", tag = "feeds", params(("feed" = String, Path)),
    responses((status = 200, body = FeedView), (status = 404, body = Problem)))]
pub(super) async fn pause(
    State(app): State<App>,
    Path(feed): Path<String>,
) -> Result<Json<FeedView>, Problem> {
    let name = name(&feed)?;
    change(app, move |feeds| feeds.pause(&name, true)).await.map(Json)
}

/// Lets a paused feed go on.
#[utoipa::path(post, path = "/v1/feeds/{feed}/resume", tag = "feeds", params(("feed" = String, Path)),
    responses((status = 200, body = FeedView), (status = 404, body = Problem)))]
pub(super) async fn resume(
    State(app): State<App>,
    Path(feed): Path<String>,
) -> Result<Json<FeedView>, Problem> {
    let name = name(&feed)?;
    change(app, move |feeds| feeds.pause(&name, false)).await.map(Json)
}

/// Removes a feed that was added here. Its events stay.
#[utoipa::path(delete, path = "/v1/feeds/{feed}", tag = "feeds", params(("feed" = String, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn remove(State(app): State<App>, Path(feed): Path<String>) -> Result<StatusCode, Problem> {
    let name = name(&feed)?;
    change(app, move |feeds| feeds.remove(&name)).await.map(|()| StatusCode::NO_CONTENT)
}

/// A change may wait for a feed to end: not on a thread of the runtime.
async fn change<T: Send + 'static>(
    app: App,
    change: impl FnOnce(&Feeds) -> Result<T, ChangeError> + Send + 'static,
) -> Result<T, Problem> {
    let changing = tokio::task::spawn_blocking(move || change(&app.feeds));
    let failed = |error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}"));
    changing.await.map_err(failed)?.map_err(Problem::from)
}

pub(super) fn name(text: &str) -> Result<FeedName, Problem> {
    text.parse().map_err(|error| Problem::wrong(format!("feed: {error}")))
}

fn rejected(rejection: JsonRejection) -> Problem {
    Problem::new(rejection.status(), rejection.body_text())
}

//! The HTTP API: routes, who may use them, and how they are spoken to. Knows the service, decides nothing of its own.

mod auth;
mod captions;
mod door;
mod events;
mod feeds;
mod follow;
mod health;
pub mod listen;
mod places;
mod problem;
mod rate;
mod readers;
mod speech;
mod watched;

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{Semaphore, watch};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::captions::Captions;
use crate::config::{Role, Tokens};
use crate::journal::Journal;
use crate::publish::Hub;
use crate::service::{Docks, Feeds, Reception, Vitals};
use auth::{Guard, authorise, check_listen};
pub use door::serve;
use listen::ListenState;
pub use problem::Problem;
use rate::{Rates, limit};
pub use readers::Readers;

/// What the routes serve.
pub struct Service {
    /// Feeds.
    pub feeds: Arc<Feeds>,
    /// Guests.
    pub reception: Arc<dyn Reception>,
    /// Where encoders bring their audio.
    pub docks: Arc<Docks>,
    /// Who may do what.
    pub tokens: RwLock<Arc<Tokens>>,
    /// What becomes visible.
    pub hub: Arc<Hub>,
    /// What became visible.
    pub journal: Arc<Journal>,
    /// Readers of it.
    pub readers: Arc<Readers>,
    /// Live captions.
    pub captions: Arc<Captions>,
    /// Places of clients that follow events.
    pub event_clients: Arc<Semaphore>,
    /// Whether it lives.
    pub vitals: Vitals,
    /// Metrics of this process.
    pub metrics: PrometheusHandle,
    /// `true` when the service ends: streams end too.
    pub ending: watch::Receiver<bool>,
}

impl Service {
    fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on these tokens are known.
    pub fn know(&self, tokens: Tokens) {
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
    }
}

/// The service, shared by all requests.
pub type App = Arc<Service>;

/// Real-time streaming audio analysis: feeds, their events, what was said.
#[derive(OpenApi)]
#[openapi(info(title = "Aircheck"), tags(
    (name = "feeds", description = "feeds that come and go"),
    (name = "events", description = "what was found out, now and before"),
    (name = "speech", description = "what was said"),
    (name = "health", description = "the service itself")))]
struct Api;

/// All routes.
fn router(app: App) -> Router {
    let body_bytes = app.feeds.config().limits.body_bytes;
    let guard = |role| from_fn_with_state(Guard { app: Arc::clone(&app), role }, authorise);
    let read = OpenApiRouter::new()
        .routes(routes!(feeds::list))
        .routes(routes!(feeds::get))
        .routes(routes!(events::events))
        .routes(routes!(events::events_of))
        .routes(routes!(events::socket))
        .routes(routes!(speech::transcript))
        .routes(routes!(speech::search))
        .routes(routes!(health::metrics))
        .route_layer(guard(Role::Read));
    let captions = OpenApiRouter::new()
        .routes(routes!(captions::captions))
        .route_layer(guard(Role::Read))
        .route_layer(from_fn(captions::open_token))
        .route_layer(from_fn_with_state(Arc::clone(&app), captions::share));
    let admin = OpenApiRouter::new()
        .routes(routes!(feeds::add))
        .routes(routes!(feeds::patch))
        .routes(routes!(feeds::remove))
        .routes(routes!(feeds::pause))
        .routes(routes!(feeds::resume))
        .route_layer(guard(Role::Admin));
    let open = OpenApiRouter::new().routes(routes!(health::livez)).routes(routes!(health::readyz));
    let rates = Rates::new(&app.feeds.config().limits);
    let (router, api) = OpenApiRouter::with_openapi(Api::openapi())
        .merge(read)
        .merge(captions)
        .merge(admin)
        .merge(open)
        .split_for_parts();
    router
        .route("/openapi.json", axum::routing::get(move || async move { Json(api) }))
        .route(captions::PATH, axum::routing::options(captions::preflight))
        .fallback(nothing)
        .method_not_allowed_fallback(not_so)
        .with_state(Arc::clone(&app))
        .merge(listen::router(listen_state(&app)))
        .layer(DefaultBodyLimit::max(body_bytes))
        .layer(from_fn_with_state(rates, limit))
}

fn listen_state(app: &App) -> ListenState {
    let config = app.feeds.config();
    let guarded = Arc::clone(app);
    ListenState {
        reception: Arc::clone(&app.reception),
        authorise: Arc::new(move |headers, _| check_listen(&guarded.tokens(), headers)),
        model: config.recognition.model.as_str().into(),
        limits: listen::Limits { message_bytes: config.limits.message_bytes, ..listen::Limits::default() },
    }
}

async fn nothing(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("{}: there is nothing here; see /openapi.json", uri.path()))
}

async fn not_so(uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{}: not by this method; see /openapi.json", uri.path()),
    )
}

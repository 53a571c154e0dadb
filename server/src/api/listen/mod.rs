//! `GET /v1/listen`: audio in and text out over one WebSocket, in the wire protocol of Deepgram's live API, so that the
//! vendor's SDKs work when only their base address is changed (docs/listen.md, docs/adr/0009). A connection is a guest
//! of the service, a feed a stream; nothing is recognised here.

mod auth;
mod channel;
#[cfg(test)]
mod channel_tests;
mod early;
mod ids;
mod parameters;
mod pieces;
mod query;
mod reader;
mod refuse;
mod session;
mod wire;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use axum::routing::get;

pub use auth::{Authoriser, Unauthorised, credential};

use crate::config::FeedName;
use crate::service::{Guest, GuestSpec, Reception, Refusal};
use query::Query;
use refuse::{Refused, name_request};
use session::Session;

/// Path of the endpoint.
pub const PATH: &str = "/v1/listen";
/// Header that names the parameters that nobody knew.
const IGNORED: &str = "aircheck-ignored";

/// What the endpoint needs of the service.
#[derive(Clone)]
pub struct ListenState {
    /// Lets guests in.
    pub reception: Arc<dyn Reception>,
    /// Decides who may ask.
    pub authorise: Arc<Authoriser>,
    /// Name of the model that hears guests.
    pub model: Arc<str>,
    /// Limits of a connection.
    pub limits: Limits,
}

/// Limits of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest message, bytes. Default 1 MiB: 32 s of audio at 16 kHz.
    pub message_bytes: usize,
    /// Time without audio or a text message after which the connection ends (`NET-0001`). Default 10 s, as the vendor's.
    pub idle: Duration,
    /// Time for which a client may refuse to read. Default 10 s.
    pub unread: Duration,
    /// Longest connection; it ends as if the client had closed it. Default 12 h.
    pub session: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 1 << 20,
            idle: Duration::from_secs(10),
            unread: Duration::from_secs(10),
            session: Duration::from_secs(12 * 3_600),
        }
    }
}

/// The endpoint.
pub fn router(state: ListenState) -> Router {
    Router::new().route(PATH, get(listen)).with_state(state)
}

async fn listen(
    State(state): State<ListenState>,
    headers: HeaderMap,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let request_id: Arc<str> = ids::request_id().into();
    match open(state, &headers, &uri, upgrade, &request_id).await {
        Ok(mut response) => {
            name_request(response.headers_mut(), &request_id);
            response
        }
        Err(refused) => refused.answer(&request_id),
    }
}

async fn open(
    state: ListenState,
    headers: &HeaderMap,
    uri: &Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request_id: &Arc<str>,
) -> Result<Response, Refused> {
    (state.authorise)(headers, uri).map_err(|why| match why {
        Unauthorised::Unknown => Refused::unauthorised(),
        Unauthorised::Forbidden => Refused::forbidden(),
    })?;
    let query =
        Query::parse(uri.query().unwrap_or_default()).map_err(|wrong| Refused::query(wrong.to_string()))?;
    let upgrade = upgrade.map_err(|rejection| Refused::no_upgrade(rejection.body_text()))?;
    let specs = specs(&query, request_id)?;
    let reception = Arc::clone(&state.reception);
    let admitted = tokio::task::spawn_blocking(move || admit(&*reception, specs)).await;
    let guests = admitted.map_err(|_| Refused::from(Refusal::Failed("admission failed".to_owned())))??;
    let ignored = HeaderValue::from_str(&query.ignored.join(",")).ok().filter(|names| !names.is_empty());
    let (limits, request_id) = (state.limits, Arc::clone(request_id));
    let session = Session { query, guests, limits, request_id, model: state.model };
    let upgrade = upgrade
        .max_message_size(limits.message_bytes)
        .max_frame_size(limits.message_bytes)
        .protocols(auth::SCHEMES);
    let mut response = upgrade.on_upgrade(|socket| session.serve(socket));
    if let Some(ignored) = ignored {
        response.headers_mut().insert(IGNORED, ignored);
    }
    Ok(response)
}

/// A feed for each stream.
fn specs(query: &Query, request_id: &str) -> Result<Vec<GuestSpec>, Refused> {
    let (n_streams, _) = query.streams();
    let spec = |idx: usize| {
        let suffix = if n_streams > 1 { format!("-{idx}") } else { String::new() };
        let name = format!("listen-{request_id}{suffix}");
        let feed: FeedName = name.parse().map_err(|_| Refusal::Failed(format!("{name} is no name")))?;
        Ok(GuestSpec {
            feed,
            partials: query.interim_results,
            endpoint: query.endpointing,
            keywords: query.terms.clone(),
            language: query.language.clone(),
        })
    };
    (0..n_streams).map(spec).collect()
}

/// All of them or none.
fn admit(reception: &dyn Reception, specs: Vec<GuestSpec>) -> Result<Vec<(FeedName, Guest)>, Refused> {
    let admit = |spec: GuestSpec| {
        let feed = spec.feed.clone();
        reception.admit(spec).map(|guest| (feed, guest)).map_err(Refused::from)
    };
    specs.into_iter().map(admit).collect()
}

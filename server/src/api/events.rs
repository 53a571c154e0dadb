//! Events over HTTP: as Server-Sent Events that resume, over a WebSocket, as ranges of lines.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use engine::event::EventKind;
use futures_util::stream::{Stream, unfold};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::follow::{End, Filter, Follow, Shown};
use super::problem::Problem;

/// Events of a range, unless asked otherwise, and at most.
const LIMITS: (usize, usize) = (1_000, 10_000);
/// Time between signs of life to a reader.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Where the next range begins.
const NEXT: &str = "aircheck-next";

/// Which events.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Names of feeds, with commas between them. Default: all.
    feed: Option<String>,
    /// Types such as `transcript.final`, with commas between them. Default: all.
    #[serde(rename = "type")]
    kinds: Option<String>,
    /// Only what comes after this place, as an SSE id or the header `aircheck-next` names it; `0` is the beginning.
    after: Option<String>,
    /// Only facts at or after this time, RFC 3339. Ranges only.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Only facts before this time, RFC 3339. Ranges only.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
    /// Most events of a range, 1 to 10 000.
    limit: Option<usize>,
}

impl EventsQuery {
    fn filter(&self, feed: Option<String>) -> Result<Filter, Problem> {
        let kind = |name: String| {
            EventKind::from_name(&name).ok_or_else(|| {
                Problem::wrong(format!("type {name:?}, expected one such as transcript.final"))
            })
        };
        let feeds = feed.map_or_else(|| list(self.feed.as_deref()), |feed| vec![feed]).into_iter().collect();
        Ok(Filter {
            feeds,
            kinds: list(self.kinds.as_deref()).into_iter().map(kind).collect::<Result<_, _>>()?,
        })
    }

    fn limit(&self) -> Result<usize, Problem> {
        match self.limit {
            None => Ok(LIMITS.0),
            Some(limit) if (1..=LIMITS.1).contains(&limit) => Ok(limit),
            Some(limit) => Err(Problem::wrong(format!("limit {limit}, expected 1 to {}", LIMITS.1))),
        }
    }
}

/// The parts of a list with commas between them.
pub(super) fn list(text: Option<&str>) -> Vec<String> {
    let parts = text.into_iter().flat_map(|text| text.split(','));
    parts.map(str::trim).filter(|part| !part.is_empty()).map(Into::into).collect()
}

/// Events of all feeds: a range of lines (`application/x-ndjson`), or a stream (`Accept: text/event-stream`) that goes
/// on after `Last-Event-ID` without a hole, or from now on without one.
#[utoipa::path(get, path = "/v1/events", params(EventsQuery), tag = "events",
    responses((status = 200, description = "events, one JSON object a line, or Server-Sent Events",
        content_type = "application/x-ndjson", body = String),
        (status = 400, description = "a parameter is wrong", body = Problem)))]
pub(super) async fn events(
    State(app): State<App>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    respond(app, query, None, &headers).await
}

/// Events of one feed.
#[utoipa::path(get, path = "/v1/feeds/{feed}/events", params(("feed" = String, Path), EventsQuery), tag = "events",
    responses((status = 200, description = "as /v1/events", content_type = "application/x-ndjson", body = String)))]
pub(super) async fn events_of(
    State(app): State<App>,
    Path(feed): Path<String>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    respond(app, query, Some(feed), &headers).await
}

/// Events over a WebSocket, one a message; `after` resumes.
#[utoipa::path(get, path = "/v1/events/ws", params(EventsQuery), tag = "events",
    responses((status = 101, description = "one event a message, as text")))]
pub(super) async fn socket(
    State(app): State<App>,
    Query(query): Query<EventsQuery>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    let follow = follow(&app, query.filter(None)?, query.after.as_deref()).await?.follow;
    Ok(upgrade.on_upgrade(move |socket| talk(socket, follow)))
}

async fn respond(
    app: App,
    query: EventsQuery,
    feed: Option<String>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let accepts = |what: &str| {
        headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.contains(what))
    };
    let filter = query.filter(feed)?;
    if !accepts("text/event-stream") {
        return range(&app, &query, &filter).await;
    }
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let Followed { follow, id, is_reset } = follow(&app, filter, last.or(query.after.as_deref())).await?;
    let stream = sse(follow, id, is_reset);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

async fn range(app: &App, query: &EventsQuery, filter: &Filter) -> Result<Response, Problem> {
    let limit = query.limit()?;
    let Place { id, position, .. } = place(app, Some(query.after.as_deref().unwrap_or("0"))).await?;
    let mut wanted = filter.page(position, limit);
    (wanted.from, wanted.to) = (query.from, query.to);
    let page = app.readers.read(move |reader| reader.range(&wanted)).await?;
    let next = format!("{id}-{}", page.last().map_or(position, |last| last.cursor));
    let mut body = Vec::with_capacity(page.iter().map(|stored| stored.line.len() + 1).sum());
    for stored in &page {
        body.extend_from_slice(&stored.line);
        body.push(b'\n');
    }
    let mut response = Body::from(body).into_response();
    let value = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    if let Ok(value) = HeaderValue::from_str(&next) {
        response.headers_mut().insert(NEXT, value);
    }
    Ok(response)
}

/// A place in the journal.
struct Place {
    /// Identity of the journal.
    id: String,
    position: u64,
    /// The place was one of another journal: this one is shown from its beginning.
    is_reset: bool,
}

/// What `text` names: `{journal}-{cursor}`, or a plain number. `None`: the newest event.
async fn place(app: &App, text: Option<&str>) -> Result<Place, Problem> {
    let (id, newest) = app.readers.read(|reader| Ok((reader.id().to_owned(), reader.newest()?))).await?;
    let Some(text) = text else { return Ok(Place { id, position: newest, is_reset: false }) };
    let (journal, number) =
        text.rsplit_once('-').map_or((None, text), |(journal, number)| (Some(journal), number));
    let position: u64 = number
        .parse()
        .map_err(|_| Problem::wrong(format!("after {text:?}, expected a place such as {id}-{newest}")))?;
    if journal.is_some_and(|journal| journal != id) {
        return Ok(Place { id, position: 0, is_reset: true });
    }
    Ok(Place { id, position, is_reset: false })
}

pub(super) struct Followed {
    pub(super) follow: Follow,
    id: String,
    is_reset: bool,
}

pub(super) async fn follow(app: &App, filter: Filter, after: Option<&str>) -> Result<Followed, Problem> {
    let seat = Arc::clone(&app.event_clients).try_acquire_owned().map_err(|_| {
        let what = "too many clients follow events (limits.event_clients)";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, what)
    })?;
    let Place { id, position, is_reset } = place(app, after).await?;
    let live = app.hub.subscribe();
    let follow = Follow::new(filter, app.readers.clone(), live, app.ending.clone(), position, seat);
    Ok(Followed { follow, id, is_reset })
}

/// What a stream of Server-Sent Events has left to do.
enum Phase {
    Reset(Follow),
    Following(Follow),
    Over,
}

fn sse(follow: Follow, id: String, is_reset: bool) -> impl Stream<Item = Result<Event, Infallible>> {
    let begin = if is_reset { Phase::Reset(follow) } else { Phase::Following(follow) };
    unfold((begin, id), |(phase, id)| async move {
        let (event, phase) = match phase {
            Phase::Over => return None,
            Phase::Reset(follow) => {
                let data = "the journal is a new one; it is shown from its beginning";
                (Event::default().event("reset").data(data), Phase::Following(follow))
            }
            Phase::Following(mut follow) => match follow.next().await {
                Ok(shown) => (sse_event(&shown, &id), Phase::Following(follow)),
                Err(End::Ending) => return None,
                Err(End::Cut { resume }) => {
                    let event = Event::default().event("cut").id(format!("{id}-{resume}"));
                    (event.data("too slow: connect again, and it goes on after this id"), Phase::Over)
                }
                Err(End::Failed(why)) => (Event::default().event("failed").data(why), Phase::Over),
            },
        };
        Some((Ok(event), (phase, id)))
    })
}

fn sse_event(shown: &Shown, id: &str) -> Event {
    let line = std::str::from_utf8(&shown.line).unwrap_or_default();
    let event = Event::default().data(line);
    match shown.cursor {
        Some(cursor) => event.id(format!("{id}-{cursor}")),
        None => event,
    }
}

/// Shows events until one side ends; what the reader sends is not listened to.
async fn talk(mut socket: WebSocket, mut follow: Follow) {
    let reason = loop {
        let shown = tokio::select! {
            shown = follow.next() => shown,
            received = socket.recv() => match received {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        match shown {
            Ok(shown) => {
                let line = std::str::from_utf8(&shown.line).unwrap_or_default();
                if socket.send(Message::text(line)).await.is_err() {
                    return;
                }
            }
            Err(End::Cut { resume }) => break (1_008, format!("too slow; resume with after={resume}")),
            Err(End::Ending) => break (1_001, "the service ends".to_owned()),
            Err(End::Failed(why)) => break (1_011, why),
        }
    };
    let (code, reason) = reason;
    let reason: String = reason.chars().take(120).collect();
    let frame = axum::extract::ws::CloseFrame { code, reason: reason.into() };
    // The reader may be gone.
    let _ = socket.send(Message::Close(Some(frame))).await;
}

//! The commands that speak to a running service: its API from the command line.

mod events;
mod feeds;
mod health;
mod search;

use std::future::Future;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::runtime::Builder;

use crate::cli::{EventsCommand, FeedsCommand, SearchArgs, ServerArgs};
use crate::failure::Failure;
use crate::ingest::{Address, HttpLimits, connect};

/// Most bytes of an answer that is read as a whole.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// `aircheck feeds`.
pub(super) fn feeds(command: &FeedsCommand) -> Result<(), Failure> {
    wait(feeds::run(command))
}

/// `aircheck events`.
pub(super) fn events(command: &EventsCommand) -> Result<(), Failure> {
    wait(events::run(command))
}

/// `aircheck search`.
pub(super) fn search(args: &SearchArgs) -> Result<(), Failure> {
    wait(search::run(args))
}

/// `aircheck health`.
pub(super) fn health(args: &ServerArgs) -> Result<(), Failure> {
    wait(health::run(args))
}

fn wait(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| Failure::Runtime(format!("cannot start: {e}")))?.block_on(command)
}

/// A running service.
struct Server {
    address: Address,
    token: Option<String>,
}

/// A request to it.
struct Ask<'a> {
    method: Method,
    /// Path and query.
    target: &'a str,
    accept: &'static str,
    body: Option<serde_json::Value>,
    /// For Server-Sent Events: go on after this.
    last_event_id: Option<&'a str>,
}

impl<'a> Ask<'a> {
    fn get(target: &'a str) -> Self {
        Self { method: Method::GET, target, accept: "application/json", body: None, last_event_id: None }
    }
}

impl Server {
    fn new(args: &ServerArgs) -> Result<Self, Failure> {
        let address = Address::parse(&args.server).map_err(Failure::usage)?;
        Ok(Self { address, token: args.token.clone() })
    }

    /// Asks, and answers what came with a good status; a bad one is a failure in its own words.
    async fn ask(&self, ask: Ask<'_>) -> Result<hyper::Response<Incoming>, Failure> {
        let unreachable = |error: &dyn std::fmt::Display| {
            Failure::Unreachable(format!("{}: {error}; is `aircheck serve` running?", self.address))
        };
        let io = connect(&self.address, &HttpLimits::default()).await.map_err(|error| unreachable(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(io)).await.map_err(|error| unreachable(&error))?;
        // Its failure is what the answer reports.
        tokio::spawn(async move { drop(connection.await) });
        let response = sender.send_request(self.request(ask)?).await.map_err(|error| unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = String::from_utf8_lossy(&whole(response).await?).into_owned();
        Err(refused(status, &text))
    }

    fn request(&self, ask: Ask<'_>) -> Result<Request<Full<Bytes>>, Failure> {
        let body = ask.body.map(|body| body.to_string()).unwrap_or_default();
        let mut request = Request::builder()
            .method(ask.method)
            .uri(ask.target)
            .header(header::HOST, self.address.authority())
            .header(header::ACCEPT, ask.accept)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(id) = ask.last_event_id {
            request = request.header("last-event-id", id);
        }
        request.body(Full::new(Bytes::from(body))).map_err(Failure::usage)
    }

    /// Asks for a JSON object.
    async fn json(&self, ask: Ask<'_>) -> Result<serde_json::Value, Failure> {
        let bytes = whole(self.ask(ask).await?).await?;
        if bytes.is_empty() {
            return Ok(serde_json::Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| Failure::Runtime(format!("{}: {error}", self.address)))
    }
}

async fn whole(response: hyper::Response<Incoming>) -> Result<Vec<u8>, Failure> {
    let mut body = response.into_body();
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Runtime(format!("the answer broke off: {error}")))?;
        if let Some(bytes) = frame.data_ref() {
            all.extend_from_slice(bytes);
        }
        if all.len() > ANSWER_BYTES_MAX {
            return Err(Failure::Runtime(format!("an answer over {ANSWER_BYTES_MAX} bytes")));
        }
    }
    Ok(all)
}

/// A refusal, in the words of the service.
fn refused(status: StatusCode, text: &str) -> Failure {
    let problem: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let detail = problem.as_ref().and_then(|problem| problem.get("detail")?.as_str());
    let message = detail
        .map_or_else(|| format!("the service answers {status}: {}", printable(text.trim())), str::to_owned);
    if status == StatusCode::UNAUTHORIZED {
        return Failure::Usage(format!("{message} (--token or AIRCHECK_TOKEN)"));
    }
    Failure::Runtime(message)
}

/// A query string of what is there.
fn query(parameters: &[(&str, Option<String>)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

/// Prints a text of somebody else: control characters could steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

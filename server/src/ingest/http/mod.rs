//! A live stream over HTTP: one connection, one request, redirects and playlists followed, time limits on everything
//! until the body begins. Decodes nothing and does not reconnect.

mod address;
pub(super) mod icy;
mod playlist;
mod shim;
mod whole;

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use url::Host;

pub use address::Address;
pub(super) use address::unescaped;
pub(super) use icy::clean;
use shim::IcyShim;
pub(super) use whole::{Order, whole};

use super::hls::{self, ByteRange};

const USER_AGENT: &str = concat!("aircheck/", env!("CARGO_PKG_VERSION"));
/// Longest head of an answer, bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most headers of an answer.
const HEADERS_MAX: usize = 100;
/// Largest piece of a body that is handed over at once, bytes. Bounds the memory of a feed.
pub(super) const PIECE_BYTES_MAX: usize = 32 << 10;

/// How long and how far a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// For name, connection and TLS together.
    pub connect: Duration,
    /// From the request to the end of the answer's head.
    pub header: Duration,
    /// Redirects and playlists that are followed.
    pub redirects: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), header: Duration::from_secs(10), redirects: 5 }
    }
}

/// Why there is no stream.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum HttpError {
    /// It may be there later.
    #[error("{0}")]
    Failed(String),
    /// It may be there later; the server answers, and says that it is not there now.
    #[error("{0}")]
    Answered(String),
    /// A live stream, where a recording was wanted.
    #[error("{0}: a live stream")]
    Live(Address),
    /// It will not get better by waiting.
    #[error("{0}")]
    Refused(String),
}

/// A stream that answers.
pub(crate) struct Response {
    /// Where it came from in the end.
    pub address: Address,
    /// What it says that it is.
    pub content_type: Option<String>,
    /// Bytes between two blocks of metadata; `None` where there are none.
    pub metaint: Option<usize>,
    /// Only some of it, as was asked for.
    is_partial: bool,
    body: Incoming,
    _connection: Connection,
}

/// Drives a connection while it is held.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Response {
    /// The next bytes of the body, at most [`PIECE_BYTES_MAX`]; `None` at its end. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        while let Some(frame) = self.body.frame().await {
            match frame {
                Ok(frame) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Err(error) => return Err(HttpError::Failed(chain(&error))),
            }
        }
        Ok(None)
    }
}

/// What an address leads to.
pub(crate) enum Found {
    /// A stream.
    Stream(Box<Response>),
    /// An HLS playlist.
    Hls(Page),
}

/// The text of an HLS playlist, and where it was in the end.
pub(crate) struct Page {
    pub(crate) address: Address,
    pub(crate) text: String,
}

/// Asks for a stream. Messages never hold the secrets of an address.
pub(crate) async fn open(address: &Address, limits: &HttpLimits) -> Result<Response, HttpError> {
    match find(address, limits).await? {
        Found::Stream(response) => Ok(*response),
        Found::Hls(Page { address, .. }) => Err(HttpError::Refused(format!("{address}: an HLS playlist"))),
    }
}

/// Asks for a stream or an HLS playlist; playlists of other kinds are followed.
pub(crate) async fn find(address: &Address, limits: &HttpLimits) -> Result<Found, HttpError> {
    match walk(address, limits, Wish::Stream).await? {
        Next::Stream(response) => Ok(Found::Stream(response)),
        Next::Hls { address, text } => Ok(Found::Hls(Page { address, text })),
        Next::Address(address) => Err(failed(&address, "no end of redirects")),
    }
}

/// What is wanted of an address.
#[derive(Clone, Copy, Debug)]
enum Wish {
    /// A stream that goes on: playlists lead to it.
    Stream,
    /// All of it, or a part: nothing is looked into.
    Whole(Option<ByteRange>),
}

/// Follows redirects, and playlists where that is wished. Never answers with an address.
async fn walk(address: &Address, limits: &HttpLimits, wish: Wish) -> Result<Next, HttpError> {
    let mut visited = vec![address.clone()];
    let mut address = address.clone();
    let mut authorization = address.authorization();
    loop {
        let response = request(&address, authorization.take(), limits, wish).await?;
        let next = match follow(&address, response, limits, wish).await? {
            Next::Address(next) => next,
            end => return Ok(end),
        };
        if visited.contains(&next) {
            return Err(HttpError::Refused(format!("{address}: redirects in a loop")));
        }
        if visited.len() > limits.redirects {
            return Err(HttpError::Refused(format!("{address}: more than {} redirects", limits.redirects)));
        }
        // Secrets go to the host that they were given for, and to no other.
        authorization = next.authorization().or_else(|| {
            let same = visited.first().filter(|first| first.authority() == next.authority());
            same.filter(|first| first.is_tls() == next.is_tls()).and_then(Address::authorization)
        });
        visited.push(next.clone());
        address = next;
    }
}

enum Next {
    Stream(Box<Response>),
    Hls { address: Address, text: String },
    Address(Address),
}

type Answer = (hyper::Response<Incoming>, Connection);

async fn follow(
    address: &Address,
    (response, connection): Answer,
    limits: &HttpLimits,
    wish: Wish,
) -> Result<Next, HttpError> {
    let status = response.status();
    let headers = response.headers();
    if status.is_redirection() {
        let location = text(headers, &header::LOCATION);
        let location = location.ok_or_else(|| failed(address, &format!("{status} without a Location")))?;
        let next = address.follow(&location).map_err(|what| {
            HttpError::Refused(format!("{address}: redirects to {what}, expected an http or https address"))
        })?;
        return Ok(Next::Address(next));
    }
    if !status.is_success() {
        return Err(status_error(address, status));
    }
    let content_type = text(headers, &header::CONTENT_TYPE);
    let metaint = text(headers, &HeaderName::from_static("icy-metaint")).and_then(|value| value.parse().ok());
    let metaint = metaint.filter(|&bytes| (1..=icy::METAINT_MAX).contains(&bytes));
    let is_partial = status == StatusCode::PARTIAL_CONTENT;
    let body = response.into_body();
    let is_playlist = matches!(wish, Wish::Stream)
        && playlist::is_playlist(content_type.as_deref(), address.extension().as_deref());
    let mut response = Response {
        address: address.clone(),
        content_type,
        metaint,
        is_partial,
        body,
        _connection: connection,
    };
    if !is_playlist {
        return Ok(Next::Stream(Box::new(response)));
    }
    let text = within(limits.header, address, "whole playlist", read_text(&mut response)).await??;
    if playlist::is_hls(&text) {
        return Ok(Next::Hls { address: address.clone(), text });
    }
    let found =
        playlist::first_address(&text).map_err(|what| HttpError::Refused(format!("{address}: {what}")))?;
    let next =
        address.follow(found).map_err(|what| HttpError::Refused(format!("{address}: leads to {what}")))?;
    Ok(Next::Address(next))
}

async fn read_text(response: &mut Response) -> Result<String, HttpError> {
    let mut all = Vec::new();
    while let Some(bytes) = response.next().await? {
        all.extend_from_slice(&bytes);
        if all.len() > hls::BYTES_MAX {
            let what = format!("{}: a playlist over {} bytes", response.address, hls::BYTES_MAX);
            return Err(HttpError::Refused(what));
        }
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

async fn request(
    address: &Address,
    authorization: Option<String>,
    limits: &HttpLimits,
    wish: Wish,
) -> Result<Answer, HttpError> {
    let io = connect(address, limits).await?;
    within(limits.header, address, "answer", ask(address, authorization, wish, io)).await?
}

/// A connection to `address`, encrypted where it says so.
pub(crate) async fn connect(address: &Address, limits: &HttpLimits) -> Result<Box<dyn Stream>, HttpError> {
    let connect = async {
        let tcp = connect_tcp(address).await?;
        let io: Box<dyn Stream> =
            if address.is_tls() { Box::new(connect_tls(address, tcp).await?) } else { Box::new(tcp) };
        Ok(io)
    };
    within(limits.connect, address, "connection", connect).await?
}

async fn ask(
    address: &Address,
    authorization: Option<String>,
    wish: Wish,
    io: Box<dyn Stream>,
) -> Result<Answer, HttpError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(HEADERS_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .read_buf_exact_size(Some(PIECE_BYTES_MAX))
        .ignore_invalid_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .handshake(TokioIo::new(IcyShim::new(io)))
        .await
        .map_err(|error| failed(address, &chain(&error)))?;
    let connection = Connection(tokio::spawn(async move {
        // Its failure is what the body reports.
        let _ = connection.await;
    }));
    let mut request = Request::get(address.target())
        .header(header::HOST, address.authority())
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close");
    request = match wish {
        Wish::Stream => request.header("icy-metadata", "1"),
        Wish::Whole(None) => request,
        Wish::Whole(Some(ByteRange { start, len })) => {
            let last = start.saturating_add(len).saturating_sub(1);
            request.header(header::RANGE, format!("bytes={start}-{last}"))
        }
    };
    if let Some(mut value) = authorization.and_then(|value| HeaderValue::from_str(&value).ok()) {
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| HttpError::Refused(format!("{address}: cannot be asked for: {error}")))?;
    let response = sender.send_request(request).await.map_err(|error| failed(address, &chain(&error)))?;
    Ok((response, connection))
}

async fn connect_tcp(address: &Address) -> Result<TcpStream, HttpError> {
    let port = address.port();
    let connected = match address.host() {
        Some(Host::Domain(name)) => TcpStream::connect((name, port)).await,
        Some(Host::Ipv4(ip)) => TcpStream::connect((ip, port)).await,
        Some(Host::Ipv6(ip)) => TcpStream::connect((ip, port)).await,
        None => return Err(HttpError::Refused(format!("{address}: no host"))),
    };
    let tcp = connected.map_err(|error| failed(address, &format!("cannot connect: {error}")))?;
    tcp.set_nodelay(true).map_err(|error| failed(address, &error.to_string()))?;
    Ok(tcp)
}

async fn connect_tls(address: &Address, tcp: TcpStream) -> Result<impl Stream + use<>, HttpError> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = match CONFIG.get() {
        Some(config) => Arc::clone(config),
        None => {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| HttpError::Refused(format!("{address}: TLS: {error}")))?
                .with_root_certificates(roots)
                .with_no_client_auth();
            Arc::clone(CONFIG.get_or_init(|| Arc::new(config)))
        }
    };
    let name = match address.host() {
        Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).ok(),
        Some(Host::Ipv4(ip)) => Some(ServerName::IpAddress(ip.into())),
        Some(Host::Ipv6(ip)) => Some(ServerName::IpAddress(ip.into())),
        None => None,
    };
    let name = name.ok_or_else(|| HttpError::Refused(format!("{address}: not a name that TLS can check")))?;
    let tls = TlsConnector::from(config).connect(name, tcp).await;
    tls.map_err(|error| failed(address, &format!("TLS: {error}")))
}

/// A connection, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn within<T>(
    limit: Duration,
    address: &Address,
    what: &str,
    future: impl Future<Output = T>,
) -> Result<T, HttpError> {
    timeout(limit, future).await.map_err(|_| failed(address, &format!("no {what} within {limit:?}")))
}

fn status_error(address: &Address, status: StatusCode) -> HttpError {
    let message = format!("{address}: the server answers {status}");
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::GONE => HttpError::Refused(message),
        _ => HttpError::Answered(message),
    }
}

fn failed(address: &Address, what: &str) -> HttpError {
    HttpError::Failed(format!("{address}: {what}"))
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
}

/// An error with its causes, which hyper keeps apart.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

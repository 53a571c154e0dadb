//! One HTTP/1.1 request, a connection each.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use url::{Host, Url};

use crate::failure::Failure;

/// Longest time for a connection, and then for the head of its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most bytes of an answer that is read whole.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A server, and what it has to be told to let us in.
#[derive(Clone, Debug)]
pub(super) struct Server {
    url: Url,
    authorization: Option<HeaderValue>,
}

/// What is asked.
#[derive(Debug, Default)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// Segments of the path below the address.
    pub(super) path: &'a [&'a str],
    pub(super) query: Option<&'a str>,
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// JSON; empty is none.
    pub(super) body: Vec<u8>,
}

/// The answer and its connection, which ends with it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    /// Method and address, for errors.
    asked: String,
    _connection: Connection,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// Nobody there, or not now: it may be otherwise later.
    Away(Failure),
    /// It will be so again.
    Refused(Failure),
}

impl Unanswered {
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Away(failure) | Self::Refused(failure) => failure,
        }
    }
}

impl Server {
    /// The server at `url` (`http://` or `https://`).
    pub(super) fn new(url: &str, token: Option<&str>) -> Result<Self, Failure> {
        let wrong = |why: &str| Failure::Usage(format!("target {url:?}: {why}"));
        let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(wrong("expected http:// or https://"));
        }
        let header = |token: &str| HeaderValue::from_str(&format!("Bearer {token}"));
        let authorization = token.map(header).transpose();
        let authorization = authorization.map_err(|error| Failure::Usage(format!("token: {error}")))?;
        Ok(Self { url: parsed, authorization })
    }

    /// Asks, and waits for the head of the answer, which is a success.
    pub(super) async fn ask(&self, ask: Ask<'_>) -> Result<Answer, Unanswered> {
        let url = self.address(&ask);
        let asked = format!("{} {url}", ask.method);
        let away = |why: String| Unanswered::Away(Failure::runtime(&asked, why));
        let request =
            self.request(&url, ask).map_err(|error| Unanswered::Refused(Failure::runtime(&asked, error)))?;
        let sending = async {
            let (mut sender, connection) = open(&url).await?;
            let response = sender.send_request(request).await.map_err(|error| chain(&error))?;
            Ok::<_, String>((response, connection))
        };
        let answered =
            timeout(PATIENCE, sending).await.map_err(|_| away(format!("no answer in {PATIENCE:?}")))?;
        let (response, connection) = answered.map_err(away)?;
        let answer = Answer { response, asked, _connection: connection };
        if answer.response.status().is_success() { Ok(answer) } else { Err(answer.problem().await) }
    }

    fn address(&self, ask: &Ask<'_>) -> Url {
        let mut url = self.url.clone();
        if !ask.path.is_empty()
            && let Ok(mut path) = url.path_segments_mut()
        {
            path.pop_if_empty().extend(ask.path);
        }
        url.set_query(ask.query);
        url
    }

    fn request(&self, url: &Url, ask: Ask<'_>) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let mut request = Request::builder().method(ask.method).uri(target).header(header::HOST, authority);
        for (name, value) in ask.headers {
            request = request.header(*name, *value);
        }
        if let Some(value) = &self.authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        if !ask.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request.body(Full::from(ask.body))
    }
}

/// Asks for `url`, and fails unless the answer is a success.
pub async fn get(url: &str) -> Result<(), Failure> {
    let mut server = Server::new(url, None)?;
    let query = server.url.query().map(str::to_owned);
    server.url.set_query(None);
    let ask = Ask { query: query.as_deref(), ..Ask::default() };
    server.ask(ask).await.map(drop).map_err(Unanswered::into_failure)
}

impl Answer {
    /// The whole body.
    pub(super) async fn body(self) -> Result<Bytes, Failure> {
        let body = Limited::new(self.response.into_body(), BODY_BYTES_MAX);
        match timeout(PATIENCE, body.collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(Failure::runtime(&self.asked, error)),
            Err(_) => Err(Failure::runtime(&self.asked, format!("no whole answer in {PATIENCE:?}"))),
        }
    }

    /// What an answer that is no success says.
    async fn problem(self) -> Unanswered {
        let status = self.response.status();
        let asked = self.asked.clone();
        let body = self.body().await.unwrap_or_default();
        let said = match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => [vec![problem.detail], problem.errors].concat().join("; "),
            Err(_) => String::from_utf8_lossy(&body).chars().take(200).collect(),
        };
        let failure = Failure::runtime(&asked, format!("{status}: {}", said.trim()));
        match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                Unanswered::Away(failure)
            }
            _ => Unanswered::Refused(failure),
        }
    }
}

/// RFC 9457.
#[derive(Deserialize)]
struct Problem {
    detail: String,
    #[serde(default)]
    errors: Vec<String>,
}

/// The task that moves a connection's bytes, which ends with the value.
#[derive(Debug)]
struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn open(url: &Url) -> Result<(http1::SendRequest<Full<Bytes>>, Connection), String> {
    let tcp = connect(url).await.map_err(|error| format!("cannot connect: {error}"))?;
    tcp.set_nodelay(true).map_err(|error| error.to_string())?;
    let io: Box<dyn Stream> =
        if url.scheme() == "https" { Box::new(encrypted(url, tcp).await?) } else { Box::new(tcp) };
    let (sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(|error| chain(&error))?;
    let moving = tokio::spawn(async move {
        // Its failure is what the body reports.
        let _ended = connection.await;
    });
    Ok((sender, Connection(moving.abort_handle())))
}

async fn connect(url: &Url) -> std::io::Result<TcpStream> {
    let port = url.port_or_known_default().unwrap_or(80);
    match url.host() {
        Some(Host::Domain(name)) => TcpStream::connect((name, port)).await,
        Some(Host::Ipv4(ip)) => TcpStream::connect((ip, port)).await,
        Some(Host::Ipv6(ip)) => TcpStream::connect((ip, port)).await,
        None => Err(std::io::Error::other("no host")),
    }
}

async fn encrypted(url: &Url, tcp: TcpStream) -> Result<impl Stream + use<>, String> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = match CONFIG.get() {
        Some(config) => Arc::clone(config),
        None => {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?
                .with_root_certificates(roots)
                .with_no_client_auth();
            Arc::clone(CONFIG.get_or_init(|| Arc::new(config)))
        }
    };
    let name = match url.host() {
        Some(Host::Domain(name)) => {
            ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?
        }
        Some(Host::Ipv4(ip)) => ServerName::IpAddress(ip.into()),
        Some(Host::Ipv6(ip)) => ServerName::IpAddress(ip.into()),
        None => return Err("no host".into()),
    };
    TlsConnector::from(config).connect(name, tcp).await.map_err(|error| format!("TLS: {error}"))
}

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

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

//! A client of our own: speaks the protocol and checks what holds for every stream.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::service::{SECRET, Service};
use super::support::sample;

/// Longest wait for a message: whatever hangs is an error.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a client's part.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A connection.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) headers: HeaderMap,
    /// What was said, in order.
    pub(crate) messages: Vec<Value>,
    /// When each message came.
    pub(crate) came_at: Vec<Instant>,
}

/// An answer that is no WebSocket.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Client {
    /// Connects with the right secret.
    pub(crate) async fn connect(service: &Service, query: &str) -> Result<Self, Refusal> {
        Self::with_header(service, query, "authorization", &format!("Token {SECRET}")).await
    }

    /// Connects with a header.
    pub(crate) async fn with_header(
        service: &Service,
        query: &str,
        name: &'static str,
        value: &str,
    ) -> Result<Self, Refusal> {
        let mut request =
            format!("ws://{}/v1/listen?{query}", service.address).into_client_request().unwrap();
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        let stream = TcpStream::connect(service.address).await.unwrap();
        match client_async(request, stream).await {
            Ok((socket, response)) => Ok(Self {
                socket,
                headers: response.headers().clone(),
                messages: Vec::new(),
                came_at: Vec::new(),
            }),
            Err(Error::Http(response)) => Err(Refusal {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                body: serde_json::from_slice(response.body().as_deref().unwrap_or_default())
                    .unwrap_or_default(),
            }),
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends audio.
    pub(crate) async fn audio(&mut self, bytes: &[u8]) {
        self.socket.send(Message::Binary(bytes.to_vec().into())).await.unwrap();
    }

    /// Sends audio at the pace of the world, `bytes_per_sec` of it, in messages of 100 ms; listens meanwhile.
    pub(crate) async fn play(&mut self, bytes: &[u8], bytes_per_sec: usize) {
        let start = Instant::now();
        for (piece_idx, piece) in (1..).zip(bytes.chunks(bytes_per_sec / 10)) {
            let due = start + Duration::from_millis(100 * piece_idx);
            loop {
                tokio::select! {
                    () = sleep_until(due) => break,
                    message = self.socket.next() => self.note(message.unwrap().unwrap()),
                }
            }
            self.audio(piece).await;
        }
    }

    /// Says something of this type.
    pub(crate) async fn say(&mut self, name: &str) {
        self.socket.send(Message::Text(json!({ "type": name }).to_string().into())).await.unwrap();
    }

    /// Listens until `enough`, and gives the message that was.
    pub(crate) async fn until(&mut self, mut enough: impl FnMut(&Value) -> bool) -> Value {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("a message in time");
            let n_before = self.messages.len();
            self.note(message.expect("still open").unwrap());
            if let Some(last) = self.messages[n_before..].last().filter(|last| enough(last)) {
                return last.clone();
            }
        }
    }

    fn note(&mut self, message: Message) {
        match message {
            Message::Text(text) => {
                self.came_at.push(Instant::now());
                self.messages.push(serde_json::from_str(text.as_str()).unwrap());
            }
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }

    /// Listens to the last frame: its code and reason.
    pub(crate) async fn end(&mut self) -> (u16, String) {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("an end in time") {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (CloseCode::into(frame.code), frame.reason.to_string());
                }
                Some(Ok(message)) => self.note(message),
                other => panic!("no last frame: {other:?}"),
            }
        }
    }

    /// Closes the stream and listens to its end, which must be a good one; its metadata.
    pub(crate) async fn close(&mut self) -> Value {
        self.say("CloseStream").await;
        assert_eq!(self.end().await, (1_000, String::new()));
        let metadata = self.messages.pop().unwrap();
        assert_eq!(metadata["type"], "Metadata");
        check(&self.messages, &metadata);
        metadata
    }

    /// Results, final or not.
    pub(crate) fn results(&self, is_final: bool) -> Vec<&Value> {
        let is_meant = |m: &&Value| m["type"] == "Results" && m["is_final"] == is_final;
        self.messages.iter().filter(is_meant).collect()
    }

    /// All that was said for good, in lower case.
    pub(crate) fn transcript(&self) -> String {
        let texts = self.results(true).into_iter().map(text).filter(|text| !text.is_empty());
        texts.collect::<Vec<_>>().join(" ").to_lowercase()
    }
}

/// Text of results.
pub(crate) fn text(results: &Value) -> String {
    results["channel"]["alternatives"][0]["transcript"].as_str().unwrap().to_owned()
}

/// Start and end of results, ms.
pub(crate) fn span(results: &Value) -> (i64, i64) {
    let ms = |key: &str| (results[key].as_f64().unwrap() * 1_000.0).round() as i64;
    (ms("start"), ms("start") + ms("duration"))
}

/// What holds for every stream: its finals cover all of it, and no interim is about what a final covers.
pub(crate) fn check(messages: &[Value], metadata: &Value) {
    let n_channels = messages.iter().filter_map(|m| m["channel_index"][1].as_i64()).max().unwrap_or(1);
    for channel in 0..n_channels {
        let mut covered = 0;
        let results = messages.iter().filter(|m| m["type"] == "Results" && m["channel_index"][0] == channel);
        for results in results {
            let (start, end) = span(results);
            assert_eq!(start, covered, "{results}");
            for word in results["channel"]["alternatives"][0]["words"].as_array().unwrap() {
                let (from, to) = (word["start"].as_f64().unwrap(), word["end"].as_f64().unwrap());
                let confidence = word["confidence"].as_f64().unwrap();
                assert!(from <= to && confidence > 0.0 && confidence <= 1.0, "{word}");
                assert!(from * 1e3 >= start as f64 - 1.0 && to * 1e3 <= end as f64 + 1.0, "{results}");
            }
            if results["is_final"] == true {
                covered = end;
            }
        }
        assert_eq!(covered, (metadata["duration"].as_f64().unwrap() * 1_000.0).round() as i64);
    }
}

/// A recording as 16-bit mono samples at 16 kHz, without a header.
pub(crate) fn linear16(name: &str) -> Vec<u8> {
    let dir = super::support::scratch();
    let path = dir.path().join("a.raw");
    super::support::ffmpeg(&["-i", &sample(name), "-ac", "1", "-ar", "16000", "-f", "s16le"], &path);
    std::fs::read(path).unwrap()
}

/// Bytes a second of [`linear16`].
pub(crate) const LINEAR16: usize = 32_000;
/// Its query.
pub(crate) const RAW: &str = "model=nova-3&encoding=linear16&sample_rate=16000&channels=1";

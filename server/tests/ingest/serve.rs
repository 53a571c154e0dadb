//! Servers on the loopback interface that do what a test says, connection by connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use server::ingest::{Address, Audio, BackoffConfig, HttpLimits, IngestError, LiveConfig, Wants};
use tokio::runtime::Runtime;

/// What a server does with a connection whose request it has read.
pub(crate) type Act = Box<dyn Fn(&mut TcpStream) + Send>;

/// A server that lives as long as the test process.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Does one act after the other, the last one again and again. A connection ends when its act returns.
    pub(crate) fn new(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let serve = move || {
            for (n, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let head = read_head(&stream);
                if !head.is_empty() {
                    seen.lock().unwrap().push(head);
                    acts[n.min(acts.len() - 1)](&mut stream);
                }
            }
        };
        thread::Builder::new().name("server".into()).spawn(serve).unwrap();
        Self { at, requests }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }

    /// Heads of the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_head(stream: &TcpStream) -> String {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while reader.read_line(&mut head).is_ok_and(|n| n > 2) {}
    head
}

/// Sends bytes; a listener that went away is no failure.
pub(crate) fn send(bytes: impl Into<Vec<u8>>) -> Act {
    let bytes = bytes.into();
    Box::new(move |stream| {
        let _ = stream.write_all(&bytes);
    })
}

/// Sends bytes and then nothing, until the listener goes away.
pub(crate) fn send_and_hang(bytes: impl Into<Vec<u8>>) -> Act {
    let bytes = bytes.into();
    Box::new(move |stream| {
        let _ = stream.write_all(&bytes);
        wait_for_end(stream);
    })
}

/// Waits until the other side closes.
pub(crate) fn wait_for_end(stream: &mut TcpStream) {
    let mut rest = [0; 512];
    while stream.read(&mut rest).is_ok_and(|n| n > 0) {}
}

/// An answer with a body that goes on until the connection closes.
pub(crate) fn stream_of(content_type: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n").as_bytes(), body].concat()
}

/// Short waits, so that tests need not.
pub(crate) fn quick(reconnect: bool) -> LiveConfig {
    LiveConfig {
        wants: Wants::Anything,
        http: HttpLimits {
            connect: Duration::from_secs(5),
            header: Duration::from_millis(400),
            ..HttpLimits::default()
        },
        reconnect,
        first_attempts: Some(2),
        backoff: BackoffConfig {
            min: Duration::from_millis(1),
            first: Duration::from_millis(2),
            max: Duration::from_millis(20),
        },
        stalled_after: Duration::from_millis(100),
        dead_after: Duration::from_millis(300),
        undecodable_after: Duration::from_secs(5),
    }
}

/// A stream that is received on a runtime of its own. The runtime must outlive it.
pub(crate) fn listen(url: &str, config: LiveConfig) -> (Result<Audio, IngestError>, Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let audio =
        Address::parse(url).and_then(|address| Audio::from_stream(&address, config, runtime.handle()));
    (audio, runtime)
}

//! A port with one mount behind it, and what was brought there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use server::ingest::mount::{self, Auth, Door, MountLimits};
use server::ingest::{Audio, LiveConfig};
use server::service::Docks;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// `source:secret`.
pub(crate) const BASIC: &str = "Authorization: Basic c291cmNlOnNlY3JldA==\r\n";

/// Short waits, so that tests need not.
pub(crate) fn quick() -> LiveConfig {
    LiveConfig {
        stalled_after: Duration::from_millis(200),
        dead_after: Duration::from_secs(20),
        ..LiveConfig::default()
    }
}

/// Listens as the service does. The feed hears until the rig is dropped.
pub(crate) struct Rig {
    pub(crate) at: SocketAddr,
    pub(crate) audio: Audio,
    pub(crate) _runtime: Runtime,
}

impl Rig {
    /// A mount at `path` that the password `secret` opens.
    pub(crate) fn new(path: &str, config: LiveConfig, limits: MountLimits) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (audio, dock) = Audio::from_dock(&format!("mount:{path}"), config, runtime.handle()).unwrap();
        let docks = Arc::new(Docks::default());
        docks.open(path, "feed".parse().unwrap(), dock);
        let auth: Auth = Arc::new(|given| given.is_some_and(|(_, password)| password == "secret"));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let at = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let (docks, auth) = (Arc::clone(&docks), Arc::clone(&auth));
                tokio::spawn(async move {
                    match mount::peek(&stream, tokio::time::Instant::now() + limits.head).await {
                        Door::Mount => mount::serve(stream, peer, docks, auth, limits).await,
                        Door::Api => {
                            let _ = stream.try_read(&mut [0; 1_024]);
                            let _ = stream.try_write(b"HTTP/1.0 200 the API\r\n\r\n");
                        }
                        Door::Nobody => {}
                    }
                });
            }
        });
        Self { at, audio, _runtime: runtime }
    }

    /// A mount at `/live` with the usual limits.
    pub(crate) fn usual() -> Self {
        Self::new("/live", quick(), MountLimits::default())
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// The answer to a whole request, until the mount closes.
    pub(crate) fn ask(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_ref()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// An encoder that was let in.
    pub(crate) fn encoder(&self) -> TcpStream {
        let mut stream = self.connect();
        let head = format!("SOURCE /live HTTP/1.0\r\n{BASIC}Content-Type: audio/mpeg\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let answer = head_of(&mut stream);
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
        stream
    }
}

/// The head of an answer, and not a byte more.
pub(crate) fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

//! A server that says what was recorded, and keeps the manners of its protocol: it fails the connection of a client that does
//! not.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// A message, and how much audio the server had been sent before it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Frame {
    after_s: f64,
    pub(crate) says: String,
}

impl Frame {
    pub(crate) fn read(lines: &str) -> Vec<Self> {
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// Samples of four bytes after its first message; closes after the goodbye.
    WhisperLive,
    /// Samples of two bytes; answers the goodbye and closes.
    Vosk,
}

/// See the module. Ends when dropped.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

impl Fake {
    pub(crate) fn start(manners: Manners, frames: Vec<Frame>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, manners, frames.clone().into()));
            }
        });
        Self { address, _runtime: runtime }
    }
}

async fn talk(stream: TcpStream, manners: Manners, mut frames: VecDeque<Frame>) {
    // The load test looks first whether anybody is there.
    let Ok(mut socket) = accept_async(stream).await else { return };
    let Some(Ok(Message::Text(greeting))) = socket.next().await else { return };
    let options: Value = serde_json::from_str(&greeting).unwrap();
    let (sample_bytes, goodbye) = match manners {
        Manners::WhisperLive => {
            for name in ["uid", "language", "task", "model", "use_vad"] {
                assert!(options.get(name).is_some(), "{name} is missing: {options}");
            }
            (4, Message::binary(&b"END_OF_AUDIO"[..]))
        }
        Manners::Vosk => {
            assert_eq!(options["config"]["sample_rate"], 16_000, "{options}");
            (2, Message::text(r#"{"eof" : 1}"#))
        }
    };
    let mut n_samples = 0;
    loop {
        let heard = n_samples as f64 / 16_000.0;
        while let Some(frame) = frames.pop_front_if(|frame| frame.after_s <= heard) {
            socket.send(Message::text(frame.says)).await.unwrap();
        }
        match socket.next().await {
            Some(Ok(message)) if message == goodbye => break,
            Some(Ok(Message::Binary(audio))) => n_samples += audio.len() / sample_bytes,
            other => panic!("{other:?}"),
        }
    }
    if manners == Manners::Vosk {
        socket.send(Message::text("{\n  \"text\" : \"\"\n}")).await.unwrap();
    }
    let _ = socket.close(None).await;
}

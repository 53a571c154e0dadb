//! A WebSocket protocol for live audio: one connection a feed, audio one way, text the other.

use bytes::Bytes;
use engine::time::SampleRate;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::Request;

use crate::failure::Failure;
use crate::truth::Observation;

/// What a message of the server means.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Audio may be sent now (for dialects that wait for it).
    Ready,
    /// Something about the audio.
    Told(Observation),
    /// Nothing that matters here.
    Nothing,
    /// There will be no more.
    Over,
    /// The server refuses, or failed: why.
    Failed(String),
}

/// How to speak to one kind of server. One value a connection: it may remember what was said.
pub trait Dialect: Send {
    /// The request that opens the connection for mono audio of `rate`.
    fn request(&self, rate: SampleRate) -> Result<Request<()>, Failure>;

    /// Messages before any audio, once the connection is open.
    fn greeting(&self) -> Vec<Message> {
        Vec::new()
    }

    /// Whether audio has to wait for [`Said::Ready`].
    fn waits(&self) -> bool {
        false
    }

    /// Samples as they are sent.
    fn audio(&self, samples: &[i16]) -> Bytes;

    /// Messages after the last audio.
    fn goodbye(&self) -> Vec<Message>;

    /// What a text message means; one may tell several things. Positions are media time of the connection.
    fn hear(&mut self, text: &str) -> Vec<Said>;
}

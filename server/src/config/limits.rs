//! `[limits]`: how much the service takes from anybody. Enforces nothing itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much the service takes from anybody. What goes beyond is refused with a status and a reason, and counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Time for the head of a request to arrive, and for which a connection may be idle before it, s.
    #[schema(minimum = 1, maximum = 600)]
    pub header_secs: u64,
    /// Longest head of a request, bytes.
    #[schema(minimum = 8_192, maximum = 1_048_576)]
    pub header_bytes: usize,
    /// Time for the body of a request to arrive, s. Audio that is pushed has no such limit.
    #[schema(minimum = 1, maximum = 600)]
    pub body_secs: u64,
    /// Longest body of a request, bytes. Audio that is pushed has no such limit.
    #[schema(minimum = 1_024, maximum = 104_857_600)]
    pub body_bytes: usize,
    /// Connections at a time. Where all are taken, one that has not said yet what it wants gives way to one that comes.
    #[schema(minimum = 1, maximum = 65_535)]
    pub connections: usize,
    /// Connections at a time from one client address. Where all are taken, the same holds among these.
    #[schema(minimum = 1, maximum = 65_535)]
    pub connections_per_address: usize,
    /// Requests a second from one client address, on average.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub requests_per_sec: u32,
    /// Requests from one client address that may come at once.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub requests_burst: u32,
    /// Clients that follow events at a time, over SSE and WebSockets.
    #[schema(minimum = 1, maximum = 65_535)]
    pub event_clients: usize,
    /// Events by which a client that follows them may be behind. Then it is cut, and told where to go on.
    #[schema(minimum = 16, maximum = 1_000_000)]
    pub event_lag_max: usize,
    /// Guests at a time: feeds that live as long as the WebSocket that brings their audio.
    #[schema(minimum = 0, maximum = 10_000)]
    pub guests: usize,
    /// Longest message on a WebSocket, bytes.
    #[schema(minimum = 1_024, maximum = 16_777_216)]
    pub message_bytes: usize,
    /// Feeds, paused ones and guests included.
    #[schema(minimum = 1, maximum = 10_000)]
    pub feeds: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_secs: 10,
            header_bytes: 16_384,
            body_secs: 30,
            body_bytes: 1_048_576,
            connections: 1_024,
            connections_per_address: 128,
            requests_per_sec: 50,
            requests_burst: 200,
            event_clients: 256,
            event_lag_max: 1_000,
            guests: 32,
            message_bytes: 1_048_576,
            feeds: 256,
        }
    }
}

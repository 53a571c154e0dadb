//! What clients speak to the service over HTTP and WebSocket. Decides nothing about feeds.

pub mod listen;

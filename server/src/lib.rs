//! The program `aircheck`: command line, ingest, publishing, sinks. The only room that knows tokio, files and sockets.

#![forbid(unsafe_code)]

pub mod api;
mod bridge;
pub mod captions;
pub mod cli;
pub mod commands;
pub mod config;
pub mod failure;
pub mod feed;
pub mod fetch;
pub mod host;
pub mod ingest;
pub mod journal;
pub mod output;
pub mod publish;
pub mod pump;
pub mod recognise;
pub mod run;
pub mod service;
pub mod sinks;
pub mod slo;
pub mod summary;
pub mod telemetry;

//! Ingest from the outside: every format against ffmpeg, damaged and hostile files, live streams from servers that
//! misbehave, and a real Icecast. All traffic stays on the loopback interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod damage;
mod exec;
mod faults;
mod formats;
#[path = "../support/free.rs"]
mod free;
mod hls;
mod hls_hostile;
mod hostile;
mod icecast;
mod live;
mod nginx;
mod reconnect;
mod redirects;
mod robustness;
mod rtp;
mod serve;
mod stalls;
mod stops;
mod support;

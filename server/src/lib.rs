//! The program `aircheck`: command line, ingest, sinks.
#![forbid(unsafe_code)]

pub mod ingest;

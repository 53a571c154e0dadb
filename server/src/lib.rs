//! The program `aircheck`: command line, ingest, sinks.

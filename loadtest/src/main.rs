//! The program `aircheck-loadtest`: parses the command line, runs the mode, ends with the verdict's exit code.

#![forbid(unsafe_code)]

fn main() {}

//! What a run leaves behind: report.json, .hgrm and .hlog, one HTML page, the terminal.

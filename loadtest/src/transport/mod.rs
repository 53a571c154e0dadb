//! Ways for audio to reach a server.

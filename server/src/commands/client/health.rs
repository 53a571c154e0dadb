//! `aircheck health`: whether a running service lives and is ready, for who restarts it when it is not.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::{Ask, Server, printable, whole};
use crate::cli::ServerArgs;
use crate::commands::print;
use crate::failure::Failure;

/// A service that takes longer to say that it is well is not.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(args: &ServerArgs) -> Result<(), Failure> {
    let server = Server::new(args)?;
    let asked = timeout(PATIENCE, ask(&server)).await;
    let ready = asked.map_err(|_| Failure::Unreachable(format!("no answer within {PATIENCE:?}")))??;
    print(format!("{}\n", told(&ready)).as_bytes())
}

/// Both questions: what is stuck may still be ready.
async fn ask(server: &Server) -> Result<Value, Failure> {
    whole(server.ask(Ask::get("/livez")).await?).await?;
    server.json(Ask::get("/readyz")).await
}

/// A line for people: `degraded, 2 feeds live, 1 down; the journal: disk full`.
fn told(ready: &Value) -> String {
    let mut text = ready.get("status").and_then(Value::as_str).map_or_else(String::new, printable);
    for (state, n) in ready.get("feeds").and_then(Value::as_object).into_iter().flatten() {
        text.push_str(&format!(", {n} {}", printable(state)));
    }
    if let Some(why) = ready.get("journal").and_then(Value::as_str) {
        text.push_str(&format!("; the journal: {}", printable(why)));
    }
    text
}

#[test]
fn a_line_says_how_it_is() {
    let ready = serde_json::json!({ "status": "degraded", "journal": "disk full", "feeds": { "down": 1, "live": 2 } });
    assert_eq!(told(&ready), "degraded, 1 down, 2 live; the journal: disk full");
    assert_eq!(told(&serde_json::json!({ "status": "ready" })), "ready");
}

//! `aircheck events`: those of now, and those of then, one JSON object a line.

use std::time::Duration;

use futures_util::stream::{Stream, StreamExt, unfold};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{Ask, Server, query, whole};
use crate::cli::{EventsCommand, ReplayArgs, WhichEvents};
use crate::commands::print;
use crate::failure::Failure;

/// Wait before a connection that broke is made again.
const AGAIN: Duration = Duration::from_secs(1);
/// Longest line of a stream of events, bytes.
const LINE_BYTES_MAX: usize = 4 << 20;

pub(super) async fn run(command: &EventsCommand) -> Result<(), Failure> {
    match command {
        EventsCommand::Tail(args) => tail(args).await,
        EventsCommand::Replay(args) => replay(args).await,
    }
}

/// Prints what becomes visible, for ever; over broken connections without a hole.
async fn tail(args: &WhichEvents) -> Result<(), Failure> {
    let server = Server::new(&args.server)?;
    let target = format!("/v1/events?{}", query(&chosen(args)));
    let mut last = args.after.clone();
    let mut was_connected = false;
    loop {
        let ask = Ask { accept: "text/event-stream", last_event_id: last.as_deref(), ..Ask::get(&target) };
        match server.ask(ask).await {
            Ok(response) => {
                was_connected = true;
                let mut lines = Box::pin(lines(response.into_body()));
                while let Some(line) = lines.next().await {
                    take(&line, &mut last)?;
                }
            }
            Err(Failure::Unreachable(why)) if was_connected => tracing::warn!("{why}"),
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The parameters that choose events.
fn chosen(which: &WhichEvents) -> [(&'static str, Option<String>); 2] {
    let list = |list: &[String]| (!list.is_empty()).then(|| list.join(","));
    [("feed", list(&which.feed)), ("type", list(&which.kind))]
}

/// One line of a stream of Server-Sent Events.
fn take(line: &str, last: &mut Option<String>) -> Result<(), Failure> {
    match line.split_once(": ").or_else(|| line.split_once(':')) {
        Some(("data", data)) if data.starts_with('{') => print(format!("{data}\n").as_bytes()),
        Some(("data", note)) if !note.is_empty() => {
            tracing::warn!("{note}");
            Ok(())
        }
        Some(("id", id)) => {
            *last = Some(id.to_owned());
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The lines of a body, until it ends or breaks.
fn lines(body: Incoming) -> impl Stream<Item = String> {
    unfold((body, Vec::new()), |(mut body, mut held)| async move {
        loop {
            if let Some(end) = held.iter().position(|&byte| byte == b'\n') {
                let rest = held.split_off(end + 1);
                let line = String::from_utf8_lossy(&held).trim_end().to_owned();
                return Some((line, (body, rest)));
            }
            let frame = body.frame().await?.ok()?;
            if let Some(bytes) = frame.data_ref() {
                held.extend_from_slice(bytes);
            }
            if held.len() > LINE_BYTES_MAX {
                return None;
            }
        }
    })
}

/// Prints a range, page by page.
async fn replay(args: &ReplayArgs) -> Result<(), Failure> {
    let server = Server::new(&args.which.server)?;
    let mut after = args.which.after.clone();
    loop {
        let [feeds, kinds] = chosen(&args.which);
        let parameters = [
            feeds,
            kinds,
            ("from", args.from.clone()),
            ("to", args.to.clone()),
            ("after", after.clone()),
            ("limit", Some("10000".to_owned())),
        ];
        let target = format!("/v1/events?{}", query(&parameters));
        let response = server.ask(Ask { accept: "application/x-ndjson", ..Ask::get(&target) }).await?;
        let next = response.headers().get("aircheck-next").and_then(|value| value.to_str().ok());
        let next = next.map(str::to_owned);
        let page = whole(response).await?;
        if page.is_empty() {
            return Ok(());
        }
        print(&page)?;
        if next.is_none() || next == after {
            return Ok(());
        }
        after = next;
    }
}

//! `aircheck feeds`: adds, lists, pauses and removes feeds of a running service.

use hyper::Method;
use serde_json::{Value, json};

use super::{Ask, Server, printable};
use crate::cli::{FeedAddArgs, FeedArgs, FeedsCommand};
use crate::commands::print;
use crate::failure::Failure;

pub(super) async fn run(command: &FeedsCommand) -> Result<(), Failure> {
    match command {
        FeedsCommand::List { server, json } => list(&Server::new(server)?, *json).await,
        FeedsCommand::Add(args) => add(args).await,
        FeedsCommand::Remove(FeedArgs { server, name }) => {
            let target = format!("/v1/feeds/{name}");
            Server::new(server)?.json(Ask { method: Method::DELETE, ..Ask::get(&target) }).await?;
            print(format!("{name}: removed; its events stay\n").as_bytes())
        }
        FeedsCommand::Pause(feed) => turn(feed, "pause", "paused").await,
        FeedsCommand::Resume(feed) => turn(feed, "resume", "goes on").await,
    }
}

async fn turn(FeedArgs { server, name }: &FeedArgs, verb: &str, done: &str) -> Result<(), Failure> {
    let target = format!("/v1/feeds/{name}/{verb}");
    Server::new(server)?.json(Ask { method: Method::POST, ..Ask::get(&target) }).await?;
    print(format!("{name}: {done}\n").as_bytes())
}

async fn add(args: &FeedAddArgs) -> Result<(), Failure> {
    let mut spec = json!({ "name": args.name, "source": args.source, "keywords": args.keyword });
    if let Some(spec) = spec.as_object_mut() {
        let optional = [
            ("priority", args.priority.map(Value::from)),
            ("profile", args.profile.clone().map(Value::from)),
            ("pace", args.free.then(|| Value::from("free"))),
        ];
        spec.extend(optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
    let ask = Ask { method: Method::POST, body: Some(spec), ..Ask::get("/v1/feeds") };
    Server::new(&args.server)?.json(ask).await?;
    print(format!("{}: added\n", args.name).as_bytes())
}

async fn list(server: &Server, as_json: bool) -> Result<(), Failure> {
    let answer = server.json(Ask::get("/v1/feeds")).await?;
    if as_json {
        return print(format!("{answer:#}\n").as_bytes());
    }
    let none = Vec::new();
    let feeds = answer.get("feeds").and_then(Value::as_array).unwrap_or(&none);
    let mut text = format!("{:<24} {:<12} {:>9} {:>9}  {}\n", "FEED", "STATE", "COVERAGE", "LAG", "SOURCE");
    for feed in feeds {
        let status = feed.get("status").unwrap_or(&Value::Null);
        let field =
            |of: &Value, key: &str| of.get(key).and_then(Value::as_str).map_or(String::new(), printable);
        let state = if feed.get("paused") == Some(&Value::Bool(true)) {
            "paused".into()
        } else {
            field(status, "state")
        };
        let coverage = status.get("coverage").and_then(Value::as_f64).unwrap_or(0.0) * 100.0;
        let lag = status.get("lag_ms").and_then(Value::as_u64).unwrap_or(0);
        let (name, source, reason) = (field(feed, "name"), field(feed, "source"), field(status, "reason"));
        let reason = if reason.is_empty() { reason } else { format!("  ({reason})") };
        text.push_str(&format!("{name:<24} {state:<12} {coverage:>7.2} % {lag:>6} ms  {source}{reason}\n"));
    }
    print(text.as_bytes())
}

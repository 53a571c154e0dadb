//! `aircheck search`: who said it, where and when.

use serde_json::Value;

use super::{Ask, Server, printable, query};
use crate::cli::SearchArgs;
use crate::commands::print;
use crate::failure::Failure;

pub(super) async fn run(args: &SearchArgs) -> Result<(), Failure> {
    let parameters = [
        ("q", Some(args.query.join(" "))),
        ("feed", (!args.feed.is_empty()).then(|| args.feed.join(","))),
        ("from", args.from.clone()),
        ("to", args.to.clone()),
        ("limit", args.limit.map(|limit| limit.to_string())),
    ];
    let target = format!("/v1/search?{}", query(&parameters));
    let answer = Server::new(&args.server)?.json(Ask::get(&target)).await?;
    if args.json {
        return print(format!("{answer:#}\n").as_bytes());
    }
    let none = Vec::new();
    let hits = answer.get("hits").and_then(Value::as_array).unwrap_or(&none);
    let mut text = String::new();
    for hit in hits {
        let field = |key: &str| hit.get(key).and_then(Value::as_str).map_or(String::new(), printable);
        text.push_str(&format!("{}  {:<20} {}\n", field("time"), field("feed"), field("text")));
    }
    if hits.is_empty() {
        text.push_str("nothing found\n");
    }
    print(text.as_bytes())
}

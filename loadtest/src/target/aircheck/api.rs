//! What is asked of Aircheck: whether it is ready, feeds, events.

use std::time::{Duration, Instant};

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Follow;
use super::http::{Ask, Server, Unanswered};
use crate::failure::Failure;

/// Between two questions whether it is ready.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// The API of one Aircheck.
#[derive(Clone, Debug)]
pub struct Api {
    server: Server,
}

/// A feed to be added.
#[derive(Clone, Debug, Serialize)]
pub struct NewFeed<'a> {
    /// Its name in events and addresses: no two alike.
    pub name: &'a str,
    /// `http://…`, `https://…` (pulled) or `mount:/path` (pushed).
    pub source: &'a str,
    /// Further keys: `profile`, `priority` ...
    #[serde(flatten)]
    pub more: &'a Map<String, Value>,
}

/// What an Aircheck that is ready says of itself, as far as it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Readiness {
    /// Its version.
    pub version: Option<String>,
    /// Its speech model; none where nothing is recognised.
    pub model: Option<String>,
}

impl Api {
    /// Of the server at `url` (`http://` or `https://`), which is told `token` if there is one.
    pub fn new(url: &str, token: Option<&str>) -> Result<Self, Failure> {
        Ok(Self { server: Server::new(url, token)? })
    }

    /// Waits until the server is ready, at most `patience`; what it then says of itself.
    pub async fn ready(&self, patience: Duration) -> Result<Readiness, Failure> {
        let begun = Instant::now();
        loop {
            match self.server.ask(Ask { path: &["readyz"], ..Ask::default() }).await {
                // Another server of the same protocol may say nothing of itself.
                Ok(answer) => return Ok(serde_json::from_slice(&answer.body().await?).unwrap_or_default()),
                Err(Unanswered::Refused(failure)) => return Err(failure),
                Err(Unanswered::Away(failure)) if begun.elapsed() >= patience => return Err(failure),
                Err(Unanswered::Away(_)) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    /// Adds a feed. The server keeps it over a restart, until [`Self::remove_feed`].
    pub async fn add_feed(&self, feed: &NewFeed<'_>) -> Result<(), Failure> {
        let body = serde_json::to_vec(feed).map_err(|error| Failure::runtime("a feed", error))?;
        let ask = Ask { method: Method::POST, path: &["v1", "feeds"], body, ..Ask::default() };
        self.change(ask).await
    }

    /// Removes a feed; its events stay.
    pub async fn remove_feed(&self, name: &str) -> Result<(), Failure> {
        self.change(Ask { method: Method::DELETE, path: &["v1", "feeds", name], ..Ask::default() }).await
    }

    /// The events of all feeds from now on: those of feeds that are added once this has returned are all there. A
    /// connection that breaks is made again for `patience`.
    pub async fn follow(&self, patience: Duration) -> Result<Follow, Failure> {
        Follow::new(self.server.clone(), patience).await
    }

    async fn change(&self, ask: Ask<'_>) -> Result<(), Failure> {
        self.server.ask(ask).await.map_err(Unanswered::into_failure)?.body().await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::aircheck::get;
    use crate::target::aircheck::scripted::{answer, server};

    #[tokio::test]
    async fn feeds_are_added_and_removed() {
        let created = answer("201 Created", "application/json", "{}");
        let (url, requests) = server(vec![created, answer("204 No Content", "", "")]).await;
        let api = Api::new(&format!("{url}/below/"), Some("s3cret")).unwrap();
        let more = Map::from_iter([("profile".to_owned(), Value::from("levels"))]);
        let feed = NewFeed { name: "load 1", source: "http://127.0.0.1:9/1", more: &more };
        api.add_feed(&feed).await.unwrap();
        api.remove_feed("load 1").await.unwrap();
        let requests = requests.await.unwrap();
        assert!(requests[0].starts_with("POST /below/v1/feeds HTTP/1.1\r\n"), "{}", requests[0]);
        assert!(requests[0].contains("authorization: Bearer s3cret\r\n"), "{}", requests[0]);
        assert!(requests[0].contains("content-type: application/json\r\n"), "{}", requests[0]);
        let (_, body) = requests[0].split_once("\r\n\r\n").unwrap();
        assert_eq!(body, r#"{"name":"load 1","source":"http://127.0.0.1:9/1","profile":"levels"}"#);
        assert!(requests[1].starts_with("DELETE /below/v1/feeds/load%201 HTTP/1.1\r\n"), "{}", requests[1]);
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_address_status_and_reason() {
        let problem = r#"{"status":422,"title":"x","detail":"profile: there is none","errors":["a","b"]}"#;
        let refusals = vec![answer("422 Unprocessable Entity", "application/problem+json", problem)];
        let (url, _requests) = server(refusals).await;
        let api = Api::new(&url, None).unwrap();
        let feed = NewFeed { name: "a", source: "b", more: &Map::new() };
        let error = api.add_feed(&feed).await.unwrap_err().to_string();
        assert_eq!(
            error,
            format!("POST {url}/v1/feeds: 422 Unprocessable Entity: profile: there is none; a; b")
        );
        let error = api.add_feed(&feed).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("POST {url}/v1/feeds: cannot connect: ")), "{error}");
    }

    #[tokio::test]
    async fn an_address_is_asked_for_as_it_stands() {
        let answers = vec![answer("200 OK", "", "ok"), answer("404 Not Found", "", "")];
        let (url, requests) = server(answers).await;
        get(&format!("{url}/is/up/?deep=1")).await.unwrap();
        assert!(get(&url).await.unwrap_err().to_string().contains("404 Not Found"));
        let requests = requests.await.unwrap();
        assert!(requests[0].starts_with("GET /is/up/?deep=1 HTTP/1.1\r\n"), "{}", requests[0]);
        assert!(requests[1].starts_with("GET / HTTP/1.1\r\n"), "{}", requests[1]);
    }

    #[tokio::test]
    async fn ready_waits_for_one_that_is_not_yet() {
        let ending = answer("503 Service Unavailable", "application/json", r#"{"status":"ending"}"#);
        let ready = r#"{"status":"ready","version":"0.4.0","model":"tiny.en-q8_0","feeds":{}}"#;
        let (url, requests) = server(vec![ending.clone(), answer("200 OK", "", ready)]).await;
        let said = Api::new(&url, None).unwrap().ready(Duration::from_secs(600)).await.unwrap();
        assert_eq!((said.version.as_deref(), said.model.as_deref()), (Some("0.4.0"), Some("tiny.en-q8_0")));
        assert_eq!(requests.await.unwrap().len(), 2);
        let (url, _requests) = server(vec![answer("200 OK", "", "ok")]).await;
        let said = Api::new(&url, None).unwrap().ready(Duration::ZERO).await.unwrap();
        assert_eq!(said, Readiness::default());

        let (url, _requests) = server(vec![ending]).await;
        let error = Api::new(&url, None).unwrap().ready(Duration::ZERO).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("GET {url}/readyz: 503 ")), "{error}");
        let (url, _requests) = server(vec![answer("404 Not Found", "", "what?")]).await;
        let error =
            Api::new(&url, None).unwrap().ready(Duration::from_secs(600)).await.unwrap_err().to_string();
        assert_eq!(error, format!("GET {url}/readyz: 404 Not Found: what?"));
    }
}

//! The events of all feeds as they come, over connections that may break.

use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::{sleep, timeout_at};

use super::event::{Told, read};
use super::http::{Answer, Ask, Server, Unanswered};
use super::sse::Parser;
use super::stages::Stages;
use crate::failure::Failure;

/// Pauses between tries to connect again, each twice the one before; the first try is made at once. A connection that
/// lasts as long as the longest is a good one.
const PAUSE_MIN: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A stream that is silent for longer is dead: Aircheck gives a sign of life every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Most bytes of one event.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// The events of all feeds. Durable events are all told, and each once, even if the connection broke,
/// the server was killed or we were too slow; partials that were told while there was no connection are lost.
pub struct Follow {
    server: Server,
    patience: Duration,
    answer: Option<Answer>,
    parser: Parser,
    place: Option<Place>,
    /// When the bytes came that are being read.
    at: Instant,
    /// The try to connect that goes on.
    again: Option<Again>,
    /// When the last connection was made.
    connected: Instant,
    /// Since when there is no connection that tells anything, and how often one was tried.
    broken: Option<(Instant, u32)>,
    n_breaks: u64,
    stages: Stages,
}

type Again = Pin<Box<dyn Future<Output = Result<Answer, Unanswered>> + Send>>;

/// Place of a durable event in a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    journal: String,
    cursor: u64,
}

impl Place {
    fn parse(id: &str) -> Option<Self> {
        let (journal, cursor) = id.rsplit_once('-')?;
        Some(Self { journal: journal.to_owned(), cursor: cursor.parse().ok()? })
    }

    /// Whether it is new to somebody who was told up to `last`.
    fn is_after(&self, last: Option<&Self>) -> bool {
        last.is_none_or(|last| last.journal != self.journal || last.cursor < self.cursor)
    }
}

impl Follow {
    pub(super) async fn new(server: Server, patience: Duration) -> Result<Self, Failure> {
        let answer = ask(&server, None, None).await.map_err(Unanswered::into_failure)?;
        Ok(Self {
            server,
            patience,
            answer: Some(answer),
            parser: Parser::default(),
            place: None,
            at: Instant::now(),
            again: None,
            connected: Instant::now(),
            broken: None,
            n_breaks: 0,
            stages: Stages::default(),
        })
    }

    /// The next event; fails when there was no connection for too long, or will be none. Dropping the future loses
    /// nothing, and a connection that is being made goes on being made.
    pub async fn next(&mut self) -> Result<Told, Failure> {
        loop {
            if let Some(told) = self.read()? {
                return Ok(told);
            }
            match self.receive().await? {
                Some(bytes) => {
                    self.at = Instant::now();
                    self.parser.push(&bytes);
                }
                None => self.lose(),
            }
        }
    }

    /// How often the connection broke.
    #[must_use]
    pub const fn n_breaks(&self) -> u64 {
        self.n_breaks
    }

    /// Where the time of the events went since this was last asked.
    pub fn take_stages(&mut self) -> Stages {
        std::mem::take(&mut self.stages)
    }

    /// The next event among the bytes that are here.
    fn read(&mut self) -> Result<Option<Told>, Failure> {
        while let Some(message) = self.parser.next() {
            let place = message.id.and_then(Place::parse);
            if place.as_ref().is_some_and(|place| !place.is_after(self.place.as_ref())) {
                continue;
            }
            if message.name.is_empty() && !message.data.is_empty() {
                let told = read(&message.data, self.at, &mut self.stages);
                let told = told.map_err(|error| {
                    let line = String::from_utf8_lossy(&message.data);
                    Failure::Runtime(format!(
                        "not an event ({error}): {}",
                        line.chars().take(200).collect::<String>()
                    ))
                })?;
                self.place = place.or_else(|| self.place.take());
                self.broken = None;
                return Ok(Some(told));
            }
            // `cut`, `reset`, `failed`: the server closes the connection where it has to, and we come back.
            self.place = place.or_else(|| self.place.take());
        }
        if self.parser.n_waiting() > EVENT_BYTES_MAX {
            return Err(Failure::Runtime(format!("an event of more than {EVENT_BYTES_MAX} bytes")));
        }
        Ok(None)
    }

    /// More bytes. `None`: the connection broke.
    async fn receive(&mut self) -> Result<Option<Bytes>, Failure> {
        let silent = self.at + SILENCE_MAX;
        let answer = match &mut self.answer {
            Some(answer) => answer,
            None => self.connect().await?,
        };
        loop {
            match timeout_at(silent.into(), answer.response.body_mut().frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Ok(Some(Err(_)) | None) | Err(_) => return Ok(None),
            }
        }
    }

    /// Forgets the connection, and what came of an event that is not whole.
    fn lose(&mut self) {
        self.answer = None;
        self.parser.clear();
        self.n_breaks += 1;
        if self.connected.elapsed() >= PAUSE_MAX {
            self.broken = None;
        }
    }

    async fn connect(&mut self) -> Result<&mut Answer, Failure> {
        loop {
            let answer = self.try_again().await;
            self.again = None;
            match (answer, self.broken) {
                (Ok(answer), _) => {
                    (self.connected, self.at) = (Instant::now(), Instant::now());
                    return Ok(self.answer.insert(answer));
                }
                (Err(Unanswered::Refused(failure)), _) => return Err(failure),
                (Err(Unanswered::Away(failure)), Some((since, _))) if since.elapsed() >= self.patience => {
                    return Err(failure);
                }
                (Err(Unanswered::Away(_)), _) => {}
            }
        }
    }

    /// One try, which goes on when the future is made again.
    async fn try_again(&mut self) -> Result<Answer, Unanswered> {
        let again = match &mut self.again {
            Some(again) => again,
            None => {
                let (since, n_tries) = self.broken.unwrap_or_else(|| (Instant::now(), 0));
                self.broken = Some((since, n_tries.saturating_add(1)));
                let pause = if n_tries == 0 { Duration::ZERO } else { PAUSE_MIN * (1 << n_tries.min(8)) };
                let (server, place) = (self.server.clone(), self.place.clone());
                self.again.insert(Box::pin(async move {
                    sleep(pause.min(PAUSE_MAX)).await;
                    come_back(&server, place).await
                }))
            }
        };
        again.await
    }
}

async fn come_back(server: &Server, place: Option<Place>) -> Result<Answer, Unanswered> {
    match place {
        Some(Place { journal, cursor }) => ask(server, Some(&format!("{journal}-{cursor}")), None).await,
        // Nothing durable was told yet: whatever there is by now is new.
        None => ask(server, None, Some("after=0")).await,
    }
}

async fn ask(server: &Server, last: Option<&str>, query: Option<&str>) -> Result<Answer, Unanswered> {
    let last = last.map(|id| ("last-event-id", id));
    let headers: Vec<(&str, &str)> = [("accept", "text/event-stream")].into_iter().chain(last).collect();
    server.ask(Ask { path: &["v1", "events"], query, headers: &headers, ..Ask::default() }).await
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::target::aircheck::Api;
    use crate::target::aircheck::scripted::{answer, server};
    use crate::truth::Observation;

    /// What is told when the connections of a client go like `streams`, and then it is refused; and the places that it
    /// asked for.
    async fn check(streams: &[&str], expected: &[&str], places: &[&str]) {
        let mut answers: Vec<String> =
            streams.iter().map(|stream| answer("200 OK", "text/event-stream", stream)).collect();
        answers.push(answer("401 Unauthorized", "application/problem+json", r#"{"detail":"who?"}"#));
        let (url, requests) = server(answers).await;
        let mut follow = Api::new(&url, None).unwrap().follow(Duration::from_secs(600)).await.unwrap();
        let mut told = Vec::new();
        let error = loop {
            match next_of_one_who_drops(&mut follow).await {
                Ok(one) => told.push(name(one.observed.what)),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("401 Unauthorized: who?"), "{error}");
        assert_eq!(told, expected);
        let asked: Vec<String> = requests.await.unwrap().iter().map(|request| place(request)).collect();
        assert_eq!(asked, places);
        assert_eq!(follow.n_breaks(), streams.len() as u64);
    }

    /// The next event for somebody who drops each future that is not ready at once.
    async fn next_of_one_who_drops(follow: &mut Follow) -> Result<Told, Failure> {
        loop {
            if let Ok(told) = timeout(Duration::ZERO, follow.next()).await {
                return told;
            }
        }
    }

    fn name(what: Observation) -> String {
        let Observation::Other { name, .. } = what else { panic!("{what:?}") };
        name
    }

    fn place(request: &str) -> String {
        assert!(request.contains("accept: text/event-stream\r\n"), "{request}");
        let target = request.split(' ').nth(1).unwrap().strip_prefix("/v1/events").unwrap();
        let last = request.lines().find_map(|line| line.strip_prefix("last-event-id: "));
        format!("{target}{}", last.unwrap_or_default())
    }

    /// Events by name; those with an id are durable.
    fn stream(events: &[(&str, &str)]) -> String {
        let event = |(name, id): &(&str, &str)| {
            let data = format!(
                r#"{{"type":"{name}","data":{{"feed":"a","epoch":1,"span":{{"start_ms":0,"end_ms":0}}}}}}"#
            );
            let id = if id.is_empty() { String::new() } else { format!("id: {id}\n") };
            format!("data: {data}\n{id}\n")
        };
        events.iter().map(event).collect()
    }

    #[tokio::test]
    async fn what_breaks_in_the_middle_goes_on_where_it_was() {
        let first = stream(&[("one", "j-9"), ("shown", ""), ("two", "j-10")]);
        let torn = stream(&[("three", "j-11")]);
        let again = stream(&[("two", "j-10"), ("three", "j-11"), ("four", "j-12")]);
        check(
            &[&format!("{first}{}", &torn[..torn.len() - 1]), &again, ":\n\n"],
            &["one", "shown", "two", "three", "four"],
            &["", "j-10", "j-12", "j-12"],
        )
        .await;
    }

    #[tokio::test]
    async fn before_the_first_durable_event_it_begins_at_the_beginning() {
        let second = stream(&[("one", "j-1")]);
        check(&[&stream(&[("shown", "")]), &second], &["shown", "one"], &["", "?after=0", "j-1"]).await;
    }

    #[tokio::test]
    async fn one_that_is_cut_comes_back_and_a_new_journal_is_read_from_its_beginning() {
        let cut = "event: cut\nid: j-5\ndata: too slow\n\n";
        let failed = "event: failed\ndata: the disk\n\n";
        let reset = format!("event: reset\ndata: a new one\n\n{}", stream(&[("first", "k-1")]));
        check(
            &[&format!("{}{cut}", stream(&[("one", "j-4")])), failed, &reset],
            &["one", "first"],
            &["", "j-5", "j-5", "k-1"],
        )
        .await;
    }

    #[tokio::test]
    async fn what_is_no_event_is_an_error_and_so_is_a_server_that_is_gone() {
        let (url, _requests) = server(vec![answer("200 OK", "", "data: {}\n\n")]).await;
        let mut follow = Api::new(&url, None).unwrap().follow(Duration::ZERO).await.unwrap();
        let error = follow.next().await.unwrap_err().to_string();
        assert!(error.starts_with("not an event (missing field"), "{error}");
        let error = follow.next().await.unwrap_err().to_string();
        assert!(error.contains("cannot connect: "), "{error}");
    }
}

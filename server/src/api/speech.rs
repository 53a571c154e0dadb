//! What was said, over HTTP: transcripts and captions of the past, and search in them.

use std::io::Cursor;
use std::ops::Range;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::event::SpokenWord;
use engine::time::{MediaTime, Span};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::events::list;
use super::feeds::name;
use super::problem::Problem;
use crate::journal::{self, Said, SaidWord};
use crate::sinks::{Podcast, SubtitleFormat, Subtitles};

/// Most utterances of a transcript: a day of steady speech.
const UTTERANCES_MAX: usize = 50_000;
/// Hits of a search, unless asked otherwise, and at most.
const HITS: (usize, usize) = (20, 500);

/// How a transcript is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum TranscriptFormat {
    /// One JSON object.
    #[default]
    Json,
    /// SubRip captions.
    Srt,
    /// WebVTT captions.
    Vtt,
    /// JSON for podcast apps (Podcasting 2.0): phrases with their times.
    Podcast,
}

/// Which part of what was said.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TranscriptQuery {
    /// Utterances that began at or after this time, RFC 3339. Captions count from it.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Utterances that began before this time, RFC 3339.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
    /// Utterances that began at or after this media time of an epoch, ms, instead of `from`. Captions count from it.
    from_ms: Option<u64>,
    /// Utterances that began before this media time, ms, instead of `to`.
    to_ms: Option<u64>,
    /// Which epoch media times are of. Default: the newest.
    epoch: Option<u64>,
    /// How it is written.
    #[serde(default)]
    #[param(inline)]
    format: TranscriptFormat,
}

/// What was said on a feed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Transcript {
    /// Name of the feed.
    feed: String,
    /// In the order in which it was said.
    utterances: Vec<Utterance>,
}

/// An utterance.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Utterance {
    /// Identity of the event that it was published in.
    id: String,
    /// When it began, RFC 3339.
    #[schema(value_type = String)]
    time: Timestamp,
    /// Epoch of the feed.
    epoch: u64,
    /// Where it begins, media time of the epoch, ms.
    start_ms: u64,
    /// Where it ends, ms.
    end_ms: u64,
    /// The whole text.
    text: String,
    /// Its words.
    words: Vec<Word>,
}

/// A word.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Word {
    /// As written, with its punctuation.
    text: String,
    /// Where it begins, media time, ms.
    start_ms: u64,
    /// Where it ends, ms.
    end_ms: u64,
    /// 0..=1.
    confidence: f32,
}

/// What was said on a feed, as JSON or as captions.
#[utoipa::path(get, path = "/v1/feeds/{feed}/transcript", tag = "speech", params(("feed" = String, Path), TranscriptQuery),
    responses((status = 200, body = Transcript), (status = 400, body = Problem)))]
pub(super) async fn transcript(
    State(app): State<App>,
    Path(feed): Path<String>,
    Query(query): Query<TranscriptQuery>,
) -> Result<Response, Problem> {
    let feed = name(&feed)?.as_str().to_owned();
    let said = query.said(&app, &feed).await?;
    let content_type = match query.format {
        TranscriptFormat::Json => {
            let utterances = said.into_iter().map(Utterance::from).collect();
            return Ok(Json(Transcript { feed, utterances }).into_response());
        }
        TranscriptFormat::Srt => "application/x-subrip; charset=utf-8",
        TranscriptFormat::Vtt => "text/vtt; charset=utf-8",
        TranscriptFormat::Podcast => "application/json",
    };
    let captions = captions(&query.timed(&said), query.format).map_err(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("captions of feed {feed}: {error}"))
    })?;
    Ok(([(header::CONTENT_TYPE, content_type)], captions).into_response())
}

impl TranscriptQuery {
    /// By media time of one epoch, or by wall time over all of them.
    fn is_of_epoch(&self) -> bool {
        self.from_ms.is_some() || self.to_ms.is_some() || self.epoch.is_some()
    }

    /// What is asked for.
    async fn said(&self, app: &App, feed: &str) -> Result<Vec<Said>, Problem> {
        let (of, from, to, epoch) = (feed.to_owned(), self.from, self.to, self.epoch);
        if !self.is_of_epoch() {
            return app.readers.read(move |reader| reader.finals(&of, from, to, UTTERANCES_MAX)).await;
        }
        if from.is_some() || to.is_some() {
            return Err(Problem::wrong(
                "from and to are wall times: not together with from_ms, to_ms and epoch",
            ));
        }
        let mut said =
            app.readers.read(move |reader| reader.finals_of_epoch(&of, epoch, UTTERANCES_MAX)).await?;
        let asked = self.from_ms.unwrap_or(0)..self.to_ms.unwrap_or(u64::MAX);
        said.retain(|said| asked.contains(&said.start_ms));
        Ok(said)
    }

    /// Words of utterances at the times that captions give them: from the time asked for, or the beginning of the first epoch.
    fn timed(&self, said: &[Said]) -> Vec<Vec<SpokenWord>> {
        let Some(first) = said.first() else { return Vec::new() };
        let zero = self.from.map_or_else(|| millis(first.time) - signed(first.start_ms), millis);
        let shift = |said: &Said| {
            if self.is_of_epoch() {
                return -signed(self.from_ms.unwrap_or(0));
            }
            millis(said.time) - signed(said.start_ms) - zero
        };
        said.iter().map(|said| shifted(&said.words, shift(said))).collect()
    }
}

fn shifted(words: &[SaidWord], shift: i64) -> Vec<SpokenWord> {
    let at = |ms: u64| MediaTime::from_millis(u64::try_from(signed(ms).saturating_add(shift)).unwrap_or(0));
    let word = |word: &SaidWord| SpokenWord {
        text: word.text.clone(),
        span: Span::new(at(word.start_ms), at(word.end_ms)),
        confidence: word.confidence,
    };
    words.iter().map(word).collect()
}

fn captions(utterances: &[Vec<SpokenWord>], format: TranscriptFormat) -> std::io::Result<Vec<u8>> {
    let format = match format {
        TranscriptFormat::Srt => SubtitleFormat::Srt,
        TranscriptFormat::Vtt => SubtitleFormat::Vtt,
        TranscriptFormat::Json | TranscriptFormat::Podcast => {
            let mut out = Cursor::new(Vec::new());
            let mut podcast = Podcast::new(&mut out)?;
            utterances.iter().try_for_each(|words| podcast.utterance(words))?;
            podcast.close()?;
            return Ok(out.into_inner());
        }
    };
    let mut out = Vec::new();
    let mut subtitles = Subtitles::new(&mut out, format)?;
    utterances.iter().try_for_each(|words| subtitles.utterance(words))?;
    Ok(out)
}

fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

impl From<Said> for Utterance {
    fn from(said: Said) -> Self {
        let Said { id, epoch, time, start_ms, end_ms, text, words, .. } = said;
        let word =
            |SaidWord { text, start_ms, end_ms, confidence }| Word { text, start_ms, end_ms, confidence };
        Self { id, time, epoch, start_ms, end_ms, text, words: words.into_iter().map(word).collect() }
    }
}

/// What to search for.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchQuery {
    /// Words that all have to be in an utterance; `"a phrase"` as it is, `begin*` as the beginning of a word. Case,
    /// accents and punctuation do not count.
    q: String,
    /// Names of feeds, with commas between them. Default: all.
    feed: Option<String>,
    /// In utterances that began at or after this time, RFC 3339.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// In utterances that began before this time, RFC 3339.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
    /// Before this `cursor`: the next page.
    before: Option<u64>,
    /// Most hits, 1 to 500.
    limit: Option<usize>,
}

/// What was found, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Found {
    /// Utterances in which it was found.
    hits: Vec<Hit>,
}

/// An utterance in which it was found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Hit {
    /// Its place; `before` takes it.
    cursor: u64,
    /// Identity of the event that it was published in.
    id: String,
    /// Name of the feed.
    feed: String,
    /// Epoch of the feed.
    epoch: u64,
    /// When the first of the words was said, RFC 3339.
    #[schema(value_type = String)]
    time: Timestamp,
    /// Where the first of the words begins, media time of the epoch, ms.
    start_ms: u64,
    /// Where the last of the words ends, ms.
    end_ms: u64,
    /// The whole utterance.
    text: String,
    /// Where in the text the words are.
    marks: Vec<Mark>,
    /// What was said before.
    before: String,
    /// What was said after it.
    after: String,
}

/// Words that were found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Mark {
    /// First byte in the text.
    start: usize,
    /// Behind their last byte.
    end: usize,
    /// When they begin, media time, ms.
    start_ms: u64,
    /// When they end, ms.
    end_ms: u64,
}

/// Who said it, where and when.
#[utoipa::path(get, path = "/v1/search", tag = "speech", params(SearchQuery),
    responses((status = 200, body = Found), (status = 400, body = Problem)))]
pub(super) async fn search(
    State(app): State<App>,
    Query(query): Query<SearchQuery>,
) -> Result<Json<Found>, Problem> {
    let limit = query.limit.unwrap_or(HITS.0);
    if !(1..=HITS.1).contains(&limit) {
        return Err(Problem::wrong(format!("limit {limit}, expected 1 to {}", HITS.1)));
    }
    let search = journal::Search {
        text: query.q,
        feeds: list(query.feed.as_deref()),
        from: query.from,
        to: query.to,
        before: query.before,
        limit,
    };
    let hits = app.readers.read(move |reader| reader.search(&search)).await?;
    Ok(Json(Found { hits: hits.into_iter().map(Hit::from).collect() }))
}

impl From<journal::Hit> for Hit {
    fn from(hit: journal::Hit) -> Self {
        let mark = |mark: journal::Mark| {
            let Range { start, end } = mark.bytes;
            Mark { start, end, start_ms: mark.start_ms, end_ms: mark.end_ms }
        };
        Self {
            cursor: hit.cursor,
            id: hit.id,
            feed: hit.feed,
            epoch: hit.epoch,
            time: hit.time,
            start_ms: hit.start_ms,
            end_ms: hit.end_ms,
            text: hit.text,
            marks: hit.marks.into_iter().map(mark).collect(),
            before: hit.before,
            after: hit.after,
        }
    }
}

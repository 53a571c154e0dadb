//! Live captions over HTTP: a playlist of WebVTT for players (HLS, RFC 8216), a playlist that joins it to the stream, and the
//! same as one file that never ends. Tokens may stand in the address: players cannot send headers.

mod live;

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use url::form_urlencoded;
use utoipa::IntoParams;

use super::App;
use super::feeds::name;
use super::problem::Problem;
use crate::captions::Playlist;

/// The one route of all files.
pub(super) const PATH: &str = "/v1/feeds/{feed}/captions/{file}";

const M3U8: &str = "application/vnd.apple.mpegurl";
const VTT: &str = "text/vtt; charset=utf-8";
/// A playlist changes with each segment; a segment never, but its number may come again where a source counts anew.
const PLAYLIST_AGE: &str = "private, max-age=1";
const SEGMENT_AGE: &str = "private, max-age=60";
/// Bits a second that a joined playlist states where nobody says how many there are.
const BANDWIDTH: u32 = 2_000_000;
/// Longest address of a stream, bytes.
const STREAM_BYTES_MAX: usize = 4_096;

/// What players ask with. Others than these are not listened to: some players add their own.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CaptionsQuery {
    /// Of `master.m3u8`: address of the playlist with the segments of the stream, absolute, or relative to this one.
    stream: Option<String>,
    /// Of `master.m3u8`: bits a second of the stream. Default: 2 000 000.
    bandwidth: Option<u32>,
    /// A token, where no header can be sent. It goes into the addresses of segments.
    token: Option<String>,
}

/// Live captions of a feed. `playlist.m3u8`: HLS subtitles that play beside the stream; its segments, `{n}.vtt`;
/// `master.m3u8?stream=…`: the stream and its captions under one address; `live.vtt`: cues as they come, without an end.
#[utoipa::path(get, path = "/v1/feeds/{feed}/captions/{file}", tag = "speech",
    params(("feed" = String, Path), ("file" = String, Path), CaptionsQuery),
    responses((status = 200, description = "a playlist, or WebVTT", content_type = "text/vtt", body = String),
        (status = 304, description = "it is as it was"),
        (status = 404, description = "no such feed, or segment", body = Problem),
        (status = 503, description = "there are no captions yet", body = Problem)))]
pub(super) async fn captions(
    State(app): State<App>,
    Path((feed, file)): Path<(String, String)>,
    Query(query): Query<CaptionsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let known = name(&feed)?;
    let absent = |what: String| Problem::new(StatusCode::NOT_FOUND, what);
    let playlist = |app: &App| match app.captions.playlist(&feed) {
        Some(playlist) => Ok(playlist),
        // It is being started, or has no transcript.
        None if app.feeds.get(&known).is_some() => Err(not_yet()),
        None => Err(absent(format!("feed {feed}: there is none with captions"))),
    };
    match file.as_str() {
        "playlist.m3u8" => media(&playlist(&app)?, &query, &headers),
        "master.m3u8" => {
            let text = master(&playlist(&app)?, &query)?;
            Ok(answer(text.into(), M3U8, PLAYLIST_AGE, &headers))
        }
        "live.vtt" => {
            // Before its first segment, too: what is said then is waited for.
            if app.feeds.get(&known).is_none() {
                playlist(&app)?;
            }
            live::live(&app, feed).await
        }
        segment => {
            let number = segment.strip_suffix(".vtt").and_then(|number| number.parse().ok());
            let segment = number.and_then(|number| app.captions.segment(&feed, number));
            let segment =
                segment.ok_or_else(|| absent(format!("feed {feed}: {file} is not here, or no more")))?;
            Ok(answer(segment.text, VTT, SEGMENT_AGE, &headers))
        }
    }
}

fn media(playlist: &Playlist, query: &CaptionsQuery, headers: &HeaderMap) -> Result<Response, Problem> {
    if playlist.segments.is_empty() {
        return Err(not_yet());
    }
    Ok(answer(playlist.text(&own(query)).into(), M3U8, PLAYLIST_AGE, headers))
}

fn not_yet() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "there are no captions yet: ask again")
}

/// What stands behind the names of our own files.
fn own(query: &CaptionsQuery) -> String {
    let Some(token) = &query.token else { return String::new() };
    form_urlencoded::Serializer::for_suffix(String::from("?"), 1).append_pair("token", token).finish()
}

/// The stream and its captions in one playlist (RFC 8216, 4.3.4).
fn master(playlist: &Playlist, query: &CaptionsQuery) -> Result<String, Problem> {
    let stream = query.stream.as_deref().unwrap_or_default();
    let is_fit = !stream.is_empty()
        && stream.len() <= STREAM_BYTES_MAX
        && !stream.starts_with('#')
        && stream.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    let scheme = url::Url::parse(stream).ok().map(|url| url.scheme().to_owned());
    if !is_fit || scheme.is_some_and(|scheme| !matches!(scheme.as_str(), "http" | "https")) {
        let what =
            "stream: expected the address of a playlist, such as https://radio.example/live/audio.m3u8";
        return Err(Problem::wrong(what));
    }
    let is_code = |code: &&String| code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let language = playlist.language.as_ref().filter(is_code);
    let language = language.map(|code| format!(",LANGUAGE=\"{code}\"")).unwrap_or_default();
    let (bandwidth, own) = (query.bandwidth.unwrap_or(BANDWIDTH), own(query));
    Ok(format!(
        "#EXTM3U\n#EXT-X-VERSION:4\n\
         #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"captions\",NAME=\"Captions\"{language},DEFAULT=YES,AUTOSELECT=YES,FORCED=NO,\
         URI=\"playlist.m3u8{own}\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH={bandwidth},SUBTITLES=\"captions\"\n{stream}\n"
    ))
}

/// `body`, or that it is what the client has.
fn answer(body: Bytes, content_type: &'static str, age: &'static str, headers: &HeaderMap) -> Response {
    let tag = format!("\"{:08x}-{}\"", crc32fast::hash(&body), body.len());
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or("");
    let is_known = known.split(',').any(|known| matches!(known.trim(), "*") || known.trim() == tag);
    let head = [(header::CONTENT_TYPE, content_type.to_owned()), (header::ETAG, tag)];
    let age = [(header::CACHE_CONTROL, age)];
    if is_known {
        return (StatusCode::NOT_MODIFIED, head, age).into_response();
    }
    (head, age, body).into_response()
}

/// A token in the address is as good as one in a header.
pub(super) async fn open_token(
    Query(query): Query<CaptionsQuery>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(token) = query.token
        && !request.headers().contains_key(header::AUTHORIZATION)
        && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {token}"))
    {
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    next.run(request).await
}

/// Says which pages may read what is answered.
pub(super) async fn share(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    allow(&app, response.headers_mut());
    response
}

/// What a browser asks before a page of another origin may send a token in a header.
pub(super) async fn preflight(State(app): State<App>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    allow(&app, headers);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, range"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

fn allow(app: &App, headers: &mut HeaderMap) {
    let origin = app.feeds.config().captions.allow_origin.clone();
    if let Ok(origin) = HeaderValue::from_str(&origin) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn query(stream: &str) -> CaptionsQuery {
        CaptionsQuery { stream: Some(stream.to_owned()), ..CaptionsQuery::default() }
    }

    #[test]
    fn a_stream_is_joined_and_nothing_gets_in_between_the_lines() {
        let playlist = Playlist { language: Some("en".to_owned()), ..Playlist::default() };
        let text = master(&playlist, &query("https://radio.example/a.m3u8?x=1")).unwrap();
        assert!(
            text.contains(",LANGUAGE=\"en\",")
                && text.ends_with("SUBTITLES=\"captions\"\nhttps://radio.example/a.m3u8?x=1\n")
        );
        assert!(master(&playlist, &query("../../stream/a.m3u8")).is_ok());
        for wrong in ["", "#EXT", "a\nb", "a\"b", "javascript:alert(1)", "file:///etc/passwd", "a b"] {
            assert!(master(&playlist, &query(wrong)).is_err(), "{wrong:?}");
        }
        let odd = Playlist { language: Some("e\"n".to_owned()), ..Playlist::default() };
        assert!(!master(&odd, &query("a.m3u8")).unwrap().contains("LANGUAGE"));
    }

    #[test]
    fn a_token_goes_on_into_the_addresses_of_segments() {
        let token = Some("a&b \"c".to_owned());
        assert_eq!(own(&CaptionsQuery { token, ..CaptionsQuery::default() }), "?token=a%26b+%22c");
        assert_eq!(own(&CaptionsQuery::default()), "");
    }

    #[test]
    fn what_a_client_has_is_not_sent_again() {
        let body = Bytes::from_static(b"WEBVTT\n");
        let first = answer(body.clone(), VTT, SEGMENT_AGE, &HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(answer(body, VTT, SEGMENT_AGE, &headers).status(), StatusCode::NOT_MODIFIED);
        let other = Bytes::from_static(b"WEBVTT\n\n");
        assert_eq!(answer(other, VTT, SEGMENT_AGE, &headers).status(), StatusCode::OK);
    }
}

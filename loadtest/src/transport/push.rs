//! Feeds pushed as Icecast sources: `PUT`, then audio without an end.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use url::Url;

use super::note::Departure;
use super::player::{Clock, Feed, Player};
use super::stream::play_on;
use crate::failure::Failure;
use crate::pace::now;

/// Between attempts to come back after a connection broke.
const RETRY: Duration = Duration::from_millis(250);
/// Longest head of an answer.
const HEAD_BYTES: usize = 8 * 1_024;

/// Where a feed is pushed to.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// `http://user:password@host/mount`.
    pub url: Url,
    /// Whether the server is asked before audio is sent (`Expect: 100-continue`), as ffmpeg and libshout do.
    pub expects: Expects,
    /// Until a connection stands, and the server has answered where it is asked.
    pub connect_limit: Duration,
    /// The server takes a pause of so long for lost time, a shorter one for none. Aircheck: 2 s.
    pub notices_after: Duration,
}

/// See [`PushOptions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expects {
    /// `100 Continue`, before audio.
    Continue,
    /// Nothing: audio follows at once.
    Nothing,
}

/// Pushes a feed until `end` is true. A connection that breaks is opened again for as long as it takes, and gets everything
/// that was due meanwhile. `Err`: the server would not have it in the first place.
pub async fn play(feed: Feed, options: PushOptions, mut end: watch::Receiver<bool>) -> Result<(), Failure> {
    let mut player = Player::new(feed, Clock::Stitched(options.notices_after))?;
    let mut is_first = true;
    let mut away_since = now();
    loop {
        let how = match timeout(options.connect_limit, connect(&player, &options)).await {
            Err(_) => {
                Departure::Fault(format!("the server did not answer within {:?}", options.connect_limit))
            }
            Ok(Err(why)) => Departure::Fault(why),
            Ok(Ok(mut stream)) => {
                is_first = false;
                player.begin();
                player.held_back(away_since);
                talk(&mut player, &mut stream, &mut end).await
            }
        };
        away_since = now();
        player.course.left(how.clone());
        match how {
            Departure::Done => return Ok(()),
            Departure::Fault(why) if is_first => return Err(Failure::Runtime(why)),
            Departure::Fault(_) => {
                // Told to end, or nobody left to say so.
                if timeout(RETRY, end.wait_for(|end| *end)).await.is_ok() {
                    return Ok(());
                }
            }
            Departure::Cut => {}
        }
    }
}

async fn talk(player: &mut Player, stream: &mut TcpStream, end: &mut watch::Receiver<bool>) -> Departure {
    tokio::select! {
        biased;
        ended = end.wait_for(|end| *end) => {
            // Where nobody is left to say it, it is the end, too.
            let _value = ended;
            Departure::Done
        }
        how = play_on(player, stream) => how,
    }
}

async fn connect(player: &Player, options: &PushOptions) -> Result<TcpStream, String> {
    let url = &options.url;
    let host = url.host_str().ok_or("an address without a host")?;
    let port = url.port_or_known_default().unwrap_or(80);
    let mut stream =
        TcpStream::connect((host, port)).await.map_err(|error| format!("connect {host}:{port}: {error}"))?;
    let asked = async {
        stream.set_nodelay(true)?;
        stream.write_all(head(player, options).as_bytes()).await?;
        let status = if options.expects == Expects::Continue { read_status(&mut stream).await? } else { 100 };
        if matches!(status, 100 | 200) {
            stream.write_all(player.tape().head()).await?;
        }
        std::io::Result::Ok(status)
    };
    match asked.await {
        Ok(100 | 200) => Ok(stream),
        Ok(status) => Err(format!("the server refused {}: {status}", url.path())),
        Err(error) => Err(format!("push {}: {error}", url.path())),
    }
}

fn head(player: &Player, options: &PushOptions) -> String {
    let url = &options.url;
    let credentials = format!("{}:{}", url.username(), url.password().unwrap_or_default());
    let expect = if options.expects == Expects::Continue { "Expect: 100-continue\r\n" } else { "" };
    format!(
        "PUT {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {}\r\nContent-Type: {}\r\n{expect}\r\n",
        url.path(),
        url.host_str().unwrap_or_default(),
        BASE64_STANDARD.encode(credentials),
        player.tape().media_type(),
    )
}

/// `HTTP/1.1 100 Continue` is 100.
async fn read_status(stream: &mut TcpStream) -> std::io::Result<u16> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES {
        head.push(stream.read_u8().await?);
    }
    let status = String::from_utf8_lossy(&head).split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| std::io::Error::other("an answer without a status"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::net::TcpListener;

    use super::*;
    use crate::scenario::Trouble;
    use crate::transport::testing::{self, PIECE_BYTES, legs};

    async fn read_head(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    async fn setup() -> (TcpListener, PushOptions) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://source:hackme@{}/live", listener.local_addr().unwrap());
        let options = PushOptions {
            url: url.parse().unwrap(),
            expects: Expects::Continue,
            connect_limit: Duration::from_secs(60),
            notices_after: Duration::from_secs(2),
        };
        (listener, options)
    }

    #[tokio::test]
    async fn a_source_asks_plays_and_comes_back() {
        let (listener, options) = setup().await;
        let (setup, feed, mut told) = testing::feed();
        let (end, ended) = watch::channel(false);
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = read_head(&mut stream).await;
            assert!(head.starts_with("PUT /live HTTP/1.1\r\n"), "{head}");
            // RFC 7617: base64 of source:hackme.
            assert!(head.contains("\r\nAuthorization: Basic c291cmNlOmhhY2ttZQ==\r\n"), "{head}");
            assert!(head.contains("\r\nExpect: 100-continue\r\n"), "{head}");
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
            let mut first = vec![0; 3 * PIECE_BYTES];
            stream.read_exact(&mut first).await.unwrap();
            setup.weather.set(Trouble::Disconnect).unwrap();
            stream.read_to_end(&mut first).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut second = vec![0; 3 * PIECE_BYTES];
            stream.read_exact(&mut second).await.unwrap();
            end.send(true).unwrap();
            stream.read_to_end(&mut second).await.unwrap();
            (first, second)
        };
        let (played, (first, second)) = tokio::join!(play(feed, options, ended), serve);
        played.unwrap();
        assert!(first == testing::played(0, first.len()));
        assert!(second == testing::played(first.len(), second.len()));
        assert_eq!(legs(&testing::notes(&mut told)), [(0, 0, 0)]);
    }

    #[tokio::test]
    async fn a_refusal_ends_it() {
        let (listener, options) = setup().await;
        let (_, feed, _told) = testing::feed();
        let (_end, ended) = watch::channel(false);
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 401 Unauthorized\r\n\r\n").await.unwrap();
        };
        let (played, ()) = tokio::join!(play(feed, options, ended), serve);
        assert_eq!(played.unwrap_err().to_string(), "the server refused /live: 401");
    }
}

//! A mount of our own: encoders (butt, ffmpeg, ezstream, liquidsoap) push their stream here as they would to an
//! Icecast server, and say beside it what is playing. Decodes nothing, and knows no more of feeds than their docks.
//!
//! It speaks raw: `SOURCE` is no method of HTTP, a length of 0 stands before an endless body, and a `PUT` comes with
//! neither length nor chunks. [`peek`] tells from the first bytes, which stay where they are, whether a connection is
//! for [`serve`] or for the API on the same port.

mod answer;
mod body;
mod head;
mod source;
mod title;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::http::icy;
use crate::ingest::Dock;
use crate::service::{Berth, Docks};
use answer::Answer;
use head::Head;

/// Longest wait until an encoder takes a title's way to its feed, which may be behind.
const TELL: Duration = Duration::from_secs(2);
/// Most bytes that are read away after the last answer, so that the encoder gets to read it.
const REST_BYTES_MAX: usize = 1 << 20;
/// Longest name of a program that is kept, characters.
const AGENT_CHARS_MAX: usize = 80;

/// Whom a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// An encoder: for [`serve`].
    Mount,
    /// Everybody else.
    Api,
    /// It was closed, or said nothing in time that tells.
    Nobody,
}

/// How much of an encoder's patience and of our memory a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountLimits {
    /// Longest head of a request, bytes.
    pub head_bytes: usize,
    /// Most headers of a request.
    pub headers: usize,
    /// From the connection to the end of the head.
    pub head: Duration,
    /// From the last answer until the connection is dropped.
    pub close: Duration,
}

impl Default for MountLimits {
    fn default() -> Self {
        Self {
            head_bytes: 8 << 10,
            headers: 64,
            head: Duration::from_secs(10),
            close: Duration::from_secs(2),
        }
    }
}

/// Whether somebody with this user and password, or with none, may bring audio.
pub type Auth = Arc<dyn Fn(Option<(&str, &str)>) -> bool + Send + Sync>;

/// Waits until `due` for the first bytes of a connection, and leaves them there.
pub async fn peek(stream: &TcpStream, due: Instant) -> Door {
    timeout_at(due, first_bytes(stream)).await.ok().and_then(Result::ok).unwrap_or(Door::Nobody)
}

/// What was seen stays where it is; that it does not tell enough counts as nothing there, so that only more of it wakes.
async fn first_bytes(stream: &TcpStream) -> io::Result<Door> {
    let look = || {
        let mut start = [0; 32];
        let (n, _) = recv(stream, &mut start, RecvFlags::PEEK)?;
        let door = if n == 0 { Some(Door::Nobody) } else { judge(start.get(..n).unwrap_or(&[])) };
        door.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    };
    loop {
        let ready = stream.ready(Interest::READABLE).await?;
        match stream.try_io(Interest::READABLE, look) {
            // No more will come.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && ready.is_read_closed() => {
                return Ok(Door::Nobody);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            looked => return looked,
        }
    }
}

/// Whom a request is for that begins with `start`. `None`: it may still become this or that.
fn judge(start: &[u8]) -> Option<Door> {
    const STARTS: [(&[u8], Door); 5] = [
        (b"SOURCE ", Door::Mount),
        (b"PUT /v1/", Door::Api),
        (b"PUT ", Door::Mount),
        (b"GET /admin/metadata", Door::Mount),
        (b"GET /admin.cgi", Door::Mount),
    ];
    for (known, door) in STARTS {
        if start.starts_with(known) {
            return Some(door);
        }
        if known.starts_with(start) {
            return None;
        }
    }
    Some(Door::Api)
}

/// Speaks with an encoder until it has nothing more to say, or its feed takes nothing more.
pub async fn serve(stream: TcpStream, peer: SocketAddr, docks: Arc<Docks>, auth: Auth, limits: MountLimits) {
    // Answers are short; without it they wait for more.
    let _ = stream.set_nodelay(true);
    let mut call = Call { stream, peer, docks, auth, limits };
    let answer = match call.head().await {
        Ok(Some((head, rest))) => call.answer(&head, rest).await,
        Ok(None) => return,
        Err(answer) => Some(answer),
    };
    call.close(answer).await;
}

/// One connection.
struct Call {
    stream: TcpStream,
    peer: SocketAddr,
    docks: Arc<Docks>,
    auth: Auth,
    limits: MountLimits,
}

impl Call {
    /// Reads the head; with it comes what follows it already. `None`: the other side is gone.
    async fn head(&mut self) -> Result<Option<(Head, Bytes)>, Answer> {
        let deadline = Instant::now() + self.limits.head;
        let mut read = BytesMut::with_capacity(self.limits.head_bytes);
        loop {
            if let Some(end) = head::end(&read) {
                let head = Head::parse(&read.split_to(end), self.limits.headers)?;
                return Ok(Some((head, read.freeze())));
            }
            if read.len() >= self.limits.head_bytes {
                return Err(Answer::TooLarge);
            }
            match timeout_at(deadline, self.stream.read_buf(&mut read)).await {
                Ok(Ok(1..)) => {}
                Ok(_) => return Ok(None),
                Err(_) => return Err(Answer::TooSlow),
            }
        }
    }

    /// Does what was asked for. Answers what is still to be said.
    async fn answer(&mut self, head: &Head, rest: Bytes) -> Option<Answer> {
        let answered = match head.method.as_str() {
            "SOURCE" | "PUT" => self.source(head, rest).await,
            "GET" => self.title(head).await.map(Some),
            _ => Err(Answer::NotAllowed),
        };
        answered.unwrap_or_else(|refusal| {
            let (peer, path, (status, why)) = (self.peer, &head.path, refusal.status());
            tracing::warn!("{peer} is refused at {path:?}: {status} {why}");
            Some(refusal)
        })
    }

    /// Takes a title to the feed that it is about.
    async fn title(&self, head: &Head) -> Result<Answer, Answer> {
        let pass = head.field("pass").map(|pass| (String::new(), icy::text(&pass)));
        self.check(head.credentials().or(pass))?;
        if head.field("mode").is_none_or(|mode| mode != b"updinfo") {
            return Err(Answer::BadRequest);
        }
        let mount = head.field("mount").map(|mount| icy::text(&mount)).ok_or(Answer::BadRequest)?;
        let dock = self.dock(&mount).await?;
        // An encoder that plays nothing says so with an empty title.
        let Some(metadata) = title::title(head) else { return Ok(Answer::Ok) };
        match timeout(TELL, dock.tell(metadata)).await {
            Ok(Ok(())) => Ok(Answer::Ok),
            Ok(Err(_)) => Err(Answer::NoMount),
            Err(_) => Err(Answer::Behind),
        }
    }

    /// The dock at `path`. A feed that is starting is waited for: an encoder that is sent away may not come back.
    async fn dock(&self, path: &str) -> Result<Dock, Answer> {
        match self.docks.settled_at(path, tokio::time::sleep(self.limits.head)).await {
            Berth::Open(dock) => Ok(dock),
            Berth::Starting => Err(Answer::Starting),
            Berth::Nothing => Err(Answer::NoMount),
        }
    }

    fn check(&self, credentials: Option<(String, String)>) -> Result<(), Answer> {
        let given = credentials.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
        if (self.auth)(given) { Ok(()) } else { Err(Answer::Unauthorized) }
    }

    /// Who is there, for people.
    fn from(&self, head: &Head) -> impl fmt::Display + use<> {
        let agent = head.header("user-agent").map(|agent| icy::clean(&agent)).unwrap_or_default();
        let agent: String = agent.chars().take(AGENT_CHARS_MAX).collect();
        if agent.is_empty() { self.peer.to_string() } else { format!("{agent} at {}", self.peer) }
    }

    async fn say(&mut self, answer: Answer) -> Result<(), Answer> {
        self.stream.write_all(answer.text().as_bytes()).await.map_err(|_| Answer::Over)
    }

    /// Says the last words and closes. What the other side still sends is read away for a moment: a connection that
    /// is dropped with unread bytes is reset, and the answer with it.
    async fn close(mut self, answer: Option<Answer>) {
        let limit = self.limits.close;
        let closing = async {
            if let Some(answer) = answer {
                self.say(answer).await.ok()?;
            }
            self.stream.shutdown().await.ok()?;
            let mut scratch = [0; 4_096];
            let mut n_bytes = 0;
            while n_bytes < REST_BYTES_MAX {
                n_bytes += self.stream.read(&mut scratch).await.ok().filter(|&n| n > 0)?;
            }
            Some(())
        };
        // The other side may be gone, or slow: then there is nobody to be polite to.
        let _ = timeout(limit, closing).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_are_told_by_the_first_bytes() {
        for (start, door) in [
            ("SOURCE /live.mp3 HTTP/1.0", Some(Door::Mount)),
            ("PUT /live.mp3 HTTP/1.1", Some(Door::Mount)),
            ("PUT /v1/feeds/a HTTP/1.1", Some(Door::Api)),
            ("PUT /v1.mp3 HTTP/1.1", Some(Door::Mount)),
            ("GET /admin/metadata?mode=updinfo", Some(Door::Mount)),
            ("GET /admin.cgi?pass=x", Some(Door::Mount)),
            ("GET /v1/feeds", Some(Door::Api)),
            ("GET / HTTP/1.1", Some(Door::Api)),
            ("\u{16}\u{3}\u{1}", Some(Door::Api)),
            ("PUT /v1", None),
            ("GET /adm", None),
            ("S", None),
            ("POST", Some(Door::Api)),
        ] {
            assert_eq!(judge(start.as_bytes()), door, "{start}");
        }
    }
}

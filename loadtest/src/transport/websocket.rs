//! Feeds over WebSockets: audio one way, text the other, in the words of a [`Dialect`]. Knows no protocol but WebSocket.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::note::{Departure, observed};
use super::player::{Clock, Feed, Player, Step};
use crate::failure::Failure;
use crate::pace::now;
use crate::target::{Dialect, Said};

/// Between attempts to come back after a connection broke.
const RETRY: Duration = Duration::from_millis(250);
/// Read at once; servers say little.
const READ_BYTES: usize = 8 * 1_024;
/// Longest message that is taken.
const MESSAGE_BYTES: usize = 1 << 20;
/// Of the body of a refusal.
const REASON_BYTES: usize = 300;

/// How feeds are connected.
#[derive(Clone)]
pub struct WebSocketOptions {
    /// A dialect for each connection.
    pub dialect: Rc<dyn Fn() -> Box<dyn Dialect>>,
    /// Until a connection stands and the server is ready.
    pub connect_limit: Duration,
    /// From the goodbye until the server has said everything.
    pub linger: Duration,
}

/// Plays a feed until `end` is true, then says goodbye and hears the rest. A connection that breaks is opened again for
/// as long as it takes, and gets everything that was due meanwhile. `Err`: the server would not have it in the first place.
pub async fn play(feed: Feed, options: WebSocketOptions, end: watch::Receiver<bool>) -> Result<(), Failure> {
    let player = Player::new(feed, Clock::Counted)?;
    let mut client = Client { player, options, end, n_connections: 0, away_since: now() };
    loop {
        let how = match client.connect().await {
            Ok(line) => client.talk(line).await,
            Err(why) if client.n_connections == 0 => {
                client.player.end_session(Departure::Fault(why.clone()));
                return Err(Failure::Runtime(why));
            }
            Err(why) => Departure::Fault(why),
        };
        client.away_since = now();
        client.player.end_session(how.clone());
        let is_over = match how {
            Departure::Done => true,
            Departure::Cut => *client.end.borrow(),
            // Told to end, or nobody left to say so.
            Departure::Fault(_) => timeout(RETRY, client.end.wait_for(|end| *end)).await.is_ok(),
        };
        if is_over {
            return Ok(());
        }
    }
}

struct Client {
    player: Player,
    options: WebSocketOptions,
    end: watch::Receiver<bool>,
    n_connections: u32,
    /// Since when there is no connection, or was none.
    away_since: Instant,
}

/// One connection.
struct Line {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    dialect: Box<dyn Dialect>,
    /// The outbox's first was given to the socket, which has not written all of it.
    is_writing: bool,
}

/// What ends the wait for pieces and messages.
enum Event {
    Message(Message),
    Departure(Departure),
    End,
}

impl Client {
    async fn connect(&mut self) -> Result<Line, String> {
        let limit = self.options.connect_limit;
        let opened = timeout(limit, self.open()).await;
        let line = opened.map_err(|_| format!("the server was not ready within {limit:?}"))??;
        self.n_connections += 1;
        self.player.begin();
        self.player.held_back(self.away_since);
        Ok(line)
    }

    async fn open(&self) -> Result<Line, String> {
        let mut dialect = (self.options.dialect)();
        let request = dialect.request(self.player.tape().rate()).map_err(|error| error.to_string())?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_BYTES));
        let connected = connect_async_with_config(request, Some(config), true).await;
        let (mut socket, _) = connected.map_err(|error| format!("connect: {}", reason(&error)))?;
        for message in dialect.greeting() {
            socket.send(message).await.map_err(|error| format!("greet: {error}"))?;
        }
        let mut is_ready = !dialect.waits();
        while !is_ready {
            let message = socket.next().await.ok_or("the server closed before it was ready")?;
            let Message::Text(text) = message.map_err(|error| error.to_string())? else { continue };
            for said in dialect.hear(&text) {
                match said {
                    Said::Ready => is_ready = true,
                    Said::Failed(why) => return Err(why),
                    Said::Over => return Err("the server ended before it was ready".into()),
                    Said::Told(_) | Said::Nothing => {}
                }
            }
        }
        Ok(Line { socket, dialect, is_writing: false })
    }

    /// From the first audio to the end of the connection.
    async fn talk(&mut self, mut line: Line) -> Departure {
        let mut end = self.end.clone();
        // Where nobody is left to say it, it is the end, too.
        let mut ended = pin!(end.wait_for(|end| *end));
        loop {
            let event = poll_fn(|cx| match ended.as_mut().poll(cx) {
                Poll::Ready(_) => Poll::Ready(Event::End),
                Poll::Pending => self.poll_event(&mut line, cx),
            });
            match event.await {
                Event::Departure(how) => return how,
                Event::End => return self.say_goodbye(line).await,
                Event::Message(message) => {
                    if let Some(how) = self.hear(&mut line, &message) {
                        return how;
                    }
                }
            }
        }
    }

    /// Sends what is due, for as long as nothing is to be said about it.
    fn poll_event(&mut self, line: &mut Line, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Err(error) = self.write(line, cx) {
                return Poll::Ready(Event::Departure(Departure::Fault(error.to_string())));
            }
            if !self.player.is_deaf()
                && let Poll::Ready(message) = line.socket.poll_next_unpin(cx)
            {
                return Poll::Ready(match message {
                    Some(Ok(message)) => Event::Message(message),
                    Some(Err(error)) => Event::Departure(Departure::Fault(error.to_string())),
                    None => Event::Departure(Departure::Fault("the server closed the connection".into())),
                });
            }
            match ready!(self.player.poll_next(cx)) {
                Step::Send => {}
                Step::Reconnect => return Poll::Ready(Event::Departure(Departure::Cut)),
            }
        }
    }

    /// Gives the kernel what it takes of the outbox.
    fn write(&mut self, line: &mut Line, cx: &mut Context<'_>) -> Result<(), Error> {
        while let Some(outgoing) = self.player.outbox.front() {
            if !line.is_writing {
                line.socket.start_send_unpin(Message::Binary(outgoing.bytes.clone()))?;
                line.is_writing = true;
            }
            match line.socket.poll_flush_unpin(cx)? {
                Poll::Pending => {
                    self.player.block(true);
                    return Ok(());
                }
                Poll::Ready(()) => {
                    line.is_writing = false;
                    self.player.sent();
                    self.player.block(false);
                }
            }
        }
        Ok(())
    }

    /// Why the connection is over, if it is.
    fn hear(&self, line: &mut Line, message: &Message) -> Option<Departure> {
        let at = now();
        match message {
            Message::Text(text) => {
                line.dialect.hear(text).into_iter().find_map(|said| self.pass_on(at, said))
            }
            Message::Close(frame) => {
                let why = frame.as_ref().map(|frame| format!(": {} {}", frame.code, frame.reason));
                Some(Departure::Fault(format!("the server closed{}", why.unwrap_or_default())))
            }
            _ => None,
        }
    }

    fn pass_on(&self, at: Instant, said: Said) -> Option<Departure> {
        match said {
            Said::Told(what) => {
                self.player.tell(observed(at, what));
                None
            }
            Said::Ready | Said::Nothing => None,
            Said::Over => Some(Departure::Done),
            Said::Failed(why) => Some(Departure::Fault(why)),
        }
    }

    async fn say_goodbye(&mut self, mut line: Line) -> Departure {
        let linger = self.options.linger;
        let said = timeout(linger, self.finish(&mut line)).await;
        said.unwrap_or_else(|_| {
            Departure::Fault(format!("the server had not said everything {linger:?} after the end"))
        })
    }

    async fn finish(&mut self, line: &mut Line) -> Departure {
        if let Err(error) = self.last_words(line).await {
            return Departure::Fault(error.to_string());
        }
        loop {
            let message = match line.socket.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Departure::Fault(error.to_string()),
                None => return Departure::Done,
            };
            // A close is what a goodbye asks for.
            match self.hear(line, &message) {
                Some(Departure::Fault(_)) if message.is_close() => return Departure::Done,
                Some(how) => return how,
                None => {}
            }
        }
    }

    /// What was due and has not been taken yet, and the goodbye.
    async fn last_words(&mut self, line: &mut Line) -> Result<(), Error> {
        if line.is_writing {
            line.socket.flush().await?;
            self.player.sent();
        }
        while let Some(outgoing) = self.player.outbox.front() {
            line.socket.send(Message::Binary(outgoing.bytes.clone())).await?;
            self.player.sent();
        }
        for message in line.dialect.goodbye() {
            line.socket.send(message).await?;
        }
        Ok(())
    }
}

/// What a refusal says: its status, and the beginning of its body.
fn reason(error: &Error) -> String {
    let Error::Http(response) = error else { return error.to_string() };
    let body = response.body().as_deref().unwrap_or_default();
    let body = String::from_utf8_lossy(body.get(..REASON_BYTES).unwrap_or(body)).into_owned();
    format!("{} {body}", response.status())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use engine::time::{MediaTime, SampleRate};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tokio_tungstenite::accept_async;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    use tokio_tungstenite::tungstenite::http::Request;

    use super::*;
    use crate::scenario::Trouble;
    use crate::transport::testing::{self, PIECE_BYTES, Setup, legs};
    use crate::transport::{Note, Noted};
    use crate::truth::Observation;

    struct Plain(std::net::SocketAddr, &'static str);

    impl Dialect for Plain {
        fn request(&self, rate: SampleRate) -> Result<Request<()>, Failure> {
            let url = format!("{}://{}/?rate={}", self.1, self.0, rate.hz());
            url.into_client_request().map_err(|error| Failure::runtime("request", error))
        }
        fn greeting(&self) -> Vec<Message> {
            vec!["hello".into()]
        }
        fn waits(&self) -> bool {
            true
        }
        fn audio(&self, samples: &[i16]) -> bytes::Bytes {
            samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
        }
        fn goodbye(&self) -> Vec<Message> {
            vec!["bye".into()]
        }
        fn hear(&mut self, text: &str) -> Vec<Said> {
            vec![match text {
                "ready" => Said::Ready,
                "over" => Said::Over,
                "busy" => Said::Failed("busy".into()),
                _ => Said::Told(Observation::Other { name: text.into(), span: None }),
            }]
        }
    }

    type Server = WebSocketStream<TcpStream>;

    async fn accept(listener: &TcpListener, answer: &'static str) -> Server {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = accept_async(stream).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), "hello".into());
        socket.send(answer.into()).await.unwrap();
        socket
    }

    /// So many pieces.
    async fn take(socket: &mut Server, n_pieces: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < n_pieces * PIECE_BYTES {
            match socket.next().await.unwrap().unwrap() {
                Message::Binary(piece) => bytes.extend_from_slice(&piece),
                other => panic!("{other:?}"),
            }
        }
        bytes
    }

    /// What comes until the goodbye, which is answered.
    async fn take_all(socket: &mut Server) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            match socket.next().await.unwrap().unwrap() {
                Message::Binary(piece) => bytes.extend_from_slice(&piece),
                Message::Text(text) if text == "bye" => break,
                other => panic!("{other:?}"),
            }
        }
        socket.send("last".into()).await.unwrap();
        socket.send("over".into()).await.unwrap();
        bytes
    }

    /// Plays the feed against `serve`, which ends it.
    async fn check<F: Future>(
        scheme: &'static str,
        serve: impl FnOnce(TcpListener, watch::Sender<bool>, Setup) -> F,
    ) -> (Result<(), Failure>, F::Output, mpsc::Receiver<Note>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (setup, feed, told) = testing::feed();
        let (end, ended) = watch::channel(false);
        let options = WebSocketOptions {
            dialect: Rc::new(move || Box::new(Plain(address, scheme))),
            connect_limit: Duration::from_secs(60),
            linger: Duration::from_secs(60),
        };
        let (played, served) = tokio::join!(play(feed, options, ended), serve(listener, end, setup));
        (played, served, told)
    }

    #[tokio::test]
    async fn audio_goes_there_text_comes_back() {
        let (played, bytes, mut told) = check("ws", |listener, end, _| async move {
            let mut socket = accept(&listener, "ready").await;
            let mut bytes = take(&mut socket, 1).await;
            socket.send("first".into()).await.unwrap();
            bytes.extend(take(&mut socket, 30).await);
            end.send(true).unwrap();
            bytes.extend(take_all(&mut socket).await);
            bytes
        })
        .await;
        played.unwrap();
        assert!(bytes == testing::played(0, bytes.len()));
        let notes = testing::notes(&mut told);
        assert_eq!(legs(&notes), [(0, 0, 0)]);
        let names: Vec<_> = notes.iter().filter_map(testing::name).collect();
        assert_eq!(names, ["first", "last"]);
        let at = MediaTime::from_frames((bytes.len() / 2) as u64, SampleRate::HZ_16000);
        assert_eq!(notes.last().unwrap().what, Noted::Left { at, how: Departure::Done });
    }

    #[tokio::test]
    async fn a_disconnection_begins_a_session_and_loses_nothing() {
        let (played, (first, second), mut told) = check("ws", |listener, end, setup| async move {
            let mut socket = accept(&listener, "ready").await;
            let mut first = take(&mut socket, 3).await;
            setup.weather.set(Trouble::Disconnect).unwrap();
            while let Some(Ok(Message::Binary(piece))) = socket.next().await {
                first.extend_from_slice(&piece);
            }
            let mut socket = accept(&listener, "ready").await;
            let mut second = take(&mut socket, 3).await;
            end.send(true).unwrap();
            second.extend(take_all(&mut socket).await);
            (first, second)
        })
        .await;
        played.unwrap();
        assert!(first == testing::played(0, first.len()));
        assert!(second == testing::played(first.len(), second.len()));
        let n_first = (first.len() / PIECE_BYTES) as u64;
        assert_eq!(legs(&testing::notes(&mut told)), [(0, 0, 0), (1, 0, n_first)]);
    }

    #[tokio::test]
    async fn a_stall_shifts_what_follows() {
        let (played, bytes, mut told) = check("ws", |listener, end, setup| async move {
            let mut socket = accept(&listener, "ready").await;
            let mut bytes = take(&mut socket, 3).await;
            setup.weather.set(Trouble::Stall(testing::PIECE * 10)).unwrap();
            // The kernel may hold many pieces from before.
            while bytes == testing::played(0, bytes.len()) {
                bytes.extend(take(&mut socket, 1).await);
            }
            end.send(true).unwrap();
            bytes.extend(take_all(&mut socket).await);
            bytes
        })
        .await;
        played.unwrap();
        let legs = legs(&testing::notes(&mut told));
        let [(0, 0, 0), (0, from, position)] = legs[..] else { panic!("{legs:?}") };
        // The tape is long enough not to come round.
        assert_eq!(position, 10);
        let (before, after) = bytes.split_at(from as usize * PIECE_BYTES);
        assert!(before == testing::played(0, before.len()));
        assert!(after == testing::played(before.len() + 10 * PIECE_BYTES, after.len()));
    }

    #[tokio::test]
    async fn a_server_that_would_not_have_it_says_why() {
        let (played, _, mut told) = check("ws", |listener, _end, _| async move {
            accept(&listener, "busy").await;
        })
        .await;
        assert_eq!(played.unwrap_err().to_string(), "busy");
        let how = Departure::Fault("busy".into());
        assert_eq!(testing::notes(&mut told)[0].what, Noted::Left { at: MediaTime::ZERO, how });
    }

    #[tokio::test]
    async fn wss_speaks_tls() {
        let (played, hello, _) = check("wss", |listener, _end, _| async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 2];
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut hello).await.unwrap();
            hello
        })
        .await;
        // RFC 8446, 5.1: a handshake record of version 3.x.
        assert_eq!(hello, [0x16, 0x03]);
        assert!(played.is_err());
    }
}

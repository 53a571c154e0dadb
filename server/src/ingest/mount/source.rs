//! An encoder's stream, from its request to its end.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::Call;
use super::answer::{Answer, is_undecodable};
use super::body::Body;
use super::head::Head;
use crate::ingest::decode::Hint;
use crate::ingest::live::{Closed, Handed, Visitor};

/// Bytes that are read at once: a quarter of a second of 128 kbit/s.
const PIECE_BYTES: usize = 4 << 10;
/// An encoder that sends audio within this time does not wait for an answer, and gets it at the end: old ffmpeg never
/// reads it, and closing with something unread resets the connection, which takes away what is still on its way.
const UNASKED: Duration = Duration::from_millis(200);

impl Call {
    /// Lets an encoder in and takes what it brings. Answers what is to be said at its end.
    pub(super) async fn source(&mut self, head: &Head, rest: Bytes) -> Result<Option<Answer>, Answer> {
        self.check(head.credentials())?;
        let dock = self.dock(&head.path).await?;
        let content_type = head.header("content-type").filter(|content_type| !content_type.is_empty());
        if content_type.as_deref().is_some_and(is_undecodable) {
            return Err(Answer::Undecodable);
        }
        let extension = head.path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        let hint = Hint { content_type, extension, pcm: None };
        let visitor = dock.enter(hint, self.from(head).to_string()).await.map_err(|closed| match closed {
            Closed::Taken => Answer::InUse,
            Closed::Over => Answer::Over,
        })?;
        let waits = head.header("expect").is_some_and(|what| what.eq_ignore_ascii_case("100-continue"));
        let is_told = waits || rest.is_empty() && timeout(UNASKED, self.stream.readable()).await.is_err();
        if is_told {
            self.say(if waits { Answer::Continue } else { Answer::Ok }).await?;
        }
        let ended = self.bring(Body::of(head), rest, &visitor).await;
        if let Some(why) = ended {
            // A feed that is over needs no reason.
            let _ = visitor.hand(Handed::End(format!("{}: {why}", head.path))).await;
        }
        Ok((waits || !is_told).then_some(Answer::Ok))
    }

    /// Hands in what arrives. Answers why there is no more of it; `None`: the feed takes no more.
    async fn bring(&mut self, mut body: Body, rest: Bytes, visitor: &Visitor) -> Option<String> {
        let mut read = BytesMut::new();
        let (mut bytes, mut at) = (rest, Instant::now());
        loop {
            loop {
                match body.next(&mut bytes) {
                    Ok(Some(piece)) => visitor.hand(Handed::Bytes(piece, at)).await.ok()?,
                    Ok(None) => break,
                    Err(error) => return Some(format!("what the encoder sends is {error}")),
                }
            }
            if body.is_over() {
                return Some("the encoder ended its stream".into());
            }
            read.reserve(PIECE_BYTES);
            let arrived = tokio::select! {
                biased;
                () = visitor.gone() => return None,
                arrived = self.stream.read_buf(&mut read) => arrived,
            };
            at = Instant::now();
            match arrived {
                Ok(0) => return Some("the encoder closed the connection".into()),
                Ok(_) => bytes = read.split().freeze(),
                Err(error) => return Some(format!("the connection to the encoder broke: {error}")),
            }
        }
    }
}

//! SHOUTcast v1 answers `ICY 200 OK`, which is not HTTP: this puts `HTTP/1.0` in its place, so that hyper does the rest.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const ICY: &[u8; 4] = b"ICY ";
const HTTP: &[u8] = b"HTTP/1.0 ";

/// A connection whose first bytes are corrected.
pub(super) struct IcyShim<S> {
    inner: S,
    start: Start,
}

enum Start {
    /// So many first bytes are those of [`ICY`].
    Matching(usize),
    /// These are still to be given out.
    Serving(&'static [u8]),
    /// Everything passes.
    Done,
}

impl<S> IcyShim<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, start: Start::Matching(0) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for IcyShim<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let this = &mut *self;
            match &mut this.start {
                Start::Done => return Pin::new(&mut this.inner).poll_read(cx, buffer),
                Start::Serving(rest) => {
                    let (now, later) = rest.split_at(rest.len().min(buffer.remaining()));
                    buffer.put_slice(now);
                    this.start = if later.is_empty() { Start::Done } else { Start::Serving(later) };
                    return Poll::Ready(Ok(()));
                }
                Start::Matching(n) => {
                    let mut byte = [0; 1];
                    let mut one = ReadBuf::new(&mut byte);
                    ready!(Pin::new(&mut this.inner).poll_read(cx, &mut one))?;
                    let (matched, rest) = ICY.split_at((*n).min(ICY.len()));
                    match one.filled().first() {
                        Some(byte) if rest.first() == Some(byte) && rest.len() == 1 => {
                            this.start = Start::Serving(HTTP);
                        }
                        Some(byte) if rest.first() == Some(byte) => *n += 1,
                        Some(&byte) if buffer.remaining() > matched.len() => {
                            buffer.put_slice(matched);
                            buffer.put_slice(&[byte]);
                            this.start = Start::Done;
                            return Poll::Ready(Ok(()));
                        }
                        Some(_) => {
                            return Poll::Ready(Err(io::Error::other("a read of less than four bytes")));
                        }
                        None => {
                            this.start =
                                if matched.is_empty() { Start::Done } else { Start::Serving(matched) }
                        }
                    }
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for IcyShim<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    fn through(bytes: &'static [u8]) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut out = Vec::new();
        runtime.block_on(IcyShim::new(bytes).read_to_end(&mut out)).unwrap();
        out
    }

    #[test]
    fn only_the_status_line_of_shoutcast_is_rewritten() {
        assert_eq!(through(b"ICY 200 OK\r\nicy-name: ICY 1\r\n"), b"HTTP/1.0 200 OK\r\nicy-name: ICY 1\r\n");
        for other in [&b"HTTP/1.1 200 OK\r\n"[..], b"ICE 200", b"ICY", b"I", b"", b"ICYX"] {
            assert_eq!(through(other), other);
        }
    }
}

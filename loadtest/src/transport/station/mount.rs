//! One mount: a feed that goes on whether anybody listens or not.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::transport::note::Departure;
use crate::transport::player::{Outgoing, Player, Step};

/// Given to the kernel in one call, behind the first.
const PIECES_AT_ONCE: usize = 127;

/// Plays to one listener after the other.
pub(super) async fn run(
    player: Player,
    visitors: mpsc::Receiver<TcpStream>,
    burst: Duration,
    n_reconnects: Rc<Cell<u64>>,
) {
    let mut mount = Mount { player, visitors, burst };
    let mut next = mount.visitors.recv().await;
    let mut is_first = true;
    while let Some(stream) = next {
        if !is_first {
            n_reconnects.set(n_reconnects.get() + 1);
        }
        let gone = mount.serve(stream, is_first).await;
        is_first = false;
        next = match gone {
            Gone::Replaced(stream) => Some(stream),
            Gone::Left(how) => {
                mount.player.course.left(how);
                mount.visitors.recv().await
            }
        };
    }
}

struct Mount {
    player: Player,
    visitors: mpsc::Receiver<TcpStream>,
    burst: Duration,
}

/// How a listener's time ended.
enum Gone {
    Left(Departure),
    /// By another one.
    Replaced(TcpStream),
}

impl Mount {
    async fn serve(&mut self, mut stream: TcpStream, is_first: bool) -> Gone {
        let media_type = self.player.tape().media_type();
        let head =
            format!("HTTP/1.0 200 OK\r\nContent-Type: {media_type}\r\nCache-Control: no-cache\r\n\r\n");
        let greeting = [head.as_bytes(), self.player.tape().head()].concat();
        if let Err(error) = stream.set_nodelay(true) {
            return left(&error);
        }
        if let Err(error) = stream.write_all(&greeting).await {
            return left(&error);
        }
        self.player.tune(self.burst, is_first);
        loop {
            if let Some(gone) = self.write(&stream).await {
                return gone;
            }
            tokio::select! {
                biased;
                Some(other) = self.visitors.recv() => return Gone::Replaced(other),
                step = self.player.next() => {
                    if step == Step::Reconnect {
                        return Gone::Left(Departure::Cut);
                    }
                }
            }
        }
    }

    /// Empties the outbox, unless the listener goes meanwhile.
    async fn write(&mut self, stream: &TcpStream) -> Option<Gone> {
        // Of the outbox's first.
        let mut n_written = 0;
        while !self.player.outbox.is_empty() {
            match try_write(stream, &self.player.outbox, n_written) {
                Ok(n_bytes) => {
                    n_written += n_bytes;
                    while let Some(first) =
                        self.player.outbox.front().filter(|first| first.bytes.len() <= n_written)
                    {
                        n_written -= first.bytes.len();
                        self.player.sent();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if let Some(gone) = self.wait(stream).await {
                        return Some(gone);
                    }
                }
                Err(error) => return Some(left(&error)),
            }
        }
        None
    }

    /// Until the listener takes more; what is due meanwhile lines up.
    async fn wait(&mut self, stream: &TcpStream) -> Option<Gone> {
        self.player.block(true);
        let gone = loop {
            tokio::select! {
                biased;
                writable = stream.writable() => break writable.err().map(|error| left(&error)),
                Some(other) = self.visitors.recv() => break Some(Gone::Replaced(other)),
                step = self.player.next() => {
                    if step == Step::Reconnect {
                        break Some(Gone::Left(Departure::Cut));
                    }
                }
            }
        };
        self.player.block(false);
        gone
    }
}

/// In one call to the kernel, however many pieces there are.
fn try_write(stream: &TcpStream, outbox: &VecDeque<Outgoing>, n_written: usize) -> std::io::Result<usize> {
    let rest = |outgoing: Option<&Outgoing>| {
        outgoing.map(|first| first.bytes.slice(n_written..)).unwrap_or_default()
    };
    if outbox.len() == 1 {
        return stream.try_write(&rest(outbox.front()));
    }
    let first = rest(outbox.front());
    let others = outbox.iter().skip(1).take(PIECES_AT_ONCE).map(|outgoing| IoSlice::new(&outgoing.bytes));
    let slices: Vec<IoSlice<'_>> = std::iter::once(IoSlice::new(&first)).chain(others).collect();
    stream.try_write_vectored(&slices)
}

fn left(error: &std::io::Error) -> Gone {
    Gone::Left(Departure::Fault(error.to_string()))
}

//! A feed as bytes on a TCP connection, paced: what stations and sources have in common.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::note::Departure;
use super::player::{Outgoing, Player, Step};

/// Given to the kernel in one call, behind the first.
const PIECES_AT_ONCE: usize = 127;

/// Plays until the other side is gone, or the weather cuts the connection.
pub(super) async fn play_on(player: &mut Player, stream: &TcpStream) -> Departure {
    loop {
        let step = match pour(player, stream).await {
            Ok(Step::Send) => player.next().await,
            Ok(Step::Reconnect) => Step::Reconnect,
            Err(error) => return Departure::Fault(error.to_string()),
        };
        if step == Step::Reconnect {
            return Departure::Cut;
        }
    }
}

/// Empties the outbox; where that takes a while, what is due meanwhile lines up in it.
pub(super) async fn pour(player: &mut Player, stream: &TcpStream) -> std::io::Result<Step> {
    // Of the outbox's first.
    let mut n_written = 0;
    while !player.outbox.is_empty() {
        match try_write(stream, &player.outbox, n_written) {
            Ok(n_bytes) => {
                n_written += n_bytes;
                while let Some(first) = player.outbox.front().filter(|first| first.bytes.len() <= n_written) {
                    n_written -= first.bytes.len();
                    player.sent();
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                player.block(true);
                let waited = wait(player, stream).await;
                player.block(false);
                if waited? == Step::Reconnect {
                    return Ok(Step::Reconnect);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Step::Send)
}

/// Until the other side takes more.
async fn wait(player: &mut Player, stream: &TcpStream) -> std::io::Result<Step> {
    loop {
        tokio::select! {
            biased;
            ready = stream.ready(Interest::WRITABLE) => return ready.map(|_| Step::Send),
            step = player.next() => {
                if step == Step::Reconnect {
                    return Ok(step);
                }
            }
        }
    }
}

/// In one call to the kernel, however many pieces there are.
fn try_write(stream: &TcpStream, outbox: &VecDeque<Outgoing>, n_written: usize) -> std::io::Result<usize> {
    let first = outbox.front().map(|first| first.bytes.slice(n_written..)).unwrap_or_default();
    if outbox.len() == 1 {
        return stream.try_write(&first);
    }
    let others = outbox.iter().skip(1).take(PIECES_AT_ONCE).map(|outgoing| IoSlice::new(&outgoing.bytes));
    let slices: Vec<IoSlice<'_>> = std::iter::once(IoSlice::new(&first)).chain(others).collect();
    stream.try_write_vectored(&slices)
}

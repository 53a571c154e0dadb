//! One mount: a feed that goes on whether anybody listens or not.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::transport::note::Departure;
use crate::transport::player::Player;
use crate::transport::stream::play_on;

/// Plays to one listener after the other.
pub(super) async fn run(
    mut player: Player,
    mut visitors: mpsc::Receiver<TcpStream>,
    burst: Duration,
    n_reconnects: Rc<Cell<u64>>,
) {
    let mut next = visitors.recv().await;
    let mut is_first = true;
    while let Some(stream) = next {
        if !is_first {
            n_reconnects.set(n_reconnects.get() + 1);
        }
        next = tokio::select! {
            biased;
            Some(other) = visitors.recv() => Some(other),
            how = serve(&mut player, stream, burst, is_first) => {
                player.course.left(how);
                None
            }
        };
        if next.is_none() {
            next = visitors.recv().await;
        }
        is_first = false;
    }
}

/// Why the listener is gone.
async fn serve(player: &mut Player, mut stream: TcpStream, burst: Duration, is_first: bool) -> Departure {
    let media_type = player.tape().media_type();
    let head = format!("HTTP/1.0 200 OK\r\nContent-Type: {media_type}\r\nCache-Control: no-cache\r\n\r\n");
    let greeting = [head.as_bytes(), player.tape().head()].concat();
    let greeted = match stream.set_nodelay(true) {
        Ok(()) => stream.write_all(&greeting).await,
        Err(error) => Err(error),
    };
    if let Err(error) = greeted {
        return Departure::Fault(error.to_string());
    }
    player.tune(burst, is_first);
    play_on(player, &stream).await
}

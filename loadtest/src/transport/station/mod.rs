//! A server of live streams, as Icecast is one: N mounts that the target pulls, each a feed. New listeners get some seconds
//! of old audio at once, then the live edge. One listener a mount: who comes later takes the place. Not an Icecast: it
//! answers any request for a mount, knows no titles, and refuses nobody.

mod mount;

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::player::{Clock, Feed, Player};
use crate::failure::Failure;

/// Longest head of a request.
const HEAD_BYTES: u64 = 8 * 1_024;
/// For a request to arrive.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// Listeners of one mount that wait to be served.
const VISITORS: usize = 4;

/// How a station behaves.
#[derive(Clone, Debug)]
pub struct StationOptions {
    /// Where it listens; port 0 is any.
    pub listen: SocketAddr,
    /// At the end of each mount's name: `mp3`.
    pub extension: String,
    /// Old audio that a new listener gets at once. Icecast: 64 KiB, 4 s of 128 kbit/s.
    pub burst: Duration,
    /// The target takes a pause of so long for lost time, a shorter one for none. Aircheck: 2 s.
    pub notices_after: Duration,
}

impl Default for StationOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            extension: "mp3".into(),
            burst: Duration::from_secs(4),
            notices_after: Duration::from_secs(2),
        }
    }
}

/// A running station; it ends when dropped.
#[derive(Debug)]
pub struct Station {
    address: SocketAddr,
    extension: String,
    n_reconnects: Rc<Cell<u64>>,
    /// The mounts, and whoever brings listeners to them.
    _tasks: JoinSet<()>,
}

impl Station {
    /// Opens a station that plays `feeds`, mount N the one at index N. To be called on a local set of tokio.
    pub async fn open(options: StationOptions, feeds: Vec<Feed>) -> Result<Self, Failure> {
        let tried = format!("listen on {}", options.listen);
        let listener = TcpListener::bind(options.listen).await;
        let listener = listener.map_err(|error| Failure::runtime(&tried, error))?;
        let address = listener.local_addr().map_err(|error| Failure::runtime(&tried, error))?;
        let n_reconnects = Rc::new(Cell::new(0));
        let mut tasks = JoinSet::new();
        let mut doors = Vec::new();
        for feed in feeds {
            let mut player = Player::new(feed, Clock::Stitched(options.notices_after))?;
            player.begin_before(options.burst);
            let (door, visitors) = mpsc::channel(VISITORS);
            doors.push(door);
            tasks.spawn_local(mount::run(player, visitors, options.burst, Rc::clone(&n_reconnects)));
        }
        tasks.spawn_local(receive(listener, doors.into()));
        Ok(Self { address, extension: options.extension, n_reconnects, _tasks: tasks })
    }

    /// Where mount `feed_idx` is to be pulled.
    #[must_use]
    pub fn url(&self, feed_idx: usize) -> String {
        format!("http://{}/feed-{feed_idx}.{}", self.address, self.extension)
    }

    /// How often a mount's listener came back.
    #[must_use]
    pub fn n_reconnects(&self) -> u64 {
        self.n_reconnects.get()
    }
}

/// Lets listeners in.
async fn receive(listener: TcpListener, doors: Rc<[mpsc::Sender<TcpStream>]>) {
    let mut visitors = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                visitors.spawn_local(show_in(stream, Rc::clone(&doors)));
            }
            Some(_) = visitors.join_next() => {}
        }
    }
}

/// Brings a listener to its mount. Who is too slow, or asks for what there is not, is sent away.
async fn show_in(mut stream: TcpStream, doors: Rc<[mpsc::Sender<TcpStream>]>) {
    let mut head = Vec::new();
    let read = timeout(HEAD_LIMIT, read_head(&mut stream, &mut head)).await;
    let Ok(Ok(())) = read else { return };
    let door = std::str::from_utf8(&head).ok().and_then(mount_of).and_then(|idx| doors.get(idx));
    match door {
        Some(door) => {
            // A mount that has so many listeners waiting needs no other.
            let _full = door.try_send(stream);
        }
        None => {
            // Nobody to tell it.
            let _gone = stream.write_all(b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
        }
    }
}

async fn read_head(stream: &mut TcpStream, head: &mut Vec<u8>) -> std::io::Result<()> {
    let mut bytes = tokio::io::BufReader::new(stream).take(HEAD_BYTES);
    while !head.ends_with(b"\r\n\r\n") {
        head.push(bytes.read_u8().await?);
    }
    Ok(())
}

/// `GET /feed-12.mp3 HTTP/1.1` is 12.
fn mount_of(head: &str) -> Option<usize> {
    let path = head.strip_prefix("GET ")?.split(' ').next()?;
    path.strip_prefix("/feed-")?.split('.').next()?.parse().ok()
}

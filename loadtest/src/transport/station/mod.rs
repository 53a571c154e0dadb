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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use tokio::task::LocalSet;

    use super::*;
    use crate::scenario::Trouble;
    use crate::transport::testing::{self, PIECE_BYTES, Setup, legs};
    use crate::transport::{Note, Noted};

    const BURST_PIECES: usize = 20;

    /// Opens a station of one mount, and listens as `listen` does.
    async fn check<F: Future>(listen: impl FnOnce(String, Setup) -> F) -> (F::Output, Vec<Note>) {
        let (setup, feed, mut told) = testing::feed();
        let options = StationOptions {
            burst: testing::PIECE * BURST_PIECES as u32,
            notices_after: testing::PIECE * 5,
            ..StationOptions::default()
        };
        let heard = LocalSet::new()
            .run_until(async {
                let station = Station::open(options, vec![feed]).await.unwrap();
                let url = station.url(0);
                assert!(url.ends_with("/feed-0.mp3"), "{url}");
                listen(url.split('/').nth(2).unwrap().to_owned(), setup).await
            })
            .await;
        (heard, testing::notes(&mut told))
    }

    /// A listener of `path`, and the head of the answer.
    async fn tune_in(address: &str, path: &str) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        (stream, String::from_utf8(head).unwrap())
    }

    async fn take(stream: &mut TcpStream, n_pieces: usize) -> Vec<u8> {
        let mut bytes = vec![0; n_pieces * PIECE_BYTES];
        stream.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// Until pieces are missing: the kernel may hold many from before.
    async fn take_until_jump(stream: &mut TcpStream) {
        let mut last = take(stream, 1).await;
        loop {
            let next = take(stream, 1).await;
            if first_piece(&next) != first_piece(&last) + 1 {
                return;
            }
            last = next;
        }
    }

    /// Of a stretch of the tape, in pieces.
    fn first_piece(bytes: &[u8]) -> usize {
        let first = u16::from_le_bytes([bytes[0], bytes[1]]) as usize * 2 / PIECE_BYTES;
        assert!(bytes == testing::played(first * PIECE_BYTES, bytes.len()), "in order, from piece {first}");
        first
    }

    #[tokio::test]
    async fn a_listener_gets_the_burst_and_then_the_live_edge() {
        let (first, notes) = check(|address, _| async move {
            let (mut stream, head) = tune_in(&address, "/feed-0.mp3").await;
            assert!(head.starts_with("HTTP/1.0 200 OK\r\nContent-Type: "), "{head}");
            let bytes = take(&mut stream, BURST_PIECES + 30).await;
            first_piece(&bytes)
        })
        .await;
        let [(0, 0, position), (0, end_of_burst, same)] = legs(&notes)[..] else {
            panic!("{:?}", legs(&notes))
        };
        assert_eq!((position, same, end_of_burst), (first as u64, first as u64, BURST_PIECES as u64));
        let Noted::Leg { anchor, .. } = notes[0].what else { panic!("{notes:?}") };
        assert!(
            anchor.held_until.is_some_and(|until| until >= anchor.due + testing::PIECE * BURST_PIECES as u32)
        );
        let Noted::Leg { anchor: live, .. } = notes[1].what else { panic!("{notes:?}") };
        assert_eq!((live.held_until, live.due), (None, anchor.due));
    }

    #[tokio::test]
    async fn who_comes_back_hears_on_and_media_time_goes_on() {
        let ((before, after), notes) = check(|address, setup| async move {
            let (mut stream, _) = tune_in(&address, "/feed-0.mp3").await;
            let mut before = take(&mut stream, BURST_PIECES + 5).await;
            setup.weather.set(Trouble::Disconnect).unwrap();
            stream.read_to_end(&mut before).await.unwrap();
            let (mut stream, _) = tune_in(&address, "/feed-0.mp3").await;
            (before, take(&mut stream, BURST_PIECES + 5).await)
        })
        .await;
        assert!(first_piece(&after) > first_piece(&before));
        assert!(
            notes.iter().any(|note| note.what
                == Noted::Left { at: left_at(&notes), how: crate::transport::Departure::Cut })
        );
        // What was missed, if anything, is expected; where media time lies does not change.
        let legs = legs(&notes);
        assert!(legs.iter().all(|leg| (leg.0, leg.2) == (0, legs[0].2)), "{legs:?}");
    }

    #[tokio::test]
    async fn who_comes_back_after_a_change_hears_nothing_old() {
        let ((before, after), notes) = check(|address, setup| async move {
            let (mut stream, _) = tune_in(&address, "/feed-0.mp3").await;
            let mut before = take(&mut stream, BURST_PIECES + 5).await;
            setup.weather.set(Trouble::Change).unwrap();
            stream.read_to_end(&mut before).await.unwrap();
            let (mut stream, _) = tune_in(&address, "/feed-0.mp3").await;
            (before, take(&mut stream, 5).await)
        })
        .await;
        let n_before = before.len() / PIECE_BYTES;
        assert!(first_piece(&after) >= first_piece(&before) + n_before, "{n_before}");
        // What nobody could fetch is not expected; where media time lies does not change.
        assert!(notes.iter().any(|note| matches!(note.what, Noted::Lost(_))), "{notes:?}");
        let legs = legs(&notes);
        assert!(legs.iter().all(|leg| (leg.0, leg.2) == (0, legs[0].2)), "{legs:?}");
    }

    fn left_at(notes: &[Note]) -> engine::time::MediaTime {
        notes
            .iter()
            .find_map(|note| if let Noted::Left { at, .. } = note.what { Some(at) } else { None })
            .unwrap()
    }

    #[tokio::test]
    async fn a_long_stall_is_lost_time_and_a_short_one_a_shift() {
        for (n_pieces, is_noticed) in [(10, true), (3, false)] {
            let (_, notes) = check(|address, setup| async move {
                let (mut stream, _) = tune_in(&address, "/feed-0.mp3").await;
                take(&mut stream, BURST_PIECES + 2).await;
                setup.weather.set(Trouble::Stall(testing::PIECE * n_pieces)).unwrap();
                take_until_jump(&mut stream).await;
            })
            .await;
            let legs = legs(&notes);
            let lost = notes
                .iter()
                .find_map(|note| if let Noted::Lost(span) = note.what { Some(span) } else { None });
            if is_noticed {
                let span = lost.unwrap();
                assert_eq!(span.duration().to_duration(), testing::PIECE * n_pieces);
                assert_eq!(legs.len(), 2, "{legs:?}");
            } else {
                assert_eq!((lost, legs.len()), (None, 3), "{legs:?}");
                assert_eq!(legs[2].2, legs[1].2 + u64::from(n_pieces));
            }
        }
    }

    #[tokio::test]
    async fn other_paths_are_not_found() {
        let (head, _) = check(|address, _| async move { tune_in(&address, "/feed-1.mp3").await.1 }).await;
        assert!(head.starts_with("HTTP/1.0 404 "), "{head}");
        assert_eq!(mount_of("GET /feed-12.mp3 HTTP/1.1"), Some(12));
        assert_eq!(
            ["GET /x HTTP/1.1", "PUT /feed-1 HTTP/1.1", "", "GET /feed-99999999999999999999999"]
                .map(mount_of),
            [None; 4]
        );
    }
}

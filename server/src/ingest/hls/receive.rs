//! The task that receives: reads the playlist again and again, fetches what is new in it, and hands it on in order. Keeps its
//! place over reconnections. Decodes nothing.
//!
//! **When to look again** (RFC 8216, 6.3.4): as long after the last look as its last segment lasts, and half a target duration
//! after one that found nothing new. **Tokens** in the addresses that a playlist names are kept; where one names none, none is
//! added. When the playlist fails, or three segments in a row, everything begins again at the address of the feed, which may
//! lead to new tokens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::event::{FeedState, GapReason};
use tokio::sync::Semaphore;
use tokio::time::{sleep, sleep_until};

use super::follow::{Follow, Mark, Task};
use super::playlist::{self, Media, Place, Playlist, Segment};
use super::ranges::media_time;
use super::{BYTES_MAX, Part, Sent};
use crate::ingest::http::{Address, HttpError, Order, Page, whole};
use crate::ingest::live::{Abandoned, LiveConfig, Message, Outlet, Wants};

/// Largest segment, bytes: ten seconds of 12 Mbit/s. Of variants the smallest is taken.
const SEGMENT_BYTES_MAX: usize = 16 << 20;
/// Segments that were received and not yet played. Bounds the memory of a feed.
const SEGMENTS_WAITING: usize = 2;
/// Attempts at a segment, and the wait before the second, which doubles.
const ATTEMPTS: (u32, Duration) = (3, Duration::from_millis(250));
/// Segments in a row that are not there until the feed's address is asked again.
const ABSENT_MAX: u32 = 3;
/// Shortest wait before a playlist is read again.
const RELOAD_MIN: Duration = Duration::from_millis(200);

/// Why there is no more of it for now.
pub(in crate::ingest) enum Over {
    /// It came to its end.
    Ended(String),
    /// It may go on.
    Lost(HttpError),
}

/// Why listening stopped.
enum Stop {
    Abandoned,
    Lost(HttpError),
}

impl From<Abandoned> for Stop {
    fn from(Abandoned: Abandoned) -> Self {
        Self::Abandoned
    }
}

impl From<HttpError> for Stop {
    fn from(error: HttpError) -> Self {
        Self::Lost(error)
    }
}

/// Listens to playlists, one connection after the other.
pub(in crate::ingest) struct Listening {
    config: LiveConfig,
    follow: Follow,
    room: Arc<Semaphore>,
    /// The header that was fetched last, and from where.
    header: Option<(Address, Arc<Place>, Bytes)>,
    n_absent: u32,
    /// Segments of this connection that are there.
    n_present: u64,
    /// When the first segment of a recording would have been heard, and how much was since.
    paced: Option<(Instant, Duration)>,
}

impl Listening {
    pub(in crate::ingest) fn new(config: LiveConfig) -> Self {
        let (follow, room) = (Follow::default(), Arc::new(Semaphore::new(SEGMENTS_WAITING)));
        Self { config, follow, room, header: None, n_absent: 0, n_present: 0, paced: None }
    }

    /// Whether there were segments since the last time that this was asked.
    pub(in crate::ingest) fn was_good(&mut self) -> bool {
        std::mem::take(&mut self.n_present) > 0
    }

    /// Listens to the playlist of `page`, or the one that it leads to, until it is over.
    pub(in crate::ingest) async fn listen(&mut self, page: Page, outlet: &Outlet) -> Result<Over, Abandoned> {
        match self.follow_up(page, outlet).await {
            Ok(ended) => Ok(Over::Ended(ended)),
            Err(Stop::Lost(error)) => Ok(Over::Lost(error)),
            Err(Stop::Abandoned) => Err(Abandoned),
        }
    }

    async fn follow_up(&mut self, page: Page, outlet: &Outlet) -> Result<String, Stop> {
        let mut looked_at = Instant::now();
        let (address, mut media) = self.media(page).await?;
        if self.config.wants == Wants::Recording && !media.is_ended {
            return Err(HttpError::Live(address).into());
        }
        outlet.tell(FeedState::Connected, address.to_string()).await?;
        let mut patience = Patience::new(&self.config);
        loop {
            let tasks = self.follow.tasks(&media);
            for task in &tasks {
                let enough = self.act(task, &media, &address, outlet).await?;
                self.follow.done(task, &media);
                if let Some(error) = enough {
                    return Err(error.into());
                }
            }
            if media.is_ended {
                outlet.send(Message::Part(Part::End)).await?;
                return Ok(format!("{address}: the playlist has ended"));
            }
            match patience.look(!tasks.is_empty(), media.target) {
                Look::Fine => {}
                Look::Quiet => outlet.send(Message::Part(Part::Quiet)).await?,
                Look::Dead(silence) => {
                    let what = format!("{address}: no new segment for {silence:.1?}");
                    return Err(HttpError::Failed(what).into());
                }
            }
            sleep_until((looked_at + wait(&media, !tasks.is_empty())).into()).await;
            looked_at = Instant::now();
            match self.reload(&address).await {
                Ok(fresh) => media = fresh,
                // Once or twice is nothing: what is missed is read the next time.
                Err(error) if matches!(error, HttpError::Refused(_)) || !patience.fail() => {
                    return Err(error.into());
                }
                Err(error) => tracing::debug!("{error}"),
            }
        }
    }

    /// The playlist with the segments, and where it is.
    async fn media(&self, page: Page) -> Result<(Address, Media), HttpError> {
        let Page { address, text } = page;
        let master = match parse(&address, &text)? {
            Playlist::Media(media) => return Ok((address, media)),
            Playlist::Master(master) => master,
        };
        let refused = |what: &str| HttpError::Refused(format!("{address}: {what}"));
        let chosen = master.choose().ok_or_else(|| refused("an HLS playlist without audio"))?;
        let chosen = address.beside(chosen).map_err(|what| refused(&format!("leads to {what}")))?;
        let found = whole(&chosen, &self.config.http, self.order(None, BYTES_MAX)).await?;
        match parse(&found.address, &String::from_utf8_lossy(&found.bytes))? {
            Playlist::Media(media) => Ok((found.address, media)),
            Playlist::Master(_) => Err(refused("an HLS playlist that leads to another one like it")),
        }
    }

    async fn reload(&self, address: &Address) -> Result<Media, HttpError> {
        let found = whole(address, &self.config.http, self.order(None, BYTES_MAX)).await?;
        match parse(address, &String::from_utf8_lossy(&found.bytes))? {
            Playlist::Media(media) => Ok(media),
            Playlist::Master(_) => {
                Err(HttpError::Failed(format!("{address}: the playlist lost its segments")))
            }
        }
    }

    /// Does a task. An answer: it is done, and that is enough for this connection.
    async fn act(
        &mut self,
        task: &Task,
        media: &Media,
        at: &Address,
        outlet: &Outlet,
    ) -> Result<Option<HttpError>, Stop> {
        match task {
            Task::Fetch { segment, marks } => {
                if media.is_ended && self.config.wants == Wants::Anything {
                    self.pace(segment.length).await;
                }
                self.segment(segment, (marks, media.target), at, outlet).await
            }
            Task::Expired { length, .. } => {
                let reason = if self.n_present > 0 { GapReason::Loss } else { GapReason::Disconnect };
                miss(*length, (false, reason), Vec::new(), outlet).await?;
                Ok(None)
            }
            Task::Restart => {
                miss(Duration::ZERO, (true, GapReason::Disconnect), Vec::new(), outlet).await?;
                Ok(None)
            }
        }
    }

    /// Waits until a segment of a recording would be heard.
    async fn pace(&mut self, length: Duration) {
        let (began, heard) = self.paced.get_or_insert_with(|| (Instant::now(), Duration::ZERO));
        let due = *began + *heard;
        *heard = heard.saturating_add(length);
        sleep_until(due.into()).await;
    }

    async fn segment(
        &mut self,
        segment: &Segment,
        (marks, target): (&[Mark], Duration),
        at: &Address,
        outlet: &Outlet,
    ) -> Result<Option<HttpError>, Stop> {
        // Closed by nobody.
        let room = Arc::clone(&self.room).acquire_owned().await.ok();
        let fetched = if segment.is_gap {
            Err(HttpError::Answered(format!("{at}: the playlist says that a segment is not there")))
        } else {
            self.fetch(segment, at).await
        };
        let (bytes, header) = match fetched {
            Ok(fetched) => fetched,
            // The connection is the matter: the segment may be there later.
            Err(error @ HttpError::Failed(_)) => return Err(error.into()),
            Err(error) => {
                tracing::info!("segment {} is missing: {error}", segment.number);
                self.n_absent += 1;
                miss(segment.length, (segment.is_cut, GapReason::Loss), marks.to_vec(), outlet).await?;
                // As many as that, one after the other, and a new look at everything: then as many again.
                let is_enough = !segment.is_gap && self.n_absent.is_multiple_of(ABSENT_MAX);
                let what = format!("{ABSENT_MAX} segments in a row are not there: {error}");
                return Ok(is_enough.then_some(HttpError::Failed(what)));
            }
        };
        (self.n_absent, self.n_present) = (0, self.n_present + 1);
        let sent = Sent {
            bytes,
            header,
            at: Instant::now(),
            wall: segment.wall,
            number: segment.number,
            era: segment.era,
            target: media_time(target),
            length: media_time(segment.length),
            is_cut: segment.is_cut,
            marks: marks.to_vec(),
            _room: room,
        };
        outlet.send(Message::Part(Part::Segment(Box::new(sent)))).await?;
        Ok(None)
    }

    async fn fetch(&mut self, segment: &Segment, at: &Address) -> Result<(Bytes, Option<Bytes>), HttpError> {
        let header = match &segment.map {
            None => None,
            Some(map) => Some(self.header(map, at).await?),
        };
        Ok((self.fetch_place(&segment.place, at).await?, header))
    }

    async fn header(&mut self, map: &Arc<Place>, at: &Address) -> Result<Bytes, HttpError> {
        if let Some((from, place, bytes)) = &self.header
            && (from, place) == (at, map)
        {
            return Ok(bytes.clone());
        }
        let bytes = self.fetch_place(map, at).await?;
        self.header = Some((at.clone(), Arc::clone(map), bytes.clone()));
        Ok(bytes)
    }

    /// Fetches bytes, with another attempt where the connection was the matter.
    async fn fetch_place(&self, place: &Place, at: &Address) -> Result<Bytes, HttpError> {
        let address = at.beside(&place.uri);
        let address = address.map_err(|what| HttpError::Answered(format!("{at}: a segment at {what}")))?;
        let (attempts, mut pause) = ATTEMPTS;
        for _ in 1..attempts {
            match whole(&address, &self.config.http, self.order(place.range, SEGMENT_BYTES_MAX)).await {
                Err(HttpError::Failed(what)) => tracing::debug!("{what}"),
                Err(HttpError::Answered(what)) => tracing::debug!("{what}"),
                done => return done.map(|whole| whole.bytes),
            }
            sleep(pause).await;
            pause *= 2;
        }
        let last = whole(&address, &self.config.http, self.order(place.range, SEGMENT_BYTES_MAX)).await;
        last.map(|whole| whole.bytes)
    }

    fn order(&self, range: Option<playlist::ByteRange>, bytes_max: usize) -> Order {
        let LiveConfig { http, dead_after, .. } = self.config;
        // Slower than this it falls behind.
        let time = http.connect + http.header + 2 * dead_after;
        Order { range, bytes_max, silence: dead_after, time }
    }
}

async fn miss(
    length: Duration,
    (is_cut, reason): (bool, GapReason),
    marks: Vec<Mark>,
    outlet: &Outlet,
) -> Result<(), Abandoned> {
    let length = media_time(length);
    outlet.send(Message::Part(Part::Missing { length, is_cut, reason, marks })).await
}

fn parse(address: &Address, text: &str) -> Result<Playlist, HttpError> {
    playlist::parse(text).map_err(|error| HttpError::Refused(format!("{address}: {error}")))
}

/// How long after the last look the next one is.
fn wait(media: &Media, is_new: bool) -> Duration {
    let last = media.segments.last().map_or(media.target, |segment| segment.length);
    let wait = if is_new { last.min(media.target) } else { media.target / 2 };
    wait.max(RELOAD_MIN)
}

/// How long a playlist may bring nothing new.
struct Patience {
    stalled_after: Duration,
    dead_after: Duration,
    since: Instant,
    is_quiet: bool,
    n_failures: u32,
}

enum Look {
    Fine,
    /// People should know.
    Quiet,
    /// Enough.
    Dead(Duration),
}

impl Patience {
    fn new(config: &LiveConfig) -> Self {
        let LiveConfig { stalled_after, dead_after, .. } = *config;
        Self { stalled_after, dead_after, since: Instant::now(), is_quiet: false, n_failures: 0 }
    }

    /// A playlist was read. A server has a target duration and a half for the next segment (RFC 8216, 6.2.1).
    fn look(&mut self, is_new: bool, target: Duration) -> Look {
        if is_new {
            (self.since, self.is_quiet, self.n_failures) = (Instant::now(), false, 0);
            return Look::Fine;
        }
        let silence = self.since.elapsed();
        if silence >= target * 3 + self.dead_after {
            return Look::Dead(silence);
        }
        if silence >= target * 3 / 2 + self.stalled_after && !std::mem::replace(&mut self.is_quiet, true) {
            return Look::Quiet;
        }
        Look::Fine
    }

    /// A playlist could not be read. Answers whether to go on.
    fn fail(&mut self) -> bool {
        self.n_failures += 1;
        self.n_failures < ABSENT_MAX
    }
}

//! The thread that sends: all feeds of a run on one runtime of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine::event::EventKind;
use engine::time::SampleRate;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep_until};
use url::Url;

use crate::failure::Failure;
use crate::measure::Generator;
use crate::pace::Punctuality;
use crate::programme::{Programme, What};
use crate::scenario::{Audio, AudioFrom, Scenario, TargetKind, Transport, name_of};
use crate::target::{Deepgram, Dialect, Vosk, WhisperLive};
use crate::transport::encode;
use crate::transport::push::{self, Expects, PushOptions};
use crate::transport::rtp::{self, Payload};
use crate::transport::websocket::{self, WebSocketOptions};
use crate::transport::{
    Feed, Note, Notes, Station, StationOptions, Tape, Weather, on_thread, real_time, thread_cpu,
};

/// Notes that may wait for the jury.
const NOTES: usize = 100_000;
/// Until a WebSocket server is ready for a feed: it may have a model to load.
const CONNECT: Duration = Duration::from_secs(60);
/// Between two looks at how punctual feeds are.
const LOOK: Duration = Duration::from_millis(500);

/// The labelled audio, as long as `scenario`'s codec needs it.
pub(super) fn programme(scenario: &Scenario) -> Result<Programme, Failure> {
    let Audio { from, sample_dir } = &scenario.programme;
    let programme = match from {
        AudioFrom::Sample(name) if name == "librivox" => match sample_dir {
            Some(folder) => Programme::librivox(folder)?,
            None => Programme::sample()?,
        },
        AudioFrom::Sample(name) => {
            return Err(Failure::Usage(format!("programme.sample: \"{name}\", expected \"librivox\"")));
        }
        AudioFrom::Manifest(path) => Programme::read(path)?,
    };
    let codec = scenario.codec();
    let is_stream = matches!(scenario.transport(), Transport::Icecast | Transport::Source);
    let mut programme = if is_stream { encode::fitted(&programme, codec) } else { programme };
    let is_told = |kind: EventKind| match kind {
        // An encoder rounds flat tops off: behind it nobody can see that they were there.
        EventKind::AlertClipping if !encode::is_lossless(codec) => false,
        // Servers of dialects tell words and nothing else.
        _ => scenario.transport() != Transport::WebSocket,
    };
    programme.facts.retain(|fact| match fact.what {
        What::Opens(kind) | What::Closes(kind) => is_told(kind),
        What::Word(_) | What::Sentence(_) => true,
    });
    Ok(programme)
}

/// What is sent, ready made: the first, and what a change changes to.
#[derive(Clone)]
pub(super) struct Tapes(Vec<Arc<Tape>>);

impl Tapes {
    pub(super) fn new(scenario: &Scenario, programme: &Programme) -> Result<Self, Failure> {
        let piece = scenario.feeds.piece;
        let tapes = match scenario.transport() {
            Transport::WebSocket => {
                let dialect = dialect(scenario, &scenario.target.url(), None, programme.rate)?;
                vec![Tape::for_dialect(programme, &*dialect, piece)?]
            }
            Transport::Icecast | Transport::Source => encode::tapes(programme, scenario.codec(), &cache())?,
            Transport::Rtp => vec![Payload::L16.tape(programme)?],
            Transport::InProcess => vec![Tape::of_samples(programme, piece)?],
        };
        Ok(Self(tapes.into_iter().map(Arc::new).collect()))
    }

    /// The one that is played without a change.
    pub(super) fn first(&self) -> Result<Arc<Tape>, Failure> {
        self.0.first().cloned().ok_or_else(|| Failure::Usage("there is nothing to play".into()))
    }
}

/// Where encoded programmes are kept.
fn cache() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    cache.unwrap_or_else(std::env::temp_dir).join("aircheck").join("loadtest")
}

/// Where feed `idx` goes by RTP.
pub(super) fn rtp_of(scenario: &Scenario, idx: usize) -> Result<SocketAddr, Failure> {
    let none = || Failure::Usage(format!("feeds.rtp: there is no port for feed {idx}"));
    scenario.feeds.rtp(idx).ok_or_else(none)
}

fn dialect(
    scenario: &Scenario,
    url: &str,
    token: Option<&str>,
    rate: SampleRate,
) -> Result<Box<dyn Dialect>, Failure> {
    let plain = url.replace("{listen}", "127.0.0.1:1");
    Ok(match scenario.target.kind {
        // Its WebSocket is that of Deepgram, on the port of the API.
        TargetKind::Aircheck => Box::new(Deepgram::new(&plain.replacen("http", "ws", 1), token)?),
        TargetKind::Deepgram => Box::new(Deepgram::new(&plain, token)?),
        TargetKind::WhisperLive => Box::new(WhisperLive::new(&plain)?),
        TargetKind::Vosk => Box::new(Vosk::new(&plain, rate)?),
        TargetKind::Engine => return Err(Failure::Usage("target.kind: the engine has no WebSocket".into())),
    })
}

/// What the thread is to play.
pub(super) struct Orders {
    pub(super) scenario: Scenario,
    pub(super) tapes: Tapes,
    pub(super) rate: SampleRate,
    pub(super) url: String,
    pub(super) token: Option<String>,
    pub(super) n_feeds: usize,
    /// Where feeds that are pushed as sources go, one each.
    pub(super) mounts: Vec<Url>,
    pub(super) begin: Instant,
    /// From when on punctuality counts, and until when.
    pub(super) counts: (Instant, Instant),
}

/// The running thread.
pub(super) struct Sender {
    pub(super) notes: mpsc::Receiver<Note>,
    /// Where feeds can be pulled; empty where they push.
    pub(super) urls: Vec<String>,
    pub(super) weathers: Vec<Weather>,
    pub(super) generator: watch::Receiver<Generator>,
    end: watch::Sender<bool>,
    thread: JoinHandle<Result<u64, Failure>>,
}

/// What the thread tells once it plays.
struct Opened {
    notes: mpsc::Receiver<Note>,
    urls: Vec<String>,
}

impl Sender {
    /// Starts the thread. Feeds that are pulled can be pulled when this returns.
    pub(super) async fn start(orders: Orders) -> Result<Self, Failure> {
        let weathers: Vec<Weather> = (0..orders.n_feeds).map(|_| Weather::new()).collect();
        let (end, of_end) = watch::channel(false);
        let (look, generator) = watch::channel(Punctuality::new().count());
        let (opened, is_open) = oneshot::channel();
        let of_thread = weathers.clone();
        let thread = on_thread("sender", move || send(orders, of_thread, opened, look, of_end))?;
        match is_open.await {
            Ok(Opened { notes, urls }) => Ok(Self { notes, urls, weathers, generator, end, thread }),
            Err(_) => match thread.join() {
                Ok(Err(failure)) => Err(failure),
                _ => Err(Failure::Runtime("the sending thread ended before it began".into())),
            },
        }
    }

    /// Ends all feeds; goodbyes are said. The notes that are left can still be read.
    pub(super) fn end(&self) {
        self.end.send_replace(true);
    }

    /// Waits for the thread, which was told to end. Fails if it had to drop notes.
    pub(super) fn join(self) -> Result<Generator, Failure> {
        let joined =
            self.thread.join().map_err(|_| Failure::Runtime("the sending thread panicked".into()))?;
        match joined? {
            0 => Ok(self.generator.borrow().clone()),
            n => Err(Failure::Runtime(format!("{n} notes were lost: this machine is too slow to judge"))),
        }
    }
}

/// Plays until it is told to end; answers how many notes were lost.
async fn send(
    orders: Orders,
    weathers: Vec<Weather>,
    opened: oneshot::Sender<Opened>,
    look: watch::Sender<Generator>,
    mut end: watch::Receiver<bool>,
) -> Result<u64, Failure> {
    // Where it is refused, the lateness that is reported tells whether it mattered.
    let _refused = real_time();
    let (notes, receiver) = Notes::new(NOTES);
    let punctuality = Punctuality::new();
    let feeds = feeds(&orders, weathers, &notes, &punctuality);
    let mut playing = JoinSet::new();
    let station = play(&orders, feeds, &mut playing, &end).await?;
    let urls = station.iter().flat_map(|station| (0..orders.n_feeds).map(|idx| station.url(idx))).collect();
    if opened.send(Opened { notes: receiver, urls }).is_err() {
        return Ok(0);
    }
    let counting = count(orders.counts, &punctuality, &look);
    let failure = tokio::select! {
        () = counting => None,
        failure = failed(&mut playing) => Some(failure),
        _ = end.wait_for(|end| *end) => None,
    };
    match failure {
        Some(failure) => Err(failure),
        None => {
            // What is played after the time that counts is for the answers to come.
            tokio::select! {
                failure = failed(&mut playing) => return Err(failure),
                _ = end.wait_for(|end| *end) => {}
            }
            drop(station);
            while let Some(ended) = playing.join_next().await {
                ended.map_err(|error| Failure::runtime("a feed", error))??;
            }
            Ok(notes.n_lost())
        }
    }
}

fn feeds(orders: &Orders, weathers: Vec<Weather>, notes: &Notes, punctuality: &Punctuality) -> Vec<Feed> {
    let feed = |(idx, weather)| Feed {
        idx,
        n_feeds: orders.n_feeds,
        tapes: orders.tapes.0.clone(),
        begin: orders.begin,
        weather,
        notes: notes.clone(),
        punctuality: punctuality.clone(),
    };
    weathers.into_iter().enumerate().map(feed).collect()
}

/// Starts all feeds; answers the station that they are pulled from, if they are.
async fn play(
    orders: &Orders,
    feeds: Vec<Feed>,
    playing: &mut JoinSet<Result<(), Failure>>,
    end: &watch::Receiver<bool>,
) -> Result<Option<Station>, Failure> {
    match orders.scenario.transport() {
        Transport::WebSocket => {
            let options = sockets(orders)?;
            for feed in feeds {
                playing.spawn_local(websocket::play(feed, options.clone(), end.clone()));
            }
        }
        Transport::Source => {
            for (feed, url) in feeds.into_iter().zip(orders.mounts.clone()) {
                let (expects, notices_after) = (Expects::Continue, StationOptions::default().notices_after);
                let options = PushOptions { url, expects, connect_limit: CONNECT, notices_after };
                playing.spawn_local(push::play(feed, options, end.clone()));
            }
        }
        Transport::Rtp => {
            for (idx, feed) in feeds.into_iter().enumerate() {
                let to = rtp_of(&orders.scenario, idx)?;
                playing.spawn_local(rtp::play(feed, Payload::L16, to, end.clone()));
            }
        }
        Transport::InProcess => {
            return Err(Failure::Usage("feeds.transport: in-process leads to no server".into()));
        }
        Transport::Icecast => {
            let burst = orders.scenario.feeds.burst;
            let extension = name_of(&orders.scenario.codec());
            let options = StationOptions { burst, extension, ..StationOptions::default() };
            return Ok(Some(Station::open(options, feeds).await?));
        }
    }
    Ok(None)
}

fn sockets(orders: &Orders) -> Result<WebSocketOptions, Failure> {
    let (scenario, url, token, rate) =
        (orders.scenario.clone(), orders.url.clone(), orders.token.clone(), orders.rate);
    // Whether it can be made is known now; later it is only made again.
    let first = std::cell::RefCell::new(Some(dialect(&scenario, &url, token.as_deref(), rate)?));
    let again = move || match first.borrow_mut().take() {
        Some(first) => first,
        None => dialect(&scenario, &url, token.as_deref(), rate)
            .unwrap_or_else(|_| unreachable!("it was made before")),
    };
    Ok(WebSocketOptions {
        dialect: Rc::new(again),
        connect_limit: CONNECT,
        linger: orders.scenario.run.grace,
    })
}

/// A feed that failed. Waits for ever while none does.
async fn failed(playing: &mut JoinSet<Result<(), Failure>>) -> Failure {
    while let Some(ended) = playing.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            // Where it cannot be reached at all, nothing was played before.
            Ok(Err(Failure::Runtime(why))) => return Failure::Refused(why),
            Ok(Err(failure)) => return failure,
            Err(error) => return Failure::runtime("a feed", error),
        }
    }
    std::future::pending().await
}

/// Counts punctuality from the start to the end of the time that counts, and lets others look.
pub(super) async fn count(
    (start, end): (Instant, Instant),
    punctuality: &Punctuality,
    look: &watch::Sender<Generator>,
) {
    sleep_until(start.into()).await;
    punctuality.reset();
    let cpu = thread_cpu();
    let mut looks = interval(LOOK);
    let show =
        || look.send_replace(Generator { cpu: thread_cpu().saturating_sub(cpu), ..punctuality.count() });
    while Instant::now() < end {
        looks.tick().await;
        show();
    }
}

//! What Aircheck tells of all feeds, read on a thread of its own so that nothing holds up the stamp of when it was here.

use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::Duration;

use engine::event::EventKind;
use tokio::sync::{mpsc, oneshot, watch};

use crate::failure::Failure;
use crate::target::aircheck::{Api, Stages, Told};
use crate::transport::on_thread;

/// Events that may wait for the jury.
const EVENTS: usize = 100_000;
/// How long the server may be away.
const PATIENCE: Duration = Duration::from_secs(60);

/// The reading thread. It ends when this is dropped, or the server is away for too long.
pub(super) struct Events {
    told: mpsc::Receiver<Told>,
    end: watch::Sender<bool>,
    thread: JoinHandle<Result<Stages, Failure>>,
    names: Names,
}

/// Which feed an event is about.
struct Names {
    prefix: String,
    /// Epochs of each feed, as they came: which media clock it is.
    epochs: BTreeMap<usize, Vec<u64>>,
}

impl Events {
    /// Follows the events of feeds called `prefix` and a number. They are all there from when this returns.
    pub(super) async fn follow(api: &Api, prefix: &str) -> Result<Self, Failure> {
        let (sender, told) = mpsc::channel(EVENTS);
        let (end, of_end) = watch::channel(false);
        let (ready, is_ready) = oneshot::channel();
        let api = api.clone();
        let thread = on_thread("events", move || read(api, sender, of_end, ready))?;
        let names = Names { prefix: prefix.to_owned(), epochs: BTreeMap::new() };
        let events = Self { told, end, thread, names };
        match is_ready.await {
            Ok(()) => Ok(events),
            Err(_) => Err(events.finish().err().unwrap_or_else(|| Failure::Runtime("no events".into()))),
        }
    }

    /// The next event of one of the feeds, with the feed and its media clock. `None`: there will be no more.
    pub(super) async fn next(&mut self) -> Option<(usize, u32, Told)> {
        loop {
            let told = self.told.recv().await?;
            if let Some((feed_idx, session)) = self.names.find(&told) {
                return Some((feed_idx, session, told));
            }
        }
    }

    /// Ends. Answers where the time of finals went.
    pub(super) fn finish(self) -> Result<Vec<(String, f64)>, Failure> {
        self.end.send_replace(true);
        let ended = self.thread.join();
        let stages =
            ended.map_err(|_| Failure::Runtime("the thread that reads events panicked".into()))??;
        Ok(stages.mean(EventKind::TranscriptFinal))
    }
}

impl Names {
    fn find(&mut self, told: &Told) -> Option<(usize, u32)> {
        let feed_idx = told.feed.strip_prefix(&self.prefix)?.parse().ok()?;
        let epochs = self.epochs.entry(feed_idx).or_default();
        let session = epochs.iter().position(|epoch| *epoch == told.epoch).unwrap_or_else(|| {
            epochs.push(told.epoch);
            epochs.len() - 1
        });
        Some((feed_idx, u32::try_from(session).ok()?))
    }
}

async fn read(
    api: Api,
    told: mpsc::Sender<Told>,
    mut end: watch::Receiver<bool>,
    ready: oneshot::Sender<()>,
) -> Result<Stages, Failure> {
    let mut follow = api.follow(PATIENCE).await?;
    // Who waits for it is there.
    let _ = ready.send(());
    loop {
        let next = tokio::select! {
            biased;
            _ = end.wait_for(|end| *end) => break,
            next = follow.next() => next?,
        };
        if told.try_send(next).is_err() {
            return Err(Failure::Runtime(format!(
                "{EVENTS} events wait to be judged: this machine is too slow"
            )));
        }
    }
    Ok(follow.take_stages())
}

//! One run: N feeds from their first piece to the last answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::time::{sleep_until, timeout};
use url::Url;

use super::Wire;
use super::events::Events;
use super::jury::{Jury, Window};
use super::sender::{Orders, Sender};
use super::server::Server;
use super::trouble::Troubles;
use crate::failure::Failure;
use crate::measure::{Machine, Measurement};
use crate::mode::{Load, Progress};
use crate::scenario::{Scenario, TargetKind, Transport};
use crate::target::aircheck::{Api, NewFeed};
use crate::truth::{Observation, Observed};

/// From the start of a run to the first piece, for connections.
const LEAD: Duration = Duration::from_millis(500);
/// Between two looks: at the score, at the server's process, at the terminal.
const TICK: Duration = Duration::from_secs(1);

/// Feeds that were added over the API of an Aircheck, and what it tells of them.
struct Added {
    api: Api,
    events: Events,
    prefix: String,
    n_feeds: usize,
}

/// See the module.
pub(super) struct Run<'a> {
    wire: &'a mut Wire,
    load: &'a Load,
    sender: Sender,
    /// Feeds that were added over the API.
    added: Option<Added>,
    begin: Instant,
    window: Window,
    jury: Jury,
    troubles: Troubles,
    machine: Vec<Machine>,
}

impl<'a> Run<'a> {
    /// Connects everything.
    pub(super) async fn begin(wire: &'a mut Wire, load: &'a Load) -> Result<Self, Failure> {
        let begin = Instant::now() + LEAD;
        let window = Window { start: begin + load.warm_up, length: load.length };
        let n_feeds = load.n_feeds;
        let mut added = None;
        let mut mounts = Vec::new();
        if is_added(&wire.scenario) {
            let api = wire.server.api()?;
            let prefix = prefix();
            let events = Events::follow(&api, &prefix).await?;
            let mut feeds = Added { api, events, prefix, n_feeds: 0 };
            if wire.scenario.transport() == Transport::Source {
                let sources: Vec<String> =
                    (0..n_feeds).map(|idx| format!("mount:/{}", feeds.name(idx))).collect();
                let of_mount = |idx| mount(&wire.server, &feeds.name(idx));
                mounts = (0..n_feeds).map(of_mount).collect::<Result<_, _>>()?;
                feeds.add(&sources, &wire.scenario.target.feed).await?;
            }
            added = Some(feeds);
        }
        let orders = Orders {
            scenario: wire.scenario.clone(),
            tapes: wire.tapes.clone(),
            rate: wire.programme.rate,
            url: wire.server.url.clone(),
            token: wire.server.token.clone(),
            n_feeds,
            mounts,
            begin,
            counts: (window.start, window.end()),
        };
        let sender = Sender::start(orders).await?;
        if let Some(feeds) = &mut added {
            feeds.add(&sender.urls, &wire.scenario.target.feed).await?;
        }
        let jury = Jury::new(Arc::clone(&wire.programme), n_feeds, window, added.is_some());
        let state = wire.server.state();
        let troubles = Troubles::new(&load.disturbances, window.start, state);
        if let Some(process) = &mut wire.server.process {
            process.count_from_here();
        }
        Ok(Self { wire, load, sender, added, begin, window, jury, troubles, machine: Vec::new() })
    }

    /// Plays to the end.
    pub(super) async fn play(mut self, tell: &mut dyn FnMut(&Progress)) -> Result<Measurement, Failure> {
        let played = self.attend(tell).await;
        self.clean_up().await;
        let Self { wire, load, sender, added, window, jury, troubles, machine, .. } = self;
        let marks = troubles.finish(&mut wire.server);
        played?;
        let generator = sender.join()?;
        let stages = added.map_or(Ok(Vec::new()), |added| added.events.finish())?;
        let (score, series, faults) = jury.finish();
        if let Some(fault) = faults.first().filter(|_| load.disturbances.is_empty()) {
            return Err(Failure::Refused(format!("{} connections broke; {fault}", faults.len())));
        }
        Ok(Measurement {
            n_feeds: load.n_feeds,
            length: window.length,
            score,
            series,
            generator,
            marks: marks?,
            machine,
            stages,
        })
    }

    /// Takes what is told until the grace is over, or somebody wants an end.
    async fn attend(&mut self, tell: &mut dyn FnMut(&Progress)) -> Result<(), Failure> {
        let grace = self.wire.scenario.run.grace;
        let end = self.window.end() + grace;
        let mut tick = self.begin + TICK;
        while Instant::now() < end {
            let wake =
                [Some(tick), Some(end), self.troubles.next()].into_iter().flatten().min().unwrap_or(end);
            let told = async {
                match &mut self.added {
                    Some(added) => added.events.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = sleep_until(wake.into()) => {}
                note = self.sender.notes.recv() => match note {
                    Some(note) => { self.jury.note(note); continue; }
                    None => return Ok(()),
                },
                told = told => match told {
                    Some((feed_idx, session, told)) => {
                        self.check_refused(feed_idx, &told.observed)?;
                        self.jury.hear((feed_idx, session), told.observed);
                        continue;
                    }
                    None => return Err(Failure::Runtime("the server tells no more events".into())),
                },
            }
            let now = Instant::now();
            self.troubles.act(now, &self.sender.weathers, &mut self.wire.server)?;
            if now >= tick {
                tick = now + TICK;
                self.look(now, grace)?;
                tell(&self.progress(now, grace));
                if self.wire.stop.is_asked() {
                    self.window.length = now.saturating_duration_since(self.window.start);
                    break;
                }
            }
        }
        self.sender.end();
        self.farewell().await;
        Ok(())
    }

    /// A load of which the server refuses a feed is more than it takes: to measure the others would say nothing about this
    /// load. After a trouble, which may have been a new start, it counts as the rest does: what was due is missing.
    fn check_refused(&self, feed_idx: usize, observed: &Observed) -> Result<(), Failure> {
        match &observed.what {
            Observation::Refused { reason } if self.load.disturbances.is_empty() => {
                let n_feeds = self.load.n_feeds;
                Err(Failure::Refused(format!("feed {} of {n_feeds}: {reason}", feed_idx + 1)))
            }
            _ => Ok(()),
        }
    }

    /// What comes until the last feed has said goodbye.
    async fn farewell(&mut self) {
        let jury = &mut self.jury;
        let notes = &mut self.sender.notes;
        let rest = async {
            while let Some(note) = notes.recv().await {
                jury.note(note);
            }
        };
        // Who lingers longer than the grace has nothing to say that counts.
        let _late = timeout(self.wire.scenario.run.grace + TICK, rest).await;
    }

    fn look(&mut self, now: Instant, grace: Duration) -> Result<(), Failure> {
        self.jury.settle(now.checked_sub(grace).unwrap_or(self.begin));
        if let Some(process) = &mut self.wire.server.process {
            process.check()?;
            let is_due = self.machine.last().is_none_or(|last| {
                now >= self.begin + last.at + self.window.slice().saturating_sub(TICK / 2)
            });
            if is_due {
                self.machine.push(process.sample(now.saturating_duration_since(self.begin)));
            }
        }
        Ok(())
    }

    fn progress(&self, now: Instant, grace: Duration) -> Progress {
        Progress {
            at: now.saturating_duration_since(self.begin),
            of: self.load.warm_up + self.load.length + grace,
            n_feeds: self.load.n_feeds,
            score: self.jury.score().clone(),
            generator: self.sender.generator.borrow().clone(),
        }
    }

    /// Removes the feeds that were added.
    async fn clean_up(&mut self) {
        self.sender.end();
        if let Some(added) = &mut self.added {
            added.remove().await;
        }
    }
}

impl Added {
    fn name(&self, idx: usize) -> String {
        format!("{}{idx}", self.prefix)
    }

    /// Adds a feed for each source; where one is refused the others are removed again.
    async fn add(&mut self, sources: &[String], more: &Map<String, Value>) -> Result<(), Failure> {
        for source in sources {
            let name = self.name(self.n_feeds);
            if let Err(failure) = self.api.add_feed(&NewFeed { name: &name, source, more }).await {
                self.remove().await;
                return Err(failure);
            }
            self.n_feeds += 1;
        }
        Ok(())
    }

    async fn remove(&mut self) {
        for idx in 0..self.n_feeds {
            // A server that is gone has no feeds.
            let _ = self.api.remove_feed(&self.name(idx)).await;
        }
        self.n_feeds = 0;
    }
}

/// Whether feeds are added over the API, and told of over it.
fn is_added(scenario: &Scenario) -> bool {
    scenario.target.kind == TargetKind::Aircheck && scenario.transport() != Transport::WebSocket
}

/// Of the names of a run's feeds: no two runs alike, on one machine.
fn prefix() -> String {
    static N_RUNS: AtomicU64 = AtomicU64::new(0);
    let run = N_RUNS.fetch_add(1, Ordering::Relaxed);
    format!("lt-{}-{run}-", std::process::id())
}

/// Where the feed `name` is pushed to.
fn mount(server: &Server, name: &str) -> Result<Url, Failure> {
    let refused = |why: &str| Failure::Usage(format!("target.url {}: {why}", server.url));
    let mut url = Url::parse(&server.url).map_err(|error| refused(&error.to_string()))?;
    url.set_path(&format!("/{name}"));
    let named = url.set_username("source").and_then(|()| url.set_password(server.token.as_deref()));
    named.map_err(|()| refused("it cannot have a user"))?;
    Ok(url)
}

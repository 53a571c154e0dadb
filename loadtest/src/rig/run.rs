//! One run: N feeds from their first piece to the last answer.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout};

use super::Wire;
use super::events::Events;
use super::jury::{Jury, Window};
use super::sender::{Orders, Sender};
use super::trouble::Troubles;
use crate::failure::Failure;
use crate::measure::{Machine, Measurement};
use crate::mode::{Load, Progress};
use crate::scenario::{TargetKind, Transport};
use crate::target::aircheck::{Api, NewFeed};

/// From the start of a run to the first piece, for connections.
const LEAD: Duration = Duration::from_millis(500);
/// Between two looks: at the score, at the server's process, at the terminal.
const TICK: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Run<'a> {
    wire: &'a mut Wire,
    load: &'a Load,
    sender: Sender,
    /// What Aircheck tells of feeds that it pulls, and where they were added.
    pulled: Option<(Api, Events, Vec<String>)>,
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
        let is_pulled = wire.scenario.target.kind == TargetKind::Aircheck
            && wire.scenario.transport() != Transport::WebSocket;
        let names = name();
        let events = if is_pulled { Some(Events::follow(&wire.server.api()?, &names).await?) } else { None };
        let orders = Orders {
            scenario: wire.scenario.clone(),
            tapes: wire.tapes.clone(),
            rate: wire.programme.rate,
            url: wire.server.url.clone(),
            token: wire.server.token.clone(),
            n_feeds: load.n_feeds,
            begin,
            counts: (window.start, window.end()),
        };
        let sender = Sender::start(orders).await?;
        let jury = Jury::new(std::sync::Arc::clone(&wire.programme), window);
        let state = wire.scenario.target.env.get("XDG_STATE_HOME").map(PathBuf::from);
        let troubles = Troubles::new(&load.disturbances, window.start, state);
        if let Some(process) = &mut wire.server.process {
            process.count_from_here();
        }
        let mut run = Self {
            wire,
            load,
            sender,
            pulled: None,
            begin,
            window,
            jury,
            troubles,
            machine: Vec::new(),
        };
        if let Some(events) = events {
            let api = run.wire.server.api()?;
            run.pulled = Some((api, events, Vec::new()));
            if let Err(failure) = run.add(&names).await {
                run.clean_up().await;
                return Err(failure);
            }
        }
        Ok(run)
    }

    /// Adds the feeds that the server is to pull.
    async fn add(&mut self, names: &str) -> Result<(), Failure> {
        let Some((api, _, added)) = &mut self.pulled else { return Ok(()) };
        for (idx, source) in self.sender.urls.iter().enumerate() {
            let name = format!("{names}{idx}");
            api.add_feed(&NewFeed { name: &name, source, more: &self.wire.scenario.target.feed }).await?;
            added.push(name);
        }
        Ok(())
    }

    /// Plays to the end.
    pub(super) async fn play(mut self, tell: &mut dyn FnMut(&Progress)) -> Result<Measurement, Failure> {
        let played = self.attend(tell).await;
        self.clean_up().await;
        let Self { wire, load, sender, pulled, window, jury, troubles, machine, .. } = self;
        let marks = troubles.finish(&mut wire.server);
        played?;
        let generator = sender.join()?;
        let stages = pulled.map_or(Ok(Vec::new()), |(_, events, _)| events.finish())?;
        let (score, series, faults) = jury.finish();
        if let Some(fault) = faults.first().filter(|_| load.disturbances.is_empty()) {
            return Err(Failure::Runtime(format!("{} connections broke; {fault}", faults.len())));
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
            let wake = [Some(tick), Some(end), self.troubles.next()].into_iter().flatten().min().unwrap_or(end);
            let told = async {
                match &mut self.pulled {
                    Some((_, events, _)) => events.next().await,
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
        let Some((api, _, added)) = &mut self.pulled else { return };
        for name in added.drain(..) {
            // A server that is gone has no feeds.
            let _ = api.remove_feed(&name).await;
        }
    }
}

/// Of the feeds of a run, but for their number: no two runs alike, on one machine.
fn name() -> String {
    static N_RUNS: AtomicU64 = AtomicU64::new(0);
    let run = N_RUNS.fetch_add(1, Ordering::Relaxed);
    format!("lt-{}-{run}-", std::process::id())
}

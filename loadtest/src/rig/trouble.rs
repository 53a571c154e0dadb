//! What is done to the feeds and to the server while they run.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::server::Server;
use crate::failure::Failure;
use crate::measure::Mark;
use crate::scenario::{Disturbance, Trouble};
use crate::target::{Filler, fill_disk};
use crate::transport::Weather;

/// Troubles of a run, done when their time comes.
pub(super) struct Troubles {
    start: Instant,
    waiting: Vec<Disturbance>,
    /// What is undone, and when.
    undo: Vec<(Instant, Undo)>,
    /// Folder on the disk that is filled.
    state: PathBuf,
    pub(super) marks: Vec<Mark>,
}

enum Undo {
    Thaw,
    Free(Filler),
}

impl Troubles {
    /// `disturbances` count from `start`.
    pub(super) fn new(disturbances: &[Disturbance], start: Instant, state: PathBuf) -> Self {
        let mut waiting = disturbances.to_vec();
        waiting.sort_by_key(|disturbance| disturbance.at);
        waiting.reverse();
        Self { start, waiting, undo: Vec::new(), state, marks: Vec::new() }
    }

    /// When there is something to do; `None`: nothing more.
    pub(super) fn next(&self) -> Option<Instant> {
        let done = self.waiting.last().map(|disturbance| self.start + disturbance.at);
        self.undo.iter().map(|(at, _)| *at).chain(done).min()
    }

    /// Does what is due at `now`.
    pub(super) fn act(
        &mut self,
        now: Instant,
        weathers: &[Weather],
        server: &mut Server,
    ) -> Result<(), Failure> {
        for (at, undo) in std::mem::take(&mut self.undo) {
            match undo {
                undo if at > now => self.undo.push((at, undo)),
                Undo::Thaw => server.process.as_mut().map_or(Ok(()), crate::target::Process::thaw)?,
                Undo::Free(filler) => drop(filler),
            }
        }
        while self.waiting.last().is_some_and(|next| self.start + next.at <= now) {
            let Some(disturbance) = self.waiting.pop() else { break };
            self.begin(&disturbance, now, weathers, server)?;
        }
        Ok(())
    }

    fn begin(
        &mut self,
        disturbance: &Disturbance,
        now: Instant,
        weathers: &[Weather],
        server: &mut Server,
    ) -> Result<(), Failure> {
        let Disturbance { trouble, share, .. } = *disturbance;
        let process = || Failure::Usage(format!("{trouble}: the server's process is not known"));
        let mut n_feeds = 0;
        match trouble {
            Trouble::Freeze(length) => {
                server.process.as_mut().ok_or_else(process)?.freeze()?;
                self.undo.push((now + length, Undo::Thaw));
            }
            Trouble::Kill => {
                // The server counts media time anew.
                disturb(weathers, 1.0, trouble)?;
                server.process.as_mut().ok_or_else(process)?.restart()?;
            }
            Trouble::FullDisk(length) => {
                self.undo.push((now + length, Undo::Free(fill_disk(&self.state)?)));
            }
            _ => n_feeds = disturb(weathers, share, trouble)?,
        }
        let what = if n_feeds == 0 { trouble.to_string() } else { format!("{trouble} on {n_feeds} feeds") };
        self.marks.push(Mark {
            at: now.saturating_duration_since(self.start),
            length: trouble.length(),
            what,
        });
        Ok(())
    }

    /// Undoes everything.
    pub(super) fn finish(mut self, server: &mut Server) -> Result<Vec<Mark>, Failure> {
        self.waiting.clear();
        self.act(self.start + Duration::from_secs(u64::from(u32::MAX)), &[], server)?;
        Ok(self.marks)
    }
}

/// Makes trouble for a share of the feeds, evenly spread; answers for how many.
fn disturb(weathers: &[Weather], share: f64, trouble: Trouble) -> Result<usize, Failure> {
    let mut n_feeds = 0;
    for (idx, weather) in weathers.iter().enumerate() {
        let before = (idx as f64 * share).ceil();
        if before < ((idx + 1) as f64 * share).ceil() {
            let full = |_| Failure::Runtime(format!("{trouble}: feed {idx} has too many troubles already"));
            weather.set(trouble).map_err(full)?;
            n_feeds += 1;
        }
    }
    Ok(n_feeds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_share_of_the_feeds_is_spread_evenly_and_never_nobody() {
        let weathers: Vec<Weather> = (0..10).map(|_| Weather::new()).collect();
        for (share, n) in [(1.0, 10), (0.5, 5), (0.25, 3), (0.01, 1)] {
            assert_eq!(disturb(&weathers, share, Trouble::Disconnect).unwrap(), n, "{share}");
        }
    }
}

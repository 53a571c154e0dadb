//! What the command line asks for.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::load::Outages;
use crate::table::Section;

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    /// A line for each. None: the whole table.
    pub(crate) feeds: Vec<usize>,
    /// Length of a line. `None`: as long as the table says, else a minute.
    pub(crate) length: Option<Duration>,
    pub(crate) n_recognisers: usize,
    /// No partials.
    pub(crate) is_finals: bool,
    /// Noise in place of speech.
    pub(crate) is_noise: bool,
    /// Every fourth feed falls silent for a while.
    pub(crate) outages: Outages,
    /// A recogniser that costs nothing.
    pub(crate) is_scripted: bool,
    /// Recognition in processes of its own.
    pub(crate) is_processes: bool,
    /// Compare with the words of an unhurried run.
    pub(crate) is_lost: bool,
    /// Time between deaths of recogniser processes.
    pub(crate) kill_every: Option<Duration>,
    /// Where a plot goes.
    pub(crate) plot: Option<PathBuf>,
    /// Costs, for another process to read.
    pub(crate) is_brief: bool,
    /// One section of the table.
    pub(crate) section: Option<Section>,
}

/// Feeds of a table that names none.
const FEEDS: [usize; 5] = [1, 4, 8, 12, 16];

impl Default for Args {
    fn default() -> Self {
        Self {
            feeds: Vec::new(),
            length: None,
            n_recognisers: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            is_finals: false,
            is_noise: false,
            outages: Outages::None,
            is_scripted: false,
            is_processes: false,
            is_lost: false,
            kill_every: None,
            plot: None,
            is_brief: false,
            section: None,
        }
    }
}

impl Args {
    /// Those of this program.
    pub(crate) fn read() -> Result<Self, String> {
        // Cargo's own.
        Self::parse(std::env::args().skip(1).filter(|arg| arg != "--bench"))
    }

    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut read = Self::default();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} of what?"));
            match arg.as_str() {
                "--finals" => read.is_finals = true,
                "--noise" => read.is_noise = true,
                "--outages" => read.outages = Outages::Some,
                "--scripted" => read.is_scripted = true,
                "--processes" => read.is_processes = true,
                "--lost" => read.is_lost = true,
                "--secs" => read.length = Some(secs(&value()?)?),
                "--recognisers" => read.n_recognisers = number(&value()?)?,
                "--kill-every" => read.kill_every = Some(secs(&value()?)?),
                "--plot" => read.plot = Some(value()?.into()),
                "--brief" => read.is_brief = true,
                "--section" => read.section = Some(Section::named(&value()?)?),
                n_feeds => read.feeds.push(number(n_feeds)?),
            }
        }
        read.check()
    }

    fn check(mut self) -> Result<Self, String> {
        let is_custom = self.is_finals
            || self.is_noise
            || self.outages == Outages::Some
            || self.is_scripted
            || self.is_processes
            || self.is_lost
            || self.kill_every.is_some()
            || self.plot.is_some();
        if self.feeds.is_empty() && is_custom {
            self.feeds = FEEDS.to_vec();
        }
        if self.kill_every.is_some() && !self.is_processes {
            return Err("--kill-every needs --processes".to_owned());
        }
        if self.is_scripted && (self.is_processes || self.is_lost) {
            return Err("--scripted recognises nothing: no --processes, no --lost".to_owned());
        }
        // Coverage is part of it; and what kills lose.
        self.is_lost |= (self.plot.is_some() && !self.is_scripted) || self.kill_every.is_some();
        Ok(self)
    }

    pub(crate) fn length(&self) -> Duration {
        self.length.unwrap_or(Duration::from_secs(60))
    }
}

fn number(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{text}: expected a number above 0, or an option")),
    }
}

fn secs(text: &str) -> Result<Duration, String> {
    Ok(Duration::from_secs(number(text)? as u64))
}

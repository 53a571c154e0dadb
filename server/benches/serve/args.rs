//! What the command line asks for.

use std::time::Duration;

/// Rows of the table; all but `soak` without being named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Ready,
    Visible,
    Journal,
    Many,
    Guests,
    Slow,
    Soak,
}

impl Row {
    const ALL: [Self; 7] =
        [Self::Ready, Self::Visible, Self::Journal, Self::Many, Self::Guests, Self::Slow, Self::Soak];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Visible => "visible",
            Self::Journal => "journal",
            Self::Many => "many",
            Self::Guests => "guests",
            Self::Slow => "slow",
            Self::Soak => "soak",
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|row| row.name() == name);
        found.ok_or_else(|| format!("{name}: there is no such row; the rows are {}", names()))
    }
}

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) rows: Vec<Row>,
    /// Length of a measurement. `None`: as long as its row says.
    length: Option<Duration>,
    /// Feeds, or guests. `None`: as many as its row says.
    n_feeds: Option<usize>,
    /// Lines of the profile that guests have.
    pub(crate) profile: String,
    /// Of everything that is random.
    pub(crate) seed: u64,
}

impl Args {
    /// Those of this program.
    pub(crate) fn read() -> Result<Self, String> {
        // Cargo's own.
        Self::parse(std::env::args().skip(1).filter(|arg| arg != "--bench"))
    }

    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut read =
            Self { rows: Vec::new(), length: None, n_feeds: None, profile: String::new(), seed: 1 };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} of what?"));
            match arg.as_str() {
                "--secs" => read.length = Some(Duration::from_secs(number(&value()?)?)),
                "--feeds" => read.n_feeds = usize::try_from(number(&value()?)?).ok(),
                "--profile" => read.profile = value()?,
                "--seed" => read.seed = number(&value()?)?,
                row => read.rows.push(Row::named(row)?),
            }
        }
        if read.rows.is_empty() {
            read.rows = Row::ALL.into_iter().filter(|row| *row != Row::Soak).collect();
        }
        Ok(read)
    }

    /// Length of a measurement that takes `usual` unless it was asked otherwise.
    pub(crate) fn length(&self, usual: Duration) -> Duration {
        self.length.unwrap_or(usual)
    }

    /// Feeds of a row that has `usual` unless it was asked otherwise.
    pub(crate) fn n_feeds(&self, usual: usize) -> usize {
        self.n_feeds.unwrap_or(usual)
    }
}

fn number(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{text}: expected a number above 0")),
    }
}

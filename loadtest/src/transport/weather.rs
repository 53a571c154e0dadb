//! Bad weather for one feed: troubles that come while it plays, and what becomes of each piece. Knows no socket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::queue::ArrayQueue;

use crate::pace::Dice;
use crate::scenario::Trouble;

/// Troubles that may wait for a feed to take them up.
const TROUBLES: usize = 16;
/// First byte of frames of MPEG audio (ISO/IEC 11172-3, 2.4.1.3; ADTS has the same).
const SYNC: u8 = 0xff;

/// Makes trouble for one feed while it plays, from any thread. A trouble begins with the next piece that is due.
#[derive(Clone, Debug)]
pub struct Weather(Arc<ArrayQueue<Trouble>>);

impl Weather {
    /// Fair.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(ArrayQueue::new(TROUBLES)))
    }

    /// Troubles of the server are passed over, but for its end: the next connection begins a media clock of its own. `Err`: too many wait already, this one is given back.
    pub fn set(&self, trouble: Trouble) -> Result<(), Trouble> {
        self.0.push(trouble)
    }
}

impl Default for Weather {
    fn default() -> Self {
        Self::new()
    }
}

/// What becomes of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    Fair,
    /// It is never sent.
    Lost,
    /// It is kept until the first that is not.
    Held,
    /// Noise is sent in its place.
    Noise,
    Twice,
    /// It is sent behind its successor.
    Swapped,
}

/// What is done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sudden {
    Disconnect,
    Change,
    Drift(i32),
    /// The server is a new one: its media clock, too.
    Forgotten,
    Jitter {
        by: Duration,
        until: Instant,
    },
}

/// What one feed makes of its weather.
#[derive(Debug)]
pub(super) struct Sky {
    weather: Weather,
    dice: Dice,
    stall: Option<Instant>,
    hold: Option<Instant>,
    garbage: Option<Instant>,
    deaf: Option<Instant>,
    scramble: Option<(f64, Instant)>,
}

impl Sky {
    pub(super) fn new(weather: Weather, seed: u64) -> Self {
        let dice = Dice::new(seed);
        Self { weather, dice, stall: None, hold: None, garbage: None, deaf: None, scramble: None }
    }

    /// Takes up what has come by the piece that was due then; to be called until there is nothing more.
    pub(super) fn look(&mut self, due: Instant) -> Option<Sudden> {
        while let Some(trouble) = self.weather.0.pop() {
            let until = due + trouble.length();
            match trouble {
                Trouble::Stall(_) => self.stall = Some(until),
                Trouble::Burst(_) => self.hold = Some(until),
                Trouble::Garbage(_) => self.garbage = Some(until),
                Trouble::SlowSink(_) => self.deaf = Some(until),
                Trouble::Scramble { probability, .. } => self.scramble = Some((probability, until)),
                Trouble::Disconnect => return Some(Sudden::Disconnect),
                Trouble::Change => return Some(Sudden::Change),
                Trouble::Drift(ppm) => return Some(Sudden::Drift(ppm)),
                Trouble::Jitter { by, .. } => return Some(Sudden::Jitter { by, until }),
                Trouble::Kill => return Some(Sudden::Forgotten),
                Trouble::FullDisk(_) | Trouble::Freeze(_) => {}
            }
        }
        None
    }

    /// What becomes of the piece that was due then.
    pub(super) fn outlook(&mut self, due: Instant) -> Outlook {
        let is_on = |until: Option<Instant>| until.is_some_and(|until| due < until);
        if is_on(self.stall) {
            return Outlook::Lost;
        }
        if is_on(self.hold) {
            return Outlook::Held;
        }
        if is_on(self.garbage) {
            return Outlook::Noise;
        }
        match self.scramble {
            Some((probability, until)) if due < until => self.scrambled(probability),
            _ => Outlook::Fair,
        }
    }

    /// Whether what the server says is left unread.
    pub(super) fn is_deaf(&self, due: Instant) -> bool {
        self.deaf.is_some_and(|until| due < until)
    }

    /// So many random bytes, in which no decoder finds the head of a frame: what it made of one, and for how long, would be
    /// anybody's guess, and media time with it.
    pub(super) fn noise(&mut self, n_bytes: usize) -> bytes::Bytes {
        let bytes = std::iter::repeat_with(|| self.dice.bits().to_le_bytes()).flatten();
        bytes.filter(|byte| *byte != SYNC).take(n_bytes).collect()
    }

    pub(super) const fn seed(&mut self) -> u64 {
        self.dice.bits()
    }

    fn scrambled(&mut self, probability: f64) -> Outlook {
        let kinds = [Outlook::Lost, Outlook::Twice, Outlook::Swapped];
        kinds.into_iter().find(|_| self.dice.share() < probability).unwrap_or(Outlook::Fair)
    }
}

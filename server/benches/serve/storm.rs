//! Bad weather for streams: stalls, disconnections, garbage, refusals and slow drips, at random.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::figures::Dice;
use crate::programme::MP3_BYTES_PER_SEC;

/// Time that a stream is good, s.
const GOOD_SECS: (f64, f64) = (5.0, 90.0);
/// Length of a fault, s: what is short shall heal by itself, what is long shall be given up.
const FAULT_SECS: (f64, f64) = (0.2, 25.0);
/// Garbage that is sent again and again.
const NOISE_BYTES: usize = 8_192;
/// Share of the bytes that a drip lets through.
const DRIP: f64 = 0.3;

/// How a stream flows.
pub(crate) enum Flow {
    /// As it should; until something happens.
    Steady { until: Option<Instant> },
    /// Not at all.
    Stalled { until: Instant, is_lost: bool },
    /// From byte `from` on, since then, slowly.
    Drip { until: Instant, from: u64, since: Instant },
    /// Something else.
    Garbage { until: Instant, noise: Arc<[u8]> },
    /// The connection is closed, or never was one.
    Closed,
}

impl Flow {
    /// Up to which byte it is sent now.
    pub(crate) fn due(&self, at: u64, edge: u64, now: Instant) -> u64 {
        match self {
            Self::Steady { .. } | Self::Garbage { .. } => edge,
            Self::Stalled { .. } | Self::Closed => at,
            Self::Drip { from, since, .. } => {
                from + ((now - *since).as_secs_f64() * MP3_BYTES_PER_SEC as f64 * DRIP) as u64
            }
        }
    }

    const fn until(&self) -> Option<Instant> {
        match self {
            Self::Steady { until } => *until,
            Self::Stalled { until, .. } | Self::Drip { until, .. } | Self::Garbage { until, .. } => {
                Some(*until)
            }
            Self::Closed => None,
        }
    }
}

/// See the module.
pub(crate) struct Storm {
    dice: Dice,
    noise: Arc<[u8]>,
    /// Until when a feed is refused.
    refused: BTreeMap<usize, Instant>,
}

impl Storm {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let noise = (0..NOISE_BYTES).map(|_| (dice.next() >> 32) as u8).collect();
        Self { dice, noise, refused: BTreeMap::new() }
    }

    /// What a new listener gets.
    pub(crate) fn welcome(&mut self, feed_idx: usize, now: Instant) -> Flow {
        if self.refused.get(&feed_idx).is_some_and(|until| now < *until) {
            Flow::Closed
        } else {
            self.steady(now)
        }
    }

    /// Changes the flow where it is time. Answers from which byte on it goes on.
    pub(crate) fn change(
        &mut self,
        flow: &mut Flow,
        feed_idx: usize,
        now: Instant,
        at: u64,
        edge: u64,
    ) -> u64 {
        if flow.until().is_none_or(|until| now < until) {
            return at;
        }
        // After garbage and a loss it goes on as it is on air; what only came late comes at once.
        let is_lost = matches!(flow, Flow::Garbage { .. } | Flow::Stalled { is_lost: true, .. });
        let is_over = !matches!(flow, Flow::Steady { .. });
        *flow = if is_over { self.steady(now) } else { self.fault(feed_idx, now, at) };
        if is_lost { edge } else { at }
    }

    fn steady(&mut self, now: Instant) -> Flow {
        Flow::Steady { until: Some(now + self.secs(GOOD_SECS)) }
    }

    fn fault(&mut self, feed_idx: usize, now: Instant, at: u64) -> Flow {
        let until = now + self.secs(FAULT_SECS);
        match self.dice.next() >> 32 & 7 {
            0 | 1 => Flow::Stalled { until, is_lost: false },
            2 => Flow::Stalled { until, is_lost: true },
            3 => Flow::Garbage { until, noise: Arc::clone(&self.noise) },
            4 => Flow::Drip { until, from: at, since: now },
            5 => {
                self.refused.insert(feed_idx, until);
                Flow::Closed
            }
            _ => Flow::Closed,
        }
    }

    fn secs(&mut self, (min, max): (f64, f64)) -> Duration {
        Duration::from_secs_f64(self.dice.between(min, max))
    }
}

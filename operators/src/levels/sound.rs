//! Where sound begins between pauses. Not silence detection: a pause of 10 ms counts.

use engine::time::{MediaTime, Span};

use super::Facts;

/// Mean square of the loudest channel below which a window is a pause: -60 dBFS.
const PAUSE: f64 = 1e-6;

/// How far the edge of an alert may move, to the pause before or after: a passage is heard as one from pause to pause.
pub(super) const REACH: MediaTime = MediaTime::from_secs(1);

/// The sound that is heard at present.
#[derive(Debug, Default)]
pub(super) struct Sound {
    since: Option<MediaTime>,
}

impl Sound {
    pub(super) fn window(&mut self, facts: &Facts) {
        let power = (0..facts.planes.len()).map(|channel| facts.power(channel)).fold(0.0, f64::max);
        if power < PAUSE {
            self.since = None;
        } else {
            self.since.get_or_insert(facts.span.start);
        }
    }

    /// Whether the last window was a pause.
    pub(super) const fn is_paused(&self) -> bool {
        self.since.is_none()
    }

    /// Where something that was noticed in `window` began: with the sound, but not before `earliest` where one is
    /// known; at `window` itself when that is out of reach.
    pub(super) fn start_of(&self, window: Span, earliest: Option<MediaTime>) -> MediaTime {
        let start = self.since.unwrap_or(window.start).max(earliest.unwrap_or_default());
        if start + REACH >= window.start { start } else { window.start }
    }
}

//! Activity: where speech, music, silence and noise begin and end. No endpoints of utterances, no dead air alert.

use engine::event::{Event, SegmentKind};
use engine::operator::{Emit, Operator};
use engine::time::{MediaTime, SampleRate};

use crate::BuildError;
use crate::error::check_range;
use crate::hop::{HOP_FRAMES, Hop, N_KINDS};

mod edge;
mod features;
mod kinds;
#[allow(clippy::approx_constant, reason = "trained numbers are what they are")]
mod model;
mod modulation;
mod net;
mod path;
mod repeats;
mod silence;
#[cfg(test)]
mod tests;
mod writer;

use edge::Edges;
use features::LOOK_BEATS;
pub use features::{Features, N_FEATURES};
pub use kinds::Kinds;
use path::{Level, Path, Told};
use repeats::{Repeats, Told as Heard};
use silence::{Borders, Silence};
use writer::Writer;

/// Hops between two looks.
const BEAT: u64 = features::BEAT_HOPS as u64;
/// What the numbers of the net mean.
const KINDS: [SegmentKind; N_KINDS] = [SegmentKind::Speech, SegmentKind::Music, SegmentKind::Noise];
/// Number of music among them.
const MUSIC: usize = 1;
/// How far from the beat at which another kind begins the edge is looked for, hops before and after.
const EDGE_BEFORE: u64 = 50;
const EDGE_AFTER: u64 = 20;
/// An edge of a repetition is looked for this far around it, hops.
const REPEAT_REACH: u64 = 12;
/// Something else than music comes between music and its repetition for at least this long, 5 s.
const ELSE_MIN: u64 = 500;
/// Edges nearer than this are the same, hops.
const NEAR: u64 = 30;
/// Where a repetition ends, another kind may begin; it is found up to this many hops later, and its edge is taken for
/// this.
const END_BEFORE: u64 = 150;
/// How long that is waited for, hops.
const END_WAIT: u64 = 100;

/// What counts as silence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivityConfig {
    /// A hop below this level is quiet, dBFS RMS, -90 to -20; default -58.
    pub silence_db: f32,
    /// Whether sounds that were heard before, in the last 43 minutes, are segments of their own; default true. Takes
    /// 0.4 MB.
    pub repeats: bool,
}

impl Default for ActivityConfig {
    fn default() -> Self {
        Self { silence_db: -58.0, repeats: true }
    }
}

/// Hops with `kinds` filled in, segments out: each closes where the next one opens.
///
/// Speech over music is speech; a steady test tone is noise; a second below the silence level is silence, a shorter
/// pause belongs to what is around it. Every 100 ms are told 1.4 s after their beginning, by the most likely path
/// through their kinds. Edges lie where the level crosses the silence level, or else where the spectrum changes most.
///
/// A sound of 2 s or more that was heard before, more than a minute ago and not in the same piece of music, is a segment
/// of its own, which says where that was: a jingle, a spot. Its beginning is told 2 s later, its end up to 2.4 s.
pub struct Activity {
    config: ActivityConfig,
    path: Path,
    silence: Silence,
    borders: Borders,
    edges: Edges,
    repeats: Option<Repeats>,
    in_repeat: bool,
    /// End of the last segment of [`ELSE_MIN`] that was not music.
    last_else: u64,
    /// Where a repetition ended, until it is an edge.
    repeat_end: Option<u64>,
    writer: Writer,
    /// Start of the first hop, end of the last.
    origin: Option<MediaTime>,
    proof: MediaTime,
    n_hops: u64,
    /// Hops of the feed, once it is over.
    n_total: u64,
    /// Loud hops of the last beats, the newest last.
    n_loud: [u64; LOOK_BEATS],
    /// Beats told, and the hop at which the open segment began.
    n_told: u64,
    last_change: u64,
}

impl Activity {
    /// Checks the level.
    pub fn new(config: ActivityConfig) -> Result<Self, BuildError> {
        check_range("silence level in dBFS", f64::from(config.silence_db), -90.0..=-20.0, "-90 to -20")?;
        Ok(Self::with(config, config.repeats.then(Repeats::default)))
    }

    fn with(config: ActivityConfig, repeats: Option<Repeats>) -> Self {
        Self {
            config,
            path: Path::default(),
            silence: Silence::default(),
            borders: Borders::default(),
            edges: Edges::default(),
            repeats,
            in_repeat: false,
            last_else: 0,
            repeat_end: None,
            writer: Writer::default(),
            origin: None,
            proof: MediaTime::ZERO,
            n_hops: 0,
            n_total: u64::MAX,
            n_loud: [0; LOOK_BEATS],
            n_told: 0,
            last_change: 0,
        }
    }

    fn take(&mut self, hop: &Hop, out: &mut dyn Emit<Event>) {
        let loud = hop.power_db >= self.config.silence_db;
        if let Some(border) = self.silence.push(self.n_hops, loud) {
            self.borders.add(border);
        }
        if self.n_hops.is_multiple_of(BEAT) {
            self.n_loud.rotate_left(1);
            self.n_loud[LOOK_BEATS - 1] = 0;
        }
        self.n_loud[LOOK_BEATS - 1] += u64::from(loud);
        self.n_hops += 1;
        self.edges.push(hop);
        if let Some(heard) = self.repeats.as_mut().and_then(|repeats| repeats.push(hop, loud)) {
            self.note_repeat(heard, out);
        }
        let is_look = self.n_hops.is_multiple_of(BEAT) && self.n_hops >= LOOK_BEATS as u64 * BEAT;
        if is_look && let Some(told) = self.path.step(hop.kinds, self.level()) {
            self.tell(told, out);
        }
    }

    /// Of the beat that the newest look is about.
    fn level(&self) -> Level {
        let first = self.n_hops.saturating_sub(LOOK_BEATS as u64 * BEAT);
        if self.borders.silent_at(first + BEAT / 2) {
            Level::Silence
        } else if 2 * self.n_loud[0] < BEAT {
            Level::Pause
        } else {
            Level::Sound
        }
    }

    /// Writes what happens within the next beat.
    fn tell(&mut self, told: Told, out: &mut dyn Emit<Event>) {
        let first = self.n_told * BEAT;
        self.n_told += 1;
        let kind = KINDS[told.kind];
        while let Some(border) = self.borders.take(first + BEAT) {
            let heard = if border.silent { (SegmentKind::Silence, 1.0) } else { (kind, told.confidence) };
            self.change(border.hop_idx, heard, out);
        }
        if self.borders.silent() {
            self.writer.agree(1.0);
        } else if self.writer.kind() == Some(kind) {
            self.writer.agree(told.confidence);
        } else {
            self.change(self.edge(first), (kind, told.confidence), out);
        }
        if self.repeat_end.is_some_and(|end| first > end + END_WAIT) {
            self.split_at_repeat_end(out);
        }
    }

    /// A repetition that has something else between it and the same before is a segment; music alone repeats itself.
    fn note_repeat(&mut self, heard: Heard, out: &mut dyn Emit<Event>) {
        match heard {
            Heard::Began { hop_idx, earlier } => {
                self.split_at_repeat_end(out);
                let is_speech = self.writer.kind() == Some(SegmentKind::Speech);
                self.in_repeat = self.last_else > earlier || is_speech;
                let (at, earlier) = (self.edges.near(hop_idx, REPEAT_REACH), self.time(earlier));
                if self.in_repeat && at > self.last_change + NEAR {
                    self.split(at, Some(earlier), out);
                } else if self.in_repeat {
                    self.writer.note_repeats(earlier);
                }
            }
            Heard::Over { hop_idx } => {
                let end = self.edges.near(hop_idx, REPEAT_REACH);
                self.repeat_end = std::mem::take(&mut self.in_repeat).then_some(end);
            }
        }
    }

    /// No other kind began where a repetition ended.
    fn split_at_repeat_end(&mut self, out: &mut dyn Emit<Event>) {
        if let Some(end) = self.repeat_end.take()
            && end > self.last_change + NEAR
        {
            self.split(end, None, out);
        }
    }

    fn split(&mut self, hop_idx: u64, repeats: Option<MediaTime>, out: &mut dyn Emit<Event>) {
        if hop_idx < self.n_total {
            self.writer.split(self.time(hop_idx), self.proof, repeats, out);
            self.last_change = hop_idx;
        }
    }

    /// Where the sound that begins at about hop `about` does begin.
    fn edge(&self, about: u64) -> u64 {
        if about == 0 {
            return 0;
        }
        let is_near = |end: &u64| (about.saturating_sub(END_BEFORE)..about + NEAR).contains(end);
        if let Some(end) = self.repeat_end.filter(is_near).filter(|end| *end > self.last_change) {
            return end;
        }
        let limit = self.borders.next().map_or(self.n_total, |border| border.hop_idx);
        let first = about.saturating_sub(EDGE_BEFORE).max(self.last_change + 1);
        let last = (about + EDGE_AFTER).min(limit.saturating_sub(1));
        self.edges.sharpest(first, last)
    }

    fn change(&mut self, hop_idx: u64, heard: (SegmentKind, f32), out: &mut dyn Emit<Event>) {
        match self.repeat_end {
            Some(end) if end.abs_diff(hop_idx) <= NEAR => self.repeat_end = None,
            Some(end) if end < hop_idx => self.split_at_repeat_end(out),
            _ => {}
        }
        if self.writer.kind() != Some(SegmentKind::Music) && hop_idx >= self.last_change + ELSE_MIN {
            self.last_else = hop_idx;
        }
        if hop_idx < self.n_total {
            self.writer.change(self.time(hop_idx), self.proof, heard, out);
            self.last_change = hop_idx;
        }
    }

    /// Start of hop `hop_idx`.
    fn time(&self, hop_idx: u64) -> MediaTime {
        let n_frames = hop_idx * HOP_FRAMES as u64;
        self.origin.unwrap_or_default() + MediaTime::from_frames(n_frames, SampleRate::HZ_16000)
    }
}

impl Operator for Activity {
    type In = Hop;
    type Out = Event;

    fn push(&mut self, hop: &Hop, out: &mut dyn Emit<Event>) {
        self.origin.get_or_insert(hop.start);
        self.proof = hop.span().end;
        self.take(hop, out);
    }

    /// What is still to be told is heard as if a pause followed.
    fn flush(&mut self, out: &mut dyn Emit<Event>) {
        self.n_total = self.n_hops;
        let silence = Hop::default();
        while self.n_told * BEAT < self.n_total {
            self.take(&silence, out);
        }
        self.writer.close(self.proof, self.proof, out);
    }

    fn reset(&mut self) {
        let mut repeats = self.repeats.take();
        if let Some(repeats) = &mut repeats {
            repeats.reset();
        }
        *self = Self::with(self.config, repeats);
    }

    /// None: an event is told with the hop that proves it, 1.4 s after the fact.
    fn latency(&self) -> MediaTime {
        MediaTime::ZERO
    }
}

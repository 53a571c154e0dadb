//! The score of what feeds were told: per figure a histogram and counts, and the words.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::event::EventKind;

use super::Latencies;

/// A latency that objectives are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// From the end of a word until a message showed it for the first time: `word.first_seen`.
    WordFirstSeen,
    /// From the end of a word until the message that said it for good: `word.final`.
    WordFinal,
    /// From the end of what a final covers until it was here: `transcript.final`.
    Final,
    /// The edge of an alert: `alert.dead_air` ...
    Alert(EventKind),
    /// From when a block of audio was due until a worker of the engine took it: `block.taken`.
    BlockTaken,
}

/// What became of the facts of one figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// That were to be told.
    pub n_expected: u64,
    /// Told after their budget (where they have one).
    pub n_late: u64,
    /// Never told; they count as infinite latency.
    pub n_missing: u64,
    /// Told again.
    pub n_duplicate: u64,
    /// Told, and not true.
    pub n_wrong: u64,
    /// Told before the sample that proves them was due.
    pub n_early: u64,
}

/// What became of the words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WordScore {
    /// Said in the audio.
    pub n_said: u64,
    /// Heard as another word.
    pub n_substituted: u64,
    /// Not heard, whether told or not.
    pub n_deleted: u64,
    /// Heard, and never said.
    pub n_inserted: u64,
    /// Of the deleted, those that a gap tells of.
    pub n_in_gaps: u64,
    /// Shown, and taken back later.
    pub n_retracted: u64,
    /// Shown in messages that could still change.
    pub n_shown: u64,
}

/// How much of the audio was analysed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Coverage {
    /// Sent.
    pub sent: Duration,
    /// Told to be in gaps.
    pub in_gaps: Duration,
}

impl Figure {
    /// Name, as objectives and reports use it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WordFirstSeen => "word.first_seen",
            Self::WordFinal => "word.final",
            Self::Final => "transcript.final",
            Self::Alert(kind) => kind.name(),
            Self::BlockTaken => "block.taken",
        }
    }
}

impl Score {
    /// Adds what `other` was told.
    pub fn merge(&mut self, other: &Self) {
        for (figure, (latencies, counts)) in &other.figures {
            let (all, total) = self.figures.entry(*figure).or_default();
            all.merge(latencies);
            total.merge(*counts);
        }
        self.words.merge(other.words);
        self.coverage.sent += other.coverage.sent;
        self.coverage.in_gaps += other.coverage.in_gaps;
        for (reason, n) in &other.gaps {
            *self.gaps.entry(reason.clone()).or_default() += n;
        }
    }
}

impl Counts {
    /// Adds up.
    pub const fn merge(&mut self, other: Self) {
        self.n_expected += other.n_expected;
        self.n_late += other.n_late;
        self.n_missing += other.n_missing;
        self.n_duplicate += other.n_duplicate;
        self.n_wrong += other.n_wrong;
        self.n_early += other.n_early;
    }
}

impl WordScore {
    /// Adds up.
    pub const fn merge(&mut self, other: Self) {
        self.n_said += other.n_said;
        self.n_substituted += other.n_substituted;
        self.n_deleted += other.n_deleted;
        self.n_inserted += other.n_inserted;
        self.n_in_gaps += other.n_in_gaps;
        self.n_retracted += other.n_retracted;
        self.n_shown += other.n_shown;
    }

    /// Word error rate, 0 is perfect; words that a gap tells of are not counted, neither as errors nor as said. NaN
    /// where nothing was said.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        let n_errors = self.n_substituted + self.n_deleted.saturating_sub(self.n_in_gaps) + self.n_inserted;
        n_errors as f64 / self.n_said.saturating_sub(self.n_in_gaps) as f64
    }

    /// Words that were not heard and that no gap tells of.
    #[must_use]
    pub const fn n_lost(&self) -> u64 {
        self.n_deleted.saturating_sub(self.n_in_gaps)
    }
}

impl Coverage {
    /// Share of the audio that no gap tells of, 0..=1; NaN where nothing was sent.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        1.0 - self.in_gaps.as_secs_f64() / self.sent.as_secs_f64()
    }
}

/// Everything that feeds were told, judged.
#[derive(Clone, Debug, Default)]
pub struct Score {
    /// Latencies and counts by figure.
    pub figures: BTreeMap<Figure, (Latencies, Counts)>,
    /// Words.
    pub words: WordScore,
    /// Audio.
    pub coverage: Coverage,
    /// Gaps by reason.
    pub gaps: BTreeMap<String, u64>,
}

//! The most likely sequence of kinds, told a fixed number of beats late (Viterbi, 1967).

use crate::hop::N_KINDS;

/// Beats that are looked ahead before a beat is told, 0.5 s.
pub(super) const LOOKAHEAD: usize = 5;
/// What a change of kind costs, nats: the evidence of a second of fairly sure looks.
const CHANGE: f32 = 14.0;
/// Least probability of a look: no single one may decide.
const PROBABILITY_MIN: f32 = 0.01;

/// What is known of a beat by its level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Level {
    /// Loud enough to be looked at.
    Sound,
    /// Quiet for a moment: the look does not count.
    Pause,
    /// Within a silence: any kind may follow.
    Silence,
}

/// Best score that ends in each kind, and how it got there.
#[derive(Clone, Default)]
pub(super) struct Path {
    scores: [f32; N_KINDS],
    /// The kind before, for each of the last beats; the newest last.
    before: [[usize; N_KINDS]; LOOKAHEAD + 1],
    /// What the looks at these beats said.
    looks: [[f32; N_KINDS]; LOOKAHEAD + 1],
    in_silence: bool,
    n_beats: usize,
}

/// What a beat is told to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Told {
    /// Number of the kind; within a silence, of what follows it.
    pub(super) kind: usize,
    /// Mean probability of that kind over the beat and those ahead.
    pub(super) confidence: f32,
}

impl Path {
    /// Takes what is known of the next beat; tells the beat that is [`LOOKAHEAD`] back.
    pub(super) fn step(&mut self, look: [f32; N_KINDS], level: Level) -> Option<Told> {
        self.before.rotate_left(1);
        self.looks.rotate_left(1);
        self.looks[LOOKAHEAD] = look;
        self.before[LOOKAHEAD] = self.advance(&look, level);
        self.in_silence = level == Level::Silence;
        self.n_beats += 1;
        (self.n_beats > LOOKAHEAD).then(|| self.told())
    }

    /// Updates the scores, relative to the best before; returns where each kind came from.
    fn advance(&mut self, look: &[f32; N_KINDS], level: Level) -> [usize; N_KINDS] {
        let best = best(&self.scores);
        let base = self.scores[best];
        if level == Level::Silence {
            self.scores = [0.0; N_KINDS];
            return std::array::from_fn(|kind| if self.in_silence { kind } else { best });
        }
        let stays = self.scores.map(|score| score - base >= -CHANGE);
        for (score, probability) in self.scores.iter_mut().zip(look) {
            let evidence = if level == Level::Sound { probability.max(PROBABILITY_MIN).ln() } else { 0.0 };
            *score = (*score - base).max(-CHANGE) + evidence;
        }
        std::array::from_fn(|kind| if stays[kind] { kind } else { best })
    }

    fn told(&self) -> Told {
        let kind = self.before[1..].iter().rev().fold(best(&self.scores), |kind, before| before[kind]);
        let sum: f32 = self.looks.iter().map(|look| look[kind]).sum();
        Told { kind, confidence: sum / self.looks.len() as f32 }
    }
}

fn best(scores: &[f32; N_KINDS]) -> usize {
    (1..N_KINDS).fold(0, |best, kind| if scores[kind] > scores[best] { kind } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kinds told for beats that are each fairly surely what `kinds` says; `-` is a pause, `.` silence.
    fn check(kinds: &str, expected: &str) {
        let mut path = Path::default();
        let beat = |c: char| match c {
            's' => ([0.98, 0.01, 0.01], Level::Sound),
            'm' => ([0.01, 0.98, 0.01], Level::Sound),
            'n' => ([0.01, 0.01, 0.98], Level::Sound),
            '-' => ([0.01, 0.01, 0.98], Level::Pause),
            _ => ([0.01, 0.98, 0.01], Level::Silence),
        };
        let beats = kinds.chars().chain(std::iter::repeat_n('-', LOOKAHEAD)).map(beat);
        let told = beats.filter_map(|(look, level)| path.step(look, level));
        let told: String = told.map(|told| ['s', 'm', 'n'][told.kind]).collect();
        assert_eq!(told, expected, "{kinds}");
    }

    #[test]
    fn short_doubts_are_overruled_and_changes_are_placed() {
        check("ssssssssmmssssssss", "ssssssssssssssssss");
        check("ssssssssmmmmmmmmmm", "ssssssssmmmmmmmmmm");
        check("nnnnnnnnnssssssssssmmmmmmmmmm", "nnnnnnnnnssssssssssmmmmmmmmmm");
    }

    #[test]
    fn what_is_quiet_does_not_count() {
        check("ssssss----------ssssss", "ssssssssssssssssssssss");
    }

    #[test]
    fn after_silence_anything_may_follow() {
        check("ssssssss..nnn", "ssssssssnnnnn");
        check("ssssssssnnn", "sssssssssss");
    }
}

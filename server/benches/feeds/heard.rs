//! What was heard of a feed, and what of an unhurried run's words is missing in it.

use engine::event::{Body, Data, GapReason};
use engine::time::Span;

/// How far a word may be from its place.
const SHIFT_SECS: f64 = 0.5;

/// A word of a final, without case and punctuation.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    text: String,
    /// In the audio, s.
    start: f64,
    end: f64,
}

impl Word {
    fn middle(&self) -> f64 {
        f64::midpoint(self.start, self.end)
    }
}

/// What a feed said of itself.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) words: Vec<Word>,
    /// Start and end, s.
    gaps: Vec<(f64, f64)>,
    /// Why, of each gap.
    pub(crate) reasons: Vec<GapReason>,
    /// Of the ladder, the last one told.
    pub(crate) step: u8,
}

impl Heard {
    pub(crate) fn take(&mut self, data: &Data<Body>) {
        match &data.body {
            Body::Final(transcript) => self.words.extend(transcript.words.iter().filter_map(|word| {
                let text: String = word.text.chars().filter(|c| c.is_alphanumeric()).collect();
                let (start, end) = secs(word.span);
                (!text.is_empty()).then(|| Word { text: text.to_lowercase(), start, end })
            })),
            Body::Gap(gap) => {
                self.gaps.push(secs(data.span));
                self.reasons.push(gap.reason);
            }
            Body::Degraded(engine) | Body::Recovered(engine) => self.step = engine.step,
            _ => {}
        }
    }
}

fn secs(span: Span) -> (f64, f64) {
    (span.start.as_secs_f64(), span.end.as_secs_f64())
}

/// What became of the words of an unhurried run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Missing {
    /// Of the unhurried run.
    pub(crate) n_words: usize,
    /// Not heard, and a gap says so.
    pub(crate) n_in_gaps: usize,
    /// Heard as something else.
    pub(crate) n_otherwise: usize,
    /// Neither: feed, position and text of each.
    pub(crate) lost: Vec<(usize, f64, String)>,
}

impl Missing {
    /// Adds what of `reference` is missing in what was heard of feed `idx`.
    pub(crate) fn add(&mut self, idx: usize, reference: &[Word], heard: &Heard) {
        let mut is_used = vec![false; heard.words.len()];
        self.n_words += reference.len();
        for word in reference {
            let shift = |other: &Word| (other.middle() - word.middle()).abs();
            let same = heard.words.iter().zip(&is_used).enumerate().filter(|(_, (other, is_used))| {
                !**is_used && other.text == word.text && shift(other) <= SHIFT_SECS
            });
            let nearest = same.min_by(|(_, (a, _)), (_, (b, _))| shift(a).total_cmp(&shift(b)));
            if let Some((found, _)) = nearest {
                is_used[found] = true;
            } else if heard.gaps.iter().any(|(from, to)| (*from..*to).contains(&word.middle())) {
                self.n_in_gaps += 1;
            } else if heard.words.iter().any(|other| other.start < word.end && word.start < other.end) {
                self.n_otherwise += 1;
            } else {
                self.lost.push((idx, word.middle(), word.text.clone()));
            }
        }
    }

    /// Share of the words that was heard, as the same or otherwise.
    pub(crate) fn coverage(&self) -> f64 {
        1.0 - self.share(self.n_in_gaps + self.lost.len())
    }

    /// `n` of all words.
    pub(crate) fn share(&self, n: usize) -> f64 {
        n as f64 / self.n_words.max(1) as f64
    }
}
